/** Machine presets: names that tasks ask for, and what they stand for. */

export type MachinePreset = { name: string; /** vCPU */ cpu: number; /** GB */ memory: number; centsPerMs: number };

/** Nobody is charged by a server of their own, so every preset costs nothing. */
const CENTS_PER_MS = 0;
const DEFAULT_MACHINE = "small-1x";

const SIZES: readonly [name: string, cpu: number, memory: number][] = [
  ["micro", 0.25, 0.25],
  ["small-1x", 0.5, 0.5],
  ["small-2x", 1, 1],
  ["medium-1x", 1, 2],
  ["medium-2x", 2, 4],
  ["large-1x", 4, 8],
  ["large-2x", 8, 16],
];

const PRESETS = new Map<string, MachinePreset>(SIZES.map(([name, cpu, memory]) => [name, { name, cpu, memory, centsPerMs: CENTS_PER_MS }]));
const SMALLEST: MachinePreset = { name: DEFAULT_MACHINE, cpu: 0.5, memory: 0.5, centsPerMs: CENTS_PER_MS };

/** The preset of this name; an unknown or absent one is `small-1x`. */
export function machinePreset(name: string | null | undefined): MachinePreset {
  return PRESETS.get(name ?? DEFAULT_MACHINE) ?? SMALLEST;
}

/** First of: what the run has now, what the trigger asked for, what the task declares. */
export function chooseMachine(...candidates: readonly (string | null | undefined)[]): MachinePreset {
  return machinePreset(candidates.find((name) => typeof name === "string" && PRESETS.has(name)));
}
