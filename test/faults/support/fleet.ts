/** Six environments of one project, a deployment in each held in another phase, and what must be true of each in the end. */
import { expect } from "vitest";
import { STEPS, type Step } from "../../../app/deployments/phases";
import type { Pool } from "../../../app/platform/db.server";
import { type Bundle, bundleWith, DeployClient, endOf, phaseOf } from "../../e2e/support/deployments";
import { eventually } from "../../e2e/support/processes";
import type { Sluice } from "../../e2e/support/sluice";
import { Holds, type HoldPoint } from "./holds";

/** An environment, and the phase that its deployments are held in. */
export type Place = { step: Step; number: number; envId: string; client: DeployClient; bundle: Bundle; current: string | null };
export type Held = { place: Place; deploymentId: string };

const END_TIMEOUT_MS = 180_000;
const SETTING_SQL =
  "INSERT INTO deploy_setting (environment_id, hold_response, concurrent_builds) VALUES ($1, false, 50) " +
  "ON CONFLICT (environment_id) DO UPDATE SET hold_response = false, concurrent_builds = 50";
/** Late phases first: an agent makes one build at a time, and one that is held in its hands keeps the others waiting. */
const ORDER: readonly (readonly Step[])[] = [["finalizing", "network"], ["deploying"], ["building", "starting", "queued"]];

export class Fleet {
  private constructor(
    private readonly pool: Pool,
    private readonly places: readonly Place[],
    readonly holds: Holds
  ) {}

  /** `origin` is asked for each call. One deployment is made on the way: the journal's tables come with it. */
  static async create(parts: { pool: Pool; bundle: Bundle; server: Sluice; origin: () => string }): Promise<Fleet> {
    const { pool, bundle, server, origin } = parts;
    const places: Place[] = [];
    for (const { step, ...place } of await makePlaces(server, origin))
      places.push({ ...place, step, bundle: await bundleWith(bundle, `${step}.txt`), current: null });
    for (const { envId } of places) await pool.query(SETTING_SQL, [envId]);
    const [first] = places;
    if (!first) throw new Error("There is no environment.");
    const { phase } = await endOf(pool, await idOf(pool, await first.client.deploy(first.bundle)), END_TIMEOUT_MS);
    expect(phase).toBe("ready");
    return new Fleet(pool, places, await Holds.install(pool));
  }

  place(step: Step): Place {
    const place = this.places.find((one) => one.step === step);
    if (!place) throw new Error(`No environment is for ${step}.`);
    return place;
  }

  /** Deploys to the environments of these phases, each held at its point; resolves when all of them are there. Holds none if it fails. */
  async holdAll(points: Partial<Record<Step, HoldPoint>>): Promise<Held[]> {
    try {
      return await this.tryToHoldAll(points);
    } catch (error) {
      await this.holds.release();
      throw error;
    }
  }

  private async tryToHoldAll(points: Partial<Record<Step, HoldPoint>>): Promise<Held[]> {
    const held: Held[] = [];
    for (const steps of ORDER) {
      const wave = steps.flatMap((step) => (points[step] ? [{ place: this.place(step), point: points[step] }] : []));
      for (const { place, point } of wave) {
        await this.holds.hold(place.envId, point, place.number);
        held.push({ place, deploymentId: await idOf(this.pool, await place.client.deploy(place.bundle)) });
      }
      for (const { place } of wave) await this.reached(place, held);
    }
    for (const { place, deploymentId } of held) expect(await phaseOf(this.pool, deploymentId)).toBe(place.step);
    return held;
  }

  private async reached(place: Place, held: readonly Held[]): Promise<void> {
    await this.holds.reached(place.number).catch(async (error: unknown) => {
      const phases = held.map(async (one) => `${one.place.step}: ${await phaseOf(this.pool, one.deploymentId)}`);
      throw new Error(`${place.step}: ${String(error)}; ${(await Promise.all(phases)).join(", ")}`);
    });
  }

  /** Each is ready, once in every table, and executes a run. What it took the place of is stopped, so that a fleet stays small. */
  async expectEnds(held: readonly Held[]): Promise<void> {
    await Promise.all(held.map((one) => this.expectEnd(one)));
  }

  private async expectEnd({ place, deploymentId }: Held): Promise<void> {
    const end = await endOf(this.pool, deploymentId, END_TIMEOUT_MS);
    expect(end, JSON.stringify(end)).toMatchObject({ phase: "ready", status: "DEPLOYED", promotions: 1, openSteps: 0 });
    expect([...end.steps].sort()).toEqual([...STEPS].sort());
    expect(await this.counts(deploymentId)).toEqual({ workers: 1, regions: ["local"], routes: 1, ends: 1, errors: 0, slots: 0, builds: 0 });
    expect(await place.client.run("hello", { name: place.step })).toMatchObject({
      status: "COMPLETED",
      version: end.version,
      output: { greeting: `Hello, ${place.step}` },
    });
    const before = place.current;
    place.current = end.version;
    if (before) await this.stop(place, before);
  }

  private async stop({ client }: Place, version: string): Promise<void> {
    await eventually(`stop of ${version}`, END_TIMEOUT_MS, async () => {
      const { status, body } = await client.send("POST", `/api/v1/deployments/${version}/stop`);
      if (status === 202) return true;
      throw new Error(`${status} ${JSON.stringify(body)}`);
    });
  }

  private async counts(deploymentId: string): Promise<unknown> {
    const { rows } = await this.pool.query(COUNTS_SQL, [deploymentId]);
    return rows[0];
  }
}

const COUNTS_SQL = `
  SELECT (SELECT count(*)::int FROM worker_version w WHERE w.environment_id = d.environment_id AND w.version = d.version) AS workers,
         (SELECT array_agg(r.name) FROM deployment_topology t JOIN region r ON r.id = t.region_id WHERE t.deployment_id = d.id) AS regions,
         (SELECT count(*)::int FROM version_route v WHERE v.deployment_id = d.id) AS routes,
         (SELECT count(*)::int FROM deployment_event e WHERE e.deployment_id = d.id AND e.type = 'finalized') AS ends,
         (SELECT count(*)::int FROM deployment_step s WHERE s.deployment_id = d.id AND s.error IS NOT NULL) AS errors,
         (SELECT count(*)::int FROM build_slot s WHERE s.deployment_id = d.id) AS slots,
         (SELECT count(*)::int FROM build_job j WHERE j.deployment_id = d.id AND j.state IN ('waiting', 'claimed')) AS builds
  FROM deployment d WHERE d.id = $1`;

/** The API names a deployment `deployment_<id>`. */
async function idOf(pool: Pool, friendlyId: string): Promise<string> {
  const id = friendlyId.replace("deployment_", "");
  expect(await phaseOf(pool, id)).toBeDefined();
  return id;
}

/** prod, staging, and branches of preview. */
async function makePlaces(server: Sluice, origin: () => string): Promise<Omit<Place, "bundle" | "current">[]> {
  const { prod, staging } = server.credentials.environments;
  const branches = await Promise.all(["three", "four", "five", "six"].map((branch) => makeBranch(server, branch)));
  const key = await previewKey(server);
  const environments = [
    ...[prod, staging].map(({ id, secretKey }) => ({ envId: id, client: new DeployClient(origin, secretKey) })),
    ...branches.map(({ id, branch }) => ({ envId: id, client: new DeployClient(origin, key, branch) })),
  ];
  return STEPS.flatMap((step, at) => {
    const environment = environments[at];
    return environment ? [{ step, number: at + 1, ...environment }] : [];
  });
}

async function asPerson<T>(server: Sluice, pathname: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${server.origin}/api/v1/projects/${server.credentials.projectRef}/${pathname}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${server.credentials.personalAccessToken}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${pathname}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

async function makeBranch(server: Sluice, branch: string): Promise<{ id: string; branch: string }> {
  return { ...(await asPerson<{ id: string }>(server, "branches", { branch, env: "preview" })), branch };
}

/** Branches have the key of their environment. */
async function previewKey(server: Sluice): Promise<string> {
  return (await asPerson<{ apiKey: string }>(server, "preview")).apiKey;
}
