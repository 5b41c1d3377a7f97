/** Gives out one signed upload form. */
import { randomInt } from "node:crypto";
import type { EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { AppError } from "../../utils/appError";
import { signUpload } from "./uploadSignature";

export type ArtifactType = "deployment_context" | "deployment_bundle";

const MB = 1024 * 1024;
/** Sources are what git would hold; a bundle also has what the bundler inlined. */
const ARTIFACT_LIMITS: Record<ArtifactType, number> = { deployment_context: 100 * MB, deployment_bundle: 250 * MB };
/** The CLI refuses a bundle whose key does not begin with `bundles/`. */
const PREFIX: Record<ArtifactType, string> = { deployment_context: "deployments", deployment_bundle: "bundles" };
const UPLOAD_LIFETIME_MS = 5 * 60_000;
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
const NAME_LENGTH = 24;
const CONTENT_TYPE = "application/gzip";
const INSERT_SQL =
  "INSERT INTO artifact (key, type, project_id, environment_id, limit_bytes, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";

export type CreateArtifact = {
  env: EnvironmentView;
  type: ArtifactType;
  /** As the client announces it; the upload is held to the limit whatever it says. */
  contentLength: number | undefined;
  /** Where the request came in: the client reaches that address. */
  origin: string;
};
export type CreatedArtifact = { artifactKey: string; uploadUrl: string; uploadFields: Record<string, string>; expiresAt: string };

export class CreateArtifactService {
  constructor(private readonly deps: { pool: Pool; clock: Clock; secret: Uint8Array }) {}

  /** Throws 400 when the announced size is over the limit of its type. */
  async call({ env, type, contentLength, origin }: CreateArtifact): Promise<CreatedArtifact> {
    const limitBytes = ARTIFACT_LIMITS[type];
    if (contentLength !== undefined && contentLength > limitBytes) throw tooLarge(contentLength, limitBytes);
    const name = Array.from({ length: NAME_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
    const key = `${PREFIX[type]}/${env.project.ref}/${env.slug}/${name}.tar.gz`;
    const now = this.deps.clock.now();
    const expiresAtMs = now + UPLOAD_LIFETIME_MS;
    await this.deps.pool.query(INSERT_SQL, [key, type, env.project.id, env.id, limitBytes, new Date(expiresAtMs), new Date(now)]);
    const signature = signUpload(this.deps.secret, { key, limitBytes, expiresAtMs });
    return {
      artifactKey: key,
      uploadUrl: `${origin}/api/v1/artifacts/upload`,
      uploadFields: { key, "Content-Type": CONTENT_TYPE, expires: String(expiresAtMs), signature },
      expiresAt: new Date(expiresAtMs).toISOString(),
    };
  }
}

function tooLarge(bytes: number, limitBytes: number): AppError {
  const size = (bytes / MB).toFixed(2);
  return new AppError(
    "artifact_too_large",
    400,
    `Artifact size (${size} MB) exceeds the allowed limit of ${limitBytes / MB} MB. Make sure you are in the correct directory of your ` +
      "Trigger.dev project. Files that the build does not need can be named in .gitignore.",
    { "x-should-retry": "false" }
  );
}
