/** Tokens in OTLP paths. Exporters send no credentials, so the URL that a worker is given names and proves its environment. */
import { createHmac, timingSafeEqual } from "node:crypto";

const SIGNATURE_BYTES = 16;
const ENVIRONMENT_ID = /^[0-9a-z]{1,64}$/;

/** `<environment id>.<32 hex characters>`; the same for every run of the environment, valid as long as the secret. */
export function signOtlpToken(secret: string, envId: string): string {
  return `${envId}.${signature(secret, envId).toString("hex")}`;
}

/** The environment id that the token proves, or null. Constant time in the signature. */
export function verifyOtlpToken(secret: string, token: string): string | null {
  const dot = token.indexOf(".");
  const envId = token.slice(0, Math.max(dot, 0));
  const given = Buffer.from(token.slice(dot + 1), "hex");
  if (!ENVIRONMENT_ID.test(envId) || given.length !== SIGNATURE_BYTES) return null;
  if (token.length !== envId.length + 1 + SIGNATURE_BYTES * 2) return null;
  return timingSafeEqual(given, signature(secret, envId)) ? envId : null;
}

/** The label keeps this use of the secret apart from every other one. */
function signature(secret: string, envId: string): Buffer {
  return createHmac("sha256", secret).update(`sluice otlp token v1\n${envId}`).digest().subarray(0, SIGNATURE_BYTES);
}
