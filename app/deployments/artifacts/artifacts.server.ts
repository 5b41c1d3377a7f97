/** Archives that clients upload: sources and bundles. */
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
};

export type ArtifactsOptions = { pool: Pool; clock: Clock; dataDir: string; secret: Uint8Array };

export function createArtifacts({ pool, clock, dataDir, secret }: ArtifactsOptions): Artifacts {
  const files = createArtifactFiles(path.join(dataDir, "artifacts"));
  return {
    create: new CreateArtifactService({ pool, clock, secret }),
    receive: new ReceiveUploadService({ pool, clock, secret, files }),
    files,
  };
}
