/** Archives that clients upload: sources and bundles. */
import { createHash } from "node:crypto";
import path from "node:path";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { createArtifactFiles, type ArtifactFiles } from "./artifactFiles.server";
import { CreateArtifactService } from "./createArtifact.server";
import { ReceiveUploadService } from "./receiveUpload.server";

export type Artifacts = {
  create: CreateArtifactService;
  receive: ReceiveUploadService;
  /** The bytes, for builders and for the sweep. */
  files: ArtifactFiles;
  /** Null when the bytes are those that were uploaded; otherwise a sentence that says what is wrong. */
  verify(key: string): Promise<string | null>;
};

export type ArtifactsOptions = { pool: Pool; clock: Clock; dataDir: string; secret: Uint8Array };

export function createArtifacts({ pool, clock, dataDir, secret }: ArtifactsOptions): Artifacts {
  const files = createArtifactFiles(path.join(dataDir, "artifacts"));
  return {
    create: new CreateArtifactService({ pool, clock, secret }),
    receive: new ReceiveUploadService({ pool, clock, secret, files }),
    files,
    verify: (key) => verify({ pool, files }, key),
  };
}

async function verify({ pool, files }: { pool: Pool; files: ArtifactFiles }, key: string): Promise<string | null> {
  const { rows } = await pool.query<{ sha256: string | null }>("SELECT sha256 FROM artifact WHERE key = $1", [key]);
  const file = rows[0] ? await files.read(key) : null;
  if (!file) return "The uploaded archive is no longer there. Deploy again.";
  const hash = createHash("sha256");
  for await (const chunk of file.stream as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest("hex") === rows[0]?.sha256 ? null : "The uploaded archive was changed after its upload. Deploy again.";
}
