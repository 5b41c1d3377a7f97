/** The contract of the run store, against one database, and against the router over one and over two. */
import { afterAll, beforeAll, describe } from "vitest";
import { runStoreFinishContract, runStoreLifeContract } from "../../test/contract/runStore";
import type { StoreUnderTest } from "../../test/contract/runStoreFixtures";
import { runStoreListContract, runStoreUpkeepContract } from "../../test/contract/runStoreReads";
import { createTestDatabase } from "../../test/services";
import { manualClock } from "../platform/clock";
import { silentLogger } from "../platform/logger";
import { mintId, mintRunOpsId } from "../utils/ids";
import { createRunStore, type ResidentStore } from "./resident/resident.server";
import { createRouter } from "./router.server";
import { createTopology } from "./topology.server";

type Shape = "control" | "run-ops";
type Kind = {
  name: string;
  shapes: readonly [Shape, ...Shape[]];
  build(residents: { control: ResidentStore; runOps: ResidentStore }): StoreUnderTest["store"];
};

const KINDS: Kind[] = [
  { name: "one database", shapes: ["control"], build: ({ control }) => createTopology({ control, runOps: null }).store },
  {
    name: "one database holding both shapes of id",
    shapes: ["run-ops", "control"],
    build: ({ control }) => createRouter({ control, runOps: control }),
  },
  { name: "two databases", shapes: ["run-ops", "control"], build: (residents) => createTopology(residents).store },
];

describe.each(KINDS)("run store over $name", (kind) => {
  const clock = manualClock(Date.UTC(2026, 2, 1, 12, 1));
  const residents: ResidentStore[] = [];
  let subject: StoreUnderTest;

  beforeAll(async () => {
    const open = async () => {
      const { databaseUrl } = await createTestDatabase();
      const store = createRunStore({ url: databaseUrl, name: "contract", clock, log: silentLogger });
      residents.push(store);
      return store;
    };
    const control = await open();
    const store = kind.build({ control, runOps: kind.name === "two databases" ? await open() : control });
    const mint = (shape = 0) => {
      const chosen = kind.shapes[shape % kind.shapes.length] ?? kind.shapes[0];
      return chosen === "control" ? mintId(clock.now()) : mintRunOpsId(clock.now(), shape % 1024);
    };
    subject = { store, now: () => clock.now(), advance: (ms) => clock.advance(ms), mint };
  });
  afterAll(() => Promise.all(residents.map((store) => store.stop())));

  runStoreLifeContract(() => subject);
  runStoreFinishContract(() => subject);
  runStoreListContract(() => subject);
  runStoreUpkeepContract(() => subject);
});
