/** Passwords: scrypt, with its parameters stored beside the hash so that they can be raised later. */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { AppError } from "../utils/appError";

/** 32 MB and about 80 ms on one core: what OWASP asks for as a minimum (N=2^15, r=8, p=3) costs three times that for every sign-in. */
const COST = { N: 32_768, r: 8, p: 1 };
const KEY_BYTES = 32;
const MAX_MEMORY = 128 * 1024 * 1024;
const MIN_LENGTH = 8;
const MAX_LENGTH = 256;

/** `scrypt$N$r$p$salt$hash`. Throws 400 for a password shorter than 8 or longer than 256 characters. */
export async function hashPassword(password: string): Promise<string> {
  if (password.length < MIN_LENGTH || password.length > MAX_LENGTH) {
    throw new AppError("invalid_password", 400, `A password has ${MIN_LENGTH} to ${MAX_LENGTH} characters.`);
  }
  const salt = randomBytes(16);
  const hash = await derive(password, salt, COST);
  return ["scrypt", COST.N, COST.r, COST.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/** A null hash (no such user, no password set) takes as long as a wrong password, and is one. */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const [scheme, N, r, p, salt, hash] = (stored ?? "").split("$");
  if (scheme !== "scrypt" || !salt || !hash) {
    await derive(password.slice(0, MAX_LENGTH), Buffer.alloc(16), COST);
    return false;
  }
  const expected = Buffer.from(hash, "base64url");
  const actual = await derive(password.slice(0, MAX_LENGTH + 1), Buffer.from(salt, "base64url"), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

function derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, KEY_BYTES, { ...cost, maxmem: MAX_MEMORY }, (error, key) =>
      error ? reject(error) : resolve(key)
    );
  });
}
