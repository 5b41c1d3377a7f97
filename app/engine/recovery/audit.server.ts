/**
 * Holds the slots of the index against the database: frees those whose run holds none (two looks in a row, so that
 * changes on their way are not taken for drift), adds those that are missing. It walks slots and deadline entries only,
 * whose number the limits bound, and asks the database nothing while there are none.
 */
import type { Clock } from "../../platform/clock";
import { defineLoop, type Loop } from "../../platform/loop";
import type { Logger } from "../../platform/logger";
import type { LiveRun, RunStore } from "../../runops/runStore";
import type { IndexItem, QueueIndex, SlotConfirm, SlotRelease } from "../queueIndex/queueIndex";
import type { IndexControl, SlotEntry } from "../queueIndex/control";
import { hasDeadline, holdsSlot, stallTimeoutMs, type StallTimeouts } from "../queueIndex/slotRules";

export type AuditDeps = {
  index: Pick<QueueIndex, "release" | "confirm" | "enqueue" | "forget">;
  control: IndexControl;
  store: Pick<RunStore, "getLive">;
  clock: Clock;
  log: Logger;
  timeouts: StallTimeouts;
};

const AUDIT_EVERY_MS = 5_000;
const IDS_PER_QUERY = 1_000;

/** Builds the stopped loop; its first pass is at its start. */
export function createAuditLoop(deps: AuditDeps): Loop {
  let suspects = new Set<string>();
  return defineLoop({
    name: "queue-index-audit",
    everyMs: AUDIT_EVERY_MS,
    log: deps.log,
    run: async () => {
      suspects = deps.control.adopted()?.mode === "ready" ? await audit(deps, suspects) : new Set();
    },
  });
}

type Findings = {
  /** Drift seen once: `run|what is wrong`. */
  suspects: Set<string>;
  release: SlotRelease[];
  offer: IndexItem[];
  confirm: SlotConfirm[];
  forget: string[];
};

async function audit(deps: AuditDeps, before: ReadonlySet<string>): Promise<Set<string>> {
  const slots = new Map((await deps.control.slots()).map((slot) => [slot.runId, slot]));
  const beats = new Set(await deps.control.beatRuns());
  const ids = [...new Set([...slots.keys(), ...beats])];
  const found: Findings = { suspects: new Set(), release: [], offer: [], confirm: [], forget: [] };
  for (let at = 0; at < ids.length; at += IDS_PER_QUERY) {
    const page = ids.slice(at, at + IDS_PER_QUERY);
    const live = await deps.store.getLive(page);
    for (const id of page) judge(deps, { id, slot: slots.get(id), hasBeat: beats.has(id), live: live.get(id), before }, found);
  }
  await apply(deps, found);
  return found.suspects;
}

type Subject = { id: string; slot: SlotEntry | undefined; hasBeat: boolean; live: LiveRun | undefined; before: ReadonlySet<string> };

function judge(deps: AuditDeps, subject: Subject, found: Findings): void {
  if (subject.live && holdsSlot(subject.live.state)) judgeHolding(deps, { ...subject, live: subject.live }, found);
  else if (subject.slot) judgeSlot({ ...subject, slot: subject.slot }, found);
  else judgeDeadline(subject, found);
}

/** The database says that the run holds a slot. */
function judgeHolding(deps: AuditDeps, subject: Subject & { live: LiveRun }, found: Findings): void {
  const { id, slot, live } = subject;
  const isRight = slot !== undefined && !isClaim(slot) && subject.hasBeat;
  if (isRight || !isSecond(subject, found, `holds:${live.seq}`)) return;
  const deadlineMs = deps.clock.now() + stallTimeoutMs(live.state, deps.timeouts);
  found.confirm.push({ runId: id, lane: live.lane, seq: live.seq, deadlineMs });
}

/** The index says so, and the database does not. */
function judgeSlot(subject: Subject & { slot: SlotEntry }, found: Findings): void {
  const { id, slot, live } = subject;
  // A claim of a queued run is being committed; its lease ends it, unless the lease itself was lost.
  const isOpenClaim = isClaim(slot) && live?.state === "QUEUED" && subject.hasBeat;
  if (isOpenClaim || !isSecond(subject, found, `slot:${slot.holder}`)) return;
  found.release.push({ runId: id, lane: slot.lane, ...namedHolder(slot.holder) });
  if (live?.state === "QUEUED") found.offer.push({ runId: id, lane: live.lane, score: live.score });
}

/** A deadline without a slot. While a cancel is pending the engine may have kept it. */
function judgeDeadline(subject: Subject, found: Findings): void {
  const { live } = subject;
  if (live && (hasDeadline(live.state) || live.state === "PENDING_CANCEL")) return;
  if (isSecond(subject, found, "beat")) found.forget.push(subject.id);
}

function isClaim(slot: SlotEntry): boolean {
  return slot.holder.startsWith("c");
}

/** True when the same drift was there in the pass before; else it is noted for the next. */
function isSecond(subject: Subject, found: Findings, what: string): boolean {
  const mark = `${subject.id}|${what}`;
  if (subject.before.has(mark)) return true;
  found.suspects.add(mark);
  return false;
}

function namedHolder(holder: string): { claim: number } | { seq: number } {
  return holder.startsWith("c") ? { claim: Number(holder.slice(1)) } : { seq: Number(holder) };
}

async function apply(deps: AuditDeps, found: Findings): Promise<void> {
  const { release, offer, confirm, forget } = found;
  if (release.length + confirm.length + forget.length === 0) return;
  deps.log.warn("queue_index.drift_healed", { extraSlots: release.length, missingSlots: confirm.length, extraDeadlines: forget.length });
  await Promise.all([deps.index.release(release), deps.index.enqueue(offer), deps.index.confirm(confirm), deps.index.forget(forget)]);
}
