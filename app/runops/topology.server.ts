/** Which databases hold runs, and the store over them. Nothing else asks whether there is more than one. */
import type { ResidentStore } from "./resident/resident.server";
import { createRouter } from "./router.server";
import type { RunStore } from "./runStore";

export type Topology = { store: RunStore; residents: readonly ResidentStore[] };

/** The resident itself when there is one; else a router: ids of 27 characters live in `runOps`, all others in `control`. */
export function createTopology(residents: { control: ResidentStore; runOps: ResidentStore | null }): Topology {
  const { control, runOps } = residents;
  if (runOps === null) return { store: control, residents: [control] };
  return { store: createRouter({ control, runOps }), residents: [control, runOps] };
}
