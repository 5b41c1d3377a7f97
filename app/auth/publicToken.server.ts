/**
 * Public tokens: JWTs signed with HS256 by an environment's secret key, by the SDK itself or by us. Nothing else is
 * accepted: no other algorithm, no critical extensions, no token without expiry.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";

const ISSUER = "https://id.trigger.dev";
const AUDIENCE = "https://api.trigger.dev";
/** A token with a thousand scopes of ordinary length fits; a header beyond it is no token. */
const MAX_TOKEN_CHARS = 16_384;
const PART = /^[A-Za-z0-9_-]+$/;

const Header = z.object({ alg: z.literal("HS256"), typ: z.string().optional(), crit: z.never().optional() });
const Claims = z.object({
  iss: z.literal(ISSUER),
  aud: z.union([z.literal(AUDIENCE), z.array(z.string()).refine((all) => all.includes(AUDIENCE))]),
  sub: z.string().min(1).max(64),
  pub: z.literal(true),
  exp: z.number(),
  nbf: z.number().optional(),
  scopes: z.array(z.string().max(1_024)).max(1_000).default([]),
  otu: z.boolean().default(false),
});

export type PublicClaims = z.output<typeof Claims>;

/** A token whose form is right; nothing in it may be believed before `isSignedBy`. */
export type UnverifiedToken = {
  claims: PublicClaims;
  signed: string;
  signature: Buffer;
};

/** True for text of the shape `a.b.c`: anything else in `Authorization` is a key. */
export function looksLikePublicToken(text: string): boolean {
  return text.split(".").length === 3;
}

/** The parts of a token, or why it cannot be one of ours. */
export function parsePublicToken(token: string): UnverifiedToken | { problem: string } {
  if (token.length > MAX_TOKEN_CHARS) return { problem: "the token is too long" };
  const [header, payload, signature] = token.split(".");
  if (!header || !payload || !signature || ![header, payload, signature].every((part) => PART.test(part))) {
    return { problem: "the token is malformed" };
  }
  if (!Header.safeParse(decodeJson(header)).success) return { problem: "the token is not signed with HS256" };
  const claims = Claims.safeParse(decodeJson(payload));
  if (!claims.success) return { problem: `the claim "${String(claims.error.issues[0]?.path[0] ?? "payload")}" is missing or wrong` };
  return { claims: claims.data, signed: `${header}.${payload}`, signature: Buffer.from(signature, "base64url") };
}

/** Constant-time comparison with what `secretKey` would have signed. */
export function isSignedBy(token: UnverifiedToken, secretKey: string): boolean {
  const expected = createHmac("sha256", secretKey).update(token.signed).digest();
  return expected.length === token.signature.length && timingSafeEqual(expected, token.signature);
}

/** Names a one-time token. Of the signed part only: the same signature can be written in more than one way. */
export function oneTimeHash(token: UnverifiedToken): Buffer {
  return createHash("sha256").update(token.signed).digest();
}

export type PublicTokenInput = {
  envId: string;
  secretKey: string;
  scopes: readonly string[];
  nowMs: number;
  lifetimeSeconds: number;
  oneTimeUse?: boolean;
  /** More claims, such as `realtime`; ours win. */
  extra?: Readonly<Record<string, unknown>>;
};

/** A token as the SDK would sign it. */
export function signPublicToken(input: PublicTokenInput): string {
  const issuedAt = Math.floor(input.nowMs / 1_000);
  const claims = {
    ...input.extra,
    sub: input.envId,
    pub: true,
    scopes: input.scopes,
    ...(input.oneTimeUse ? { otu: true } : {}),
    iss: ISSUER,
    aud: AUDIENCE,
    iat: issuedAt,
    exp: issuedAt + input.lifetimeSeconds,
  };
  const signed = `${encodeJson({ alg: "HS256" })}.${encodeJson(claims)}`;
  return `${signed}.${createHmac("sha256", input.secretKey).update(signed).digest("base64url")}`;
}

function encodeJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decodeJson(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
