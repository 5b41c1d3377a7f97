/** The details panel of the run page: facts that are needed now and then. Pure. */
import type { RunDetail } from "../../runops/runStore";
import { formatDuration, formatSeconds } from "../../utils/format";
import { friendlyId } from "../../utils/ids";
import type { Words } from "../views";

/** Most children that are looked up to be counted. */
export const CHILDREN_SHOWN = 100;

type Fact = { name: string; value: Words };

/** Facts that this run has; those without a value are left out. */
export function factsOf(detail: RunDetail, related: { base: string; children: readonly string[] }): Fact[] {
  const { header } = detail;
  const { options } = header;
  const run = (id: string): Words => [{ code: friendlyId("run", id), href: `${related.base}/runs/${friendlyId("run", id)}` }];
  const facts: (Fact | null)[] = [
    fact("Idempotency key", options.idempotencyKeyOptions?.key ?? header.idempotencyKey, (key) => [{ code: key }]),
    fact("Concurrency key", header.concurrencyKey, (key) => [{ code: key }]),
    fact("Time to live", options.ttlSeconds, (seconds) => [`${formatSeconds(seconds)} in the queue`]),
    fact("Max duration", options.maxDuration, (seconds) => [`${formatSeconds(seconds)} of run time`]),
    fact("Priority", options.priority, (seconds) => [`${seconds} s ahead`]),
    fact("Parent", header.parentId, run),
    fact("Replay of", header.replayOf, run),
    fact("Children", related.children.length || null, (count) => childWords(count, related)),
    fact("Compute", detail.usageMs || null, (ms) => [formatDuration(ms, 2)]),
    fact("Region", header.region === header.envId ? null : header.region, (region) => [{ code: region }]),
  ];
  return facts.filter((item): item is Fact => item !== null);
}

function childWords(count: number, related: { base: string; children: readonly string[] }): Words {
  const [only] = related.children;
  if (count === 1 && only) return [{ code: friendlyId("run", only), href: `${related.base}/runs/${friendlyId("run", only)}` }];
  return [`${count}${count === CHILDREN_SHOWN ? "+" : ""} runs`];
}

function fact<T>(name: string, value: T | null | undefined, words: (value: T) => Words): Fact | null {
  return value === null || value === undefined || value === "" ? null : { name, value: words(value) };
}
