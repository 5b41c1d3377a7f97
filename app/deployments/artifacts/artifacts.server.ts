/** Archives that clients upload: sources and bundles. */
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import type { ArtifactFiles } from "./artifactFiles.server";
import { CreateArtifactService } from "./createArtifact.server";
import { openArtifactFiles } from "./openArtifactFiles.server";
import { ReceiveUploadService } from "./receiveUpload.server";

export type Artifacts = {
  create: CreateArtifactService;
  receive: ReceiveUploadService;
  /** The bytes, for builders and for the sweep. */
  files: ArtifactFiles;
};

export type ArtifactsOptions = { pool: Pool; clock: Clock; dataDir: string; storeUrl: string | null; secret: Uint8Array };

export function createArtifacts({ pool, clock, dataDir, storeUrl, secret }: ArtifactsOptions): Artifacts {
  const files = openArtifactFiles({ url: storeUrl, dataDir, now: () => new Date(clock.now()) });
  return {
    create: new CreateArtifactService({ pool, clock, secret }),
    receive: new ReceiveUploadService({ pool, clock, secret, files }),
    files,
  };
}
