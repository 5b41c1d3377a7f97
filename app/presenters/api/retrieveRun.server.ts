/** `GET /api/v3/runs/:id`: a run with decoded payload and output, its error and its relatives. */
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import type { RunDetail, RunListItem, RunStore } from "../../runops/runStore";
import { runIdOf, runNotFound } from "../../runs/findRun";
import type { PacketStore } from "../../runs/packets/packetStore.server";
import { showPacket } from "../../runs/packets/packets";
import { presentRelative, type PresentContext, type PresentedRelative, type Vocabulary } from "./presentRun.server";
import { presentError, type PresentedError } from "./runError.server";

export type RetrievedRun = PresentedRelative & {
  payload?: unknown;
  payloadPresignedUrl?: string;
  output?: unknown;
  outputPresignedUrl?: string;
  error?: PresentedError;
  relatedRuns: { root?: PresentedRelative; parent?: PresentedRelative; children?: PresentedRelative[] };
  attemptCount: number;
};

type Deps = {
  store: Pick<RunStore, "getRun" | "getRuns" | "childrenOf">;
  directory: Pick<EnvironmentDirectory, "workerVersion">;
  packets: Pick<PacketStore, "presign">;
};

/** Children shown with a run; the list call with a tag or the dashboard shows more. */
const MAX_CHILDREN = 100;

export class RetrieveRunPresenter {
  constructor(private readonly deps: Deps) {}

  /** The stored run, for callers that check scopes before they present it. Throws 404. */
  async load(envId: string, run: string): Promise<RunDetail> {
    const detail = await this.deps.store.getRun(envId, runIdOf(run));
    if (!detail) throw runNotFound();
    return detail;
  }

  async call(detail: RunDetail, env: EnvironmentView, vocabulary: Vocabulary): Promise<RetrievedRun> {
    const context: PresentContext = { directory: this.deps.directory, env, vocabulary };
    const [common, relatedRuns] = await Promise.all([presentRelative(asListItem(detail), context), this.#relatives(detail, context)]);
    const { header, result } = detail;
    return {
      ...common,
      ...(await this.#packet(env.id, "payload", header.payload, header.payloadType)),
      ...(await this.#packet(env.id, "output", result?.output ?? null, result?.outputType ?? "application/json")),
      error: result?.error ? await presentError(result.error) : undefined,
      relatedRuns,
      attemptCount: detail.attempt,
    };
  }

  async #relatives(detail: RunDetail, context: PresentContext): Promise<RetrievedRun["relatedRuns"]> {
    const { envId, id, parentId, rootId } = detail.header;
    const ids = [...new Set([parentId, rootId].filter((other) => other !== null))];
    const [above, below] = await Promise.all([
      ids.length > 0 ? this.deps.store.getRuns(envId, ids) : new Map<string, RunListItem>(),
      this.deps.store.childrenOf(envId, id, MAX_CHILDREN),
    ]);
    const present = (run: RunListItem | undefined) => (run ? presentRelative(run, context) : undefined);
    return {
      root: await present(rootId === null ? undefined : above.get(rootId)),
      parent: await present(parentId === null ? undefined : above.get(parentId)),
      children: await Promise.all(below.map((child) => presentRelative(child, context))),
    };
  }

  async #packet(envId: string, field: "payload" | "output", data: string | null, type: string): Promise<Record<string, unknown>> {
    if (data === null || data === "") return {};
    if (type === "application/store") return { [`${field}PresignedUrl`]: this.deps.packets.presign("get", envId, data) };
    return { [field]: await showPacket(data, type) };
  }
}

/** A detail seen as a row of a list. */
function asListItem(detail: RunDetail): RunListItem {
  return { ...detail, completedAt: detail.result?.completedAt ?? null, error: detail.result?.error ?? null };
}
