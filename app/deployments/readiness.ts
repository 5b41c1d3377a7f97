/** How many regions must be healthy before a deployment goes on, and what is said when they are not. */
import { plural } from "../utils/format";

/** `min2`: two, or the only one. `all-but-one`: one may be missing. `all`: none may. */
export type ReadinessRule = "min2" | "all-but-one" | "all";

/** An instance counts only while its agent reported it within this time. */
export const INSTANCE_FRESH_MS = 30_000;

/** Regions that must be healthy of `regions`. Throws for none: a rule over nothing would be met at once. */
export function requiredRegions(rule: ReadinessRule, regions: number): number {
  if (regions <= 0) throw new Error("Deployment has no target regions.");
  switch (rule) {
    case "all":
      return regions;
    case "all-but-one":
      return Math.max(regions - 1, 1);
    case "min2":
      return Math.min(2, regions);
  }
}

export type RegionHealth = {
  region: string;
  /** Fresh instances in state running. */
  running: number;
  required: number;
  /** Crash loop, or preparing failed for good: it will not become healthy. */
  lost: boolean;
  /** Last thing that an instance there reported, or null. */
  message: string | null;
};

export type Readiness =
  | { kind: "ready"; healthy: number }
  | { kind: "waiting"; healthy: number; required: number }
  /** Too many regions are lost: waiting on would only delay the same end. */
  | { kind: "hopeless"; healthy: number; required: number; text: string };

/** Judges all target regions of a deployment at one moment. */
export function judgeReadiness(rule: ReadinessRule, regions: readonly RegionHealth[]): Readiness {
  const required = requiredRegions(rule, regions.length);
  const healthy = regions.filter((region) => region.running >= region.required).length;
  if (healthy >= required) return { kind: "ready", healthy };
  const lost = regions.filter((region) => region.lost && region.running < region.required);
  if (regions.length - lost.length < required) {
    return {
      kind: "hopeless",
      healthy,
      required,
      text: `Only ${healthy} of ${plural(regions.length, "region")} can become healthy, ${required} required. ${reasons(lost)}`,
    };
  }
  return { kind: "waiting", healthy, required };
}

/** Text of a readiness deadline. */
export function readinessTimeoutText(rule: ReadinessRule, regions: readonly RegionHealth[], minutes: number): string {
  const healthy = regions.filter((region) => region.running >= region.required);
  const missing = regions.filter((region) => region.running < region.required);
  return `Only ${healthy.length} of ${plural(regions.length, "region")} became healthy within ${minutes} min, ${requiredRegions(rule, regions.length)} required. ${reasons(missing)}`;
}

function reasons(regions: readonly RegionHealth[]): string {
  return regions.map((region) => `${region.region}: ${region.message ?? "no instance has reported"}`).join("; ");
}
