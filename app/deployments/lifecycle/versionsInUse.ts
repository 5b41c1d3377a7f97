/** What the lifecycle asks the databases that hold runs. */

/**
 * Of worker versions, those that an unfinished run is locked to; with `since` (milliseconds) also those with a run that
 * ended after it.
 */
export type VersionsInUse = (versionIds: readonly string[], sinceMs: number | null) => Promise<ReadonlySet<string>>;
