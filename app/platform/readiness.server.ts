/** What must hold before this process should get traffic. Registered at boot, asked by `/readiness`. */
export type ReadinessCheck = {
  /** "postgres", "redis", "migrations". */
  name: string;
  /** Throws, with a text that may be shown, when it does not hold. */
  check(): Promise<void>;
};

export type ReadinessReport = { ready: boolean; checks: Record<string, "ok" | string> };

const KEY = Symbol.for("sluice.readiness");
type Holder = { [KEY]?: readonly ReadinessCheck[] };
const CHECK_TIMEOUT_MS = 2_000;

/** Called once at boot. */
export function setReadinessChecks(checks: readonly ReadinessCheck[]): void {
  (globalThis as Holder)[KEY] = checks;
}

/** Runs every check at once, each bounded; a process that has not been wired is not ready. */
export async function readiness(): Promise<ReadinessReport> {
  const checks = (globalThis as Holder)[KEY];
  if (!checks) return { ready: false, checks: { boot: "The server is still starting." } };
  const outcomes = await Promise.all(checks.map(async (check) => [check.name, await outcomeOf(check)] as const));
  return { ready: outcomes.every(([, outcome]) => outcome === "ok"), checks: Object.fromEntries(outcomes) };
}

async function outcomeOf({ check }: ReadinessCheck): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`No answer within ${CHECK_TIMEOUT_MS} ms.`), CHECK_TIMEOUT_MS);
  });
  const done = check().then(
    () => "ok",
    (error: unknown) => (error instanceof Error && error.message ? error.message : "Failed.")
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
