/**
 * Encryption of secrets at rest: AES-256-GCM, layout `1 | 12 bytes nonce | 16 bytes tag | ciphertext`. The context (what
 * the secret is of) is authenticated, so a value copied to another row does not decrypt.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const LAYOUT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

export type SecretBox = {
  /** Encrypts `text` for `context`, for example `variable:<env>:<key>`. */
  seal(text: string, context: string): Buffer;
  /** Throws when the bytes were sealed with another key, for another context, or were changed. */
  open(sealed: Uint8Array, context: string): string;
  /** 32 bytes that follow from the key and `purpose`: one root secret serves every signature of the server. */
  derive(purpose: string): Buffer;
};

/** `encryptionKey`: 64 hexadecimal characters. */
export function createSecretBox(encryptionKey: string): SecretBox {
  if (!/^[0-9a-fA-F]{64}$/.test(encryptionKey)) {
    throw new Error("ENCRYPTION_KEY must be 64 hexadecimal characters. Make one with: openssl rand -hex 32");
  }
  const root = Buffer.from(encryptionKey, "hex");
  const derive = (purpose: string) => Buffer.from(hkdfSync("sha256", root, Buffer.alloc(0), `sluice:${purpose}`, 32));
  const key = derive("secret-box");
  return {
    seal(text, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([Buffer.from([LAYOUT]), nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed);
      if (bytes.length < HEADER_BYTES || bytes[0] !== LAYOUT) throw new Error(`Unreadable secret for ${context}: unknown layout.`);
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(1, 1 + NONCE_BYTES))
        .setAAD(Buffer.from(context))
        .setAuthTag(bytes.subarray(1 + NONCE_BYTES, HEADER_BYTES));
      return decipher.update(bytes.subarray(HEADER_BYTES), undefined, "utf8") + decipher.final("utf8");
    },
    derive,
  };
}

/** Contexts under which this domain seals. */
export const sealContext = {
  environmentKey: (envId: string) => `environment-key:${envId}`,
  variable: (envId: string, key: string) => `variable:${envId}:${key}`,
  check: "secret-check",
} as const;
