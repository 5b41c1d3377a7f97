/** The only reader of the process environment. Each domain contributes a small schema; what it needs, it is handed. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { authEnvSchema } from "./auth/env";
import { deploymentsEnvSchema } from "./deployments/env";
import { engineEnvSchema } from "./engine/env";
import { environmentsEnvSchema } from "./environments/env";
import { platformEnvSchema } from "./platform/env";
import { runOpsEnvSchema } from "./runops/env";
import { runsEnvSchema } from "./runs/env";
import { telemetryEnvSchema } from "./telemetry/env";

const envSchema = z.object({
  ...platformEnvSchema.shape,
  ...environmentsEnvSchema.shape,
  ...authEnvSchema.shape,
  ...engineEnvSchema.shape,
  ...runOpsEnvSchema.shape,
  ...runsEnvSchema.shape,
  ...telemetryEnvSchema.shape,
  ...deploymentsEnvSchema.shape,
});

/** Every variable, parsed, with defaults filled in; secrets may still be missing. */
export type ParsedEnv = z.output<typeof envSchema>;
/** What the server starts with: secrets are there. */
export type Env = ParsedEnv & Secrets;

/** Variables that are generated on first start with embedded stores, and must be given with `DATABASE_URL`. */
const SECRET_NAMES = ["ENCRYPTION_KEY"] as const;
type SecretName = (typeof SECRET_NAMES)[number];
export type Secrets = Record<SecretName, string>;

/** Services started by a supervisor often have a shorter PATH than the person who installed redis-server. */
const USUAL_PLACES = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
const SECRET_BYTES = 32;
/** All one character, or counting up: what people paste from examples. */
const EXAMPLE_SECRET = /^(.)\1*$|^(0123456789abcdef)+$|^(deadbeef)+$/i;

/** A setting that keeps the server from starting; its message is for the person at the terminal. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
}

type Source = Readonly<Record<string, string | undefined>>;

/** Parses the environment; throws one error that lists every bad variable. An empty value counts as absent. */
export function readEnv(source: Source = process.env): ParsedEnv {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = envSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`);
  throw new EnvironmentError(`These environment variables are not usable:\n${problems.join("\n")}\nSee docs/configuration.md.`);
}

/** Where programs such as redis-server are looked for. */
export function executableSearchPath(source: Source = process.env): string {
  return [source.PATH, ...USUAL_PLACES].filter(Boolean).join(path.delimiter);
}

/** Fresh values for every secret. */
export function generateSecrets(): Secrets {
  return Object.fromEntries(SECRET_NAMES.map((name) => [name, randomBytes(SECRET_BYTES).toString("hex")])) as Secrets;
}

/**
 * Completes the environment. `remembered` are the secrets of an embedded installation; with a database of the user's own
 * there are none: it outlives this machine's folder, so its secrets must come from the environment.
 */
export function withSecrets(env: ParsedEnv, remembered: Secrets | null): Env {
  const values: Partial<Secrets> = {};
  const problems: string[] = [];
  for (const name of SECRET_NAMES) {
    const value = env[name] ?? remembered?.[name];
    if (!value) problems.push(`${name} is missing`);
    else if (EXAMPLE_SECRET.test(value)) problems.push(`${name} is an example value`);
    else values[name] = value;
  }
  if (problems.length > 0) throw new EnvironmentError(missingSecrets(problems));
  return { ...env, ...(values as Secrets) };
}

function missingSecrets(problems: readonly string[]): string {
  const fresh = Object.entries(generateSecrets()).map(([name, value]) => `  ${name}=${value}`);
  return (
    `DATABASE_URL is set, so secrets must come from the environment, but ${problems.join(", ")}. ` +
    `For a new database, these are fresh and can be pasted; keep them, what is stored is encrypted with them:\n\n${fresh.join("\n")}\n`
  );
}
