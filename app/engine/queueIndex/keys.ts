/**
 * Names in the queue index. Everything of one epoch lies under `<namespace>:<epoch>:{0}:` (one hash tag, so a script may
 * build keys from the prefix; the tag is the shard, and there is one).
 *
 * | key | type | content |
 * |---|---|---|
 * | `ready` | string | `building` or `ready`; absent: the epoch is stale |
 * | `L:<lane>` | zset | queued run → score |
 * | `E:<env>:<region>` | zset | eligible lane → score of its head |
 * | `A:<region>` | zset | eligible environment → virtual time |
 * | `V:<region>` | hash | virtual time of the region (field ``), and of environments that left A |
 * | `B:<env>\|<queue>` | set | lanes with runs that are at their limit or paused; `BQ:<env>` names the queues that have any |
 * | `RE:<env>` | hash | slot: run → `<c claim or seq>\|<lane>`; `SE`: environments that have any |
 * | `RL:<env\|queue\|ck>` | set | runs that hold a slot of this limit key |
 * | `LIM:<env>` | hash | `max`, `base`, `paused`, `weight`, `q:<queue>` limit, `p:<queue>` paused |
 * | `CNT:<env>` | hash | queue → queued runs |
 * | `RG:<env>` | set | regions in which the environment ever queued |
 * | `HB` | zset | run → deadline in epoch milliseconds (claim lease or heartbeat) |
 * | `claim` | counter | last claim number; starts at epoch × 2^32, so claims of two epochs never meet |
 * | `gone` | hash | while building: run → seq up to which the loader must skip it |
 * | `recheck`, `sweep` | string | how far the re-check has come, and when the last sweep ended, epoch milliseconds |
 */
import { createHash } from "node:crypto";
import type { Lane } from "../../runops/runStore";
import type { LaneRef } from "./queueIndex";

const SEPARATOR = "|";
const CLAIMS_PER_EPOCH = 2 ** 32;
const DIGEST_CHARS = 22;

/** Keys of one epoch that are named outside scripts. */
export type EpochKeys = {
  prefix: string;
  ready: string;
  claim: string;
  gone: string;
  beats: string;
  slotEnvironments: string;
  recheck: string;
  sweep: string;
  slots(envId: string): string;
  lane(laneKey: string): string;
};

/** Keys of `epoch`. */
export function epochKeys(namespace: string, epoch: number): EpochKeys {
  const prefix = `${namespace}:${epoch}:{0}:`;
  return {
    prefix,
    ready: `${prefix}ready`,
    claim: `${prefix}claim`,
    gone: `${prefix}gone`,
    beats: `${prefix}HB`,
    slotEnvironments: `${prefix}SE`,
    recheck: `${prefix}recheck`,
    sweep: `${prefix}sweep`,
    slots: (envId) => `${prefix}RE:${envId}`,
    lane: (laneKey) => `${prefix}L:${laneKey}`,
  };
}

/** Pattern of every key of the index, of all epochs. */
export function anyEpochPattern(namespace: string): string {
  return `${namespace}:*:{0}:*`;
}

/** The claim counter's start in `epoch`. */
export function firstClaim(epoch: number): number {
  return epoch * CLAIMS_PER_EPOCH;
}

/** Channel on which every process hears of regions with new work. */
export function wakeChannel(namespace: string): string {
  return `${namespace}:wake`;
}

/** Channel on which a rebuild tells the other processes to look at the epoch again. */
export function epochChannel(namespace: string): string {
  return `${namespace}:epoch`;
}

/** `env|queue|ck digest|region`. Long or odd concurrency keys never reach Redis: only their digest does. */
export function laneKey(lane: Lane | LaneRef): string {
  if ("laneKey" in lane) return lane.laneKey;
  const digest = lane.concurrencyKey === null ? "" : digestKey(lane.concurrencyKey);
  return `${lane.envId}${SEPARATOR}${escapePart(lane.queue)}${SEPARATOR}${digest}${SEPARATOR}${escapePart(lane.region)}`;
}

/** The reference that a lane key stands for. Throws on text that `laneKey` did not write. */
export function laneRef(key: string): LaneRef {
  const [envId, queue, digest, region, rest] = key.split(SEPARATOR);
  if (envId === undefined || queue === undefined || digest === undefined || region === undefined || rest !== undefined) {
    throw new Error(`Not a lane key: ${key}`);
  }
  return { envId, queue: unescapePart(queue), region: unescapePart(region), laneKey: key };
}

/** A queue or region name as it stands inside lane keys. */
export function escapePart(name: string): string {
  return name.includes(SEPARATOR) || name.includes("%") ? name.replaceAll("%", "%25").replaceAll(SEPARATOR, "%7C") : name;
}

/** The name that `escapePart` wrote. */
export function unescapePart(text: string): string {
  return text.includes("%") ? text.replaceAll("%7C", SEPARATOR).replaceAll("%25", "%") : text;
}

function digestKey(concurrencyKey: string): string {
  return createHash("sha256").update(concurrencyKey).digest("base64url").slice(0, DIGEST_CHARS);
}
