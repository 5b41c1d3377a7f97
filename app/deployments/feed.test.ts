/** The feed of changes: what each channel tells, and what happens when its connection is cut. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createApiFixture, until, type ApiFixture } from "../../test/deployments/apiFixture";
import { createDeploymentFeed, type ListeningFeed } from "./feed.server";
import { silentLogger } from "../platform/logger";

const CUT_SQL =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice-deployment-feed'";

describe("deployment feed", () => {
  let f: ApiFixture;
  let feed: ListeningFeed;
  beforeAll(async () => {
    f = await createApiFixture();
    await f.holdOff();
    feed = createDeploymentFeed({ databaseUrl: f.services.databaseUrl, log: silentLogger });
    await feed.start();
  });
  afterAll(async () => {
    await feed.stop();
    await f.close();
  });

  it("tells rows, steps and events of one deployment, and phases of an environment, until unsubscribed", async () => {
    const phases: (string | null)[] = [];
    const off = feed.onEnvironment(f.prod.id, (change) => phases.push(change?.phase ?? null));
    const created = await f.create();
    await until(() => phases.includes("queued"));
    let heard = 0;
    const stop = feed.onDeployment(created.bare, () => void heard++);
    await f.app.deployments.events.append(f.services.pool, created.bare, [{ step: null, level: "info", body: "x" }]);
    await until(() => heard === 1);
    await f.openStep(created.bare, "starting");
    await until(() => heard === 2);
    stop();
    await f.toPhase(created.bare, "ready");
    await until(() => phases.includes("ready"));
    expect(heard).toBe(2);
    off();
  });

  it("a listener that throws does not keep others from hearing", async () => {
    const { bare } = await f.create();
    let heard = false;
    feed.onDeployment(bare, () => {
      throw new Error("broken listener");
    });
    feed.onDeployment(bare, () => void (heard = true));
    await f.openStep(bare, "starting");
    await until(() => heard);
  });

  it("connects again when it was cut, and tells everyone that anything may have changed", async () => {
    const created = await f.create();
    const changes: unknown[] = [];
    let heard = 0;
    feed.onEnvironment(f.prod.id, (change) => changes.push(change));
    feed.onTopology("some-region", (seq) => changes.push(`topology ${seq}`));
    feed.onDeployment(created.bare, () => void heard++);
    await f.sql(CUT_SQL);
    await until(() => changes.includes(null) && changes.includes("topology null") && heard > 0);
    const before = heard;
    await f.openStep(created.bare, "starting");
    await until(() => heard > before);
  });
});
