/** What the lifecycle asks the databases that hold runs. */
import type { RunStore } from "../../runops/runStore";

/** Of worker versions, those that an unfinished run is locked to; with `since` also those with a run that ended after it. */
export type VersionsInUse = RunStore["versionsInUse"];
