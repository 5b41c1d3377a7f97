/** Whether an uploaded archive is still what was uploaded. */
import { createHash } from "node:crypto";
import type { Pool } from "../../platform/db.server";
import type { ArtifactFiles } from "../artifacts/artifactFiles.server";
import type { BuildInput } from "./ports";

const ARTIFACT_SQL = "SELECT sha256, state FROM artifact WHERE key = $1";

/** Compares the bytes on disk with the digest that was taken while they came in. */
export function createArtifactCheck({ pool, files }: { pool: Pool; files: Pick<ArtifactFiles, "read"> }): BuildInput {
  return {
    async verify(key) {
      const { rows } = await pool.query<{ sha256: string | null; state: string }>(ARTIFACT_SQL, [key]);
      const artifact = rows[0];
      const file = artifact && artifact.state !== "deleted" ? await files.read(key) : null;
      if (!artifact || !file) return "The build artifact of this deployment is no longer available. Deploy again.";
      const hash = createHash("sha256");
      for await (const chunk of file.stream) hash.update(chunk as Buffer);
      return hash.digest("hex") === artifact.sha256
        ? null
        : "The build artifact is damaged: its checksum is not that of the upload. Deploy again.";
    },
  };
}
