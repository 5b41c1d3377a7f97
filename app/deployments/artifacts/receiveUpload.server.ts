/** Stores what an upload form brings. The signature is checked before the first byte of the file is read. */
import type { Readable } from "node:stream";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { FileTooLargeError } from "../../platform/stagedFile.server";
import { AppError, conflict } from "../../utils/appError";
import type { ArtifactFiles, StagedFile } from "./artifactFiles.server";
import { readUploadForm } from "./multipart.server";
import { checkUpload } from "./uploadSignature";

type ArtifactRow = { state: "pending" | "uploaded" | "consumed" | "deleted"; limit_bytes: number; sha256: string | null };
type Grant = { key: string; limitBytes: number };

const FIND_SQL = "SELECT state, limit_bytes, sha256 FROM artifact WHERE key = $1";
const CLAIM_SQL =
  "UPDATE artifact SET bytes = $2, sha256 = $3 WHERE key = $1 AND state = 'pending' AND coalesce(sha256, $3) = $3 RETURNING key";
const UPLOADED_SQL = "UPDATE artifact SET state = 'uploaded' WHERE key = $1 AND state = 'pending' RETURNING key";
const MB = 1024 * 1024;

export class ReceiveUploadService {
  constructor(private readonly deps: { pool: Pool; clock: Clock; secret: Uint8Array; files: ArtifactFiles }) {}

  /**
   * The same bytes again are fine. Throws 400 for a broken form, 403 for a bad or expired signature, 409 for other bytes
   * under the same key or a key that was used, 413 beyond the limit.
   */
  call(request: Request): Promise<void> {
    return readUploadForm(request, async (fields, file) => {
      const grant = await this.grantOf(fields);
      const staged = await this.stage(grant, file);
      try {
        await this.settle(grant.key, staged);
      } finally {
        await staged.discard();
      }
    });
  }

  private async grantOf(fields: ReadonlyMap<string, string>): Promise<Grant> {
    const key = fields.get("key") ?? "";
    const expiresAtMs = Number(fields.get("expires") ?? Number.NaN);
    const { rows } = await this.deps.pool.query<ArtifactRow>(FIND_SQL, [key.replaceAll("\u0000", "")]);
    const limitBytes = rows[0]?.limit_bytes ?? 0;
    const check = checkUpload(this.deps.secret, { key, limitBytes, expiresAtMs }, fields.get("signature") ?? "", this.deps.clock.now());
    if (check === "expired") {
      throw new AppError("upload_expired", 403, "This upload link has expired: it is good for 5 minutes. Run the deploy command again.");
    }
    if (check === "altered" || !rows[0]) {
      throw new AppError("bad_upload_signature", 403, "The upload form's signature does not fit its fields. Send uploadFields unchanged.");
    }
    return { key, limitBytes };
  }

  private async stage(grant: Grant, file: Readable): Promise<StagedFile> {
    try {
      return await this.deps.files.stage(grant.key, file, grant.limitBytes);
    } catch (error) {
      if (!(error instanceof FileTooLargeError)) throw error;
      throw new AppError("artifact_too_large", 413, `The file is larger than ${grant.limitBytes / MB} MB, the limit of its artifact.`);
    }
  }

  /**
   * The first upload that is here as a whole claims the key with its hash. Files with that hash may be kept by several at
   * once, and no others are: so nothing is locked while a file travels to a store. A claim stays when the store fails,
   * whose late write must not replace other bytes.
   */
  private async settle(key: string, staged: StagedFile): Promise<void> {
    const { pool, files } = this.deps;
    const claimed = (await pool.query(CLAIM_SQL, [key, staged.bytes, staged.sha256])).rows.length === 1;
    if (claimed) {
      await staged.keep();
      if ((await pool.query(UPLOADED_SQL, [key])).rows.length === 1) return;
    }
    const { rows } = await pool.query<ArtifactRow>(FIND_SQL, [key]);
    const { state, sha256 } = rows[0] ?? { state: "deleted", sha256: null };
    if (state === "uploaded" && sha256 === staged.sha256) return;
    // The sweep was quicker, and could not know of this file.
    if (claimed && state === "deleted") await files.remove(key);
    throw state === "pending" || state === "uploaded"
      ? conflict("artifact_differs", "Another file was uploaded under this key already. Ask for a new artifact.")
      : conflict("artifact_used", "This artifact was used by a deployment already. Ask for a new one.");
  }
}
