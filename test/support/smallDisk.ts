/** A disk that is soon full: a tmpfs of its own, which only root can mount. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** Tests that need one show nothing elsewhere. */
export const canMount = process.platform === "linux" && process.getuid?.() === 0;

export type SmallDisk = { dir: string; remove(): void };

/** Mounts one at `at`, or in a folder of its own. */
export function smallDisk(kilobytes: number, at?: string): SmallDisk {
  const dir = at ?? mkdtempSync(path.join(os.tmpdir(), "sluice-small-disk-"));
  mkdirSync(dir, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", dir]);
  return {
    dir,
    remove: () => {
      execFileSync("umount", [dir]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
