/** Settings of sign-in and sessions. */
import { z } from "zod";

export const authEnvSchema = z.object({
  /** Days that a dashboard session lives. 14: two weeks without typing a password on a machine of one's own. */
  SESSION_DAYS: z.coerce.number().int().min(1).max(365).default(14),
  /** Failed sign-ins for one e-mail from one address within 15 minutes before further ones are refused. */
  LOGIN_ATTEMPTS: z.coerce.number().int().min(3).max(1_000).default(10),
  /** Header that holds the caller's address when a proxy stands in front (for example x-forwarded-for); its last value counts. Default: the socket's. */
  CLIENT_ADDRESS_HEADER: z.string().min(1).optional(),
});
