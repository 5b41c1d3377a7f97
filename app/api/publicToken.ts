/** Public tokens: HS256, signed with the environment's key, as the SDK signs them itself. */
import { generateJWT } from "@trigger.dev/core/v3/jwt";
import type { EnvironmentView } from "../environments/types";

export type PublicTokenRequest = {
  scopes: readonly string[];
  /** `1h`, or epoch seconds. */
  expirationTime: string | number;
  oneTimeUse?: boolean;
  realtime?: Record<string, unknown>;
};

/** A token for the environment. */
export function signPublicToken(env: EnvironmentView, request: PublicTokenRequest): Promise<string> {
  const payload = {
    sub: env.id,
    pub: true,
    scopes: request.scopes,
    ...(request.oneTimeUse ? { otu: true } : {}),
    ...(request.realtime ? { realtime: request.realtime } : {}),
  };
  return generateJWT({ secretKey: env.secretKey, payload, expirationTime: request.expirationTime });
}
