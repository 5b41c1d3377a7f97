/**
 * `npm run bench [-- runs|deployments] [-- --quick]`: a table for each part, measured on this machine. Exits 1 when a step
 * fails; a missed goal is printed, not an error.
 */
import os from "node:os";
import { performance } from "node:perf_hooks";
import { measureDeployments } from "./deployments/part";
import { parseOptions, type PartName } from "./options";
import { renderTable, type Part } from "./report";
import { measureRuns } from "./runs/part";

/** Above it something else is running, which costs every figure, and not evenly. */
const QUIET_LOAD = 0.5;

const MEASURES: Record<PartName, Part> = { runs: measureRuns, deployments: measureDeployments };

const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  if (os.platform() !== "linux") throw new Error("The benchmark reads /proc, so it runs on Linux only.");
  const { parts, quick } = parseOptions(process.argv.slice(2));
  const loadBefore = os.loadavg()[0] ?? 0;
  if (loadBefore > QUIET_LOAD)
    say(
      `The load average is ${loadBefore.toFixed(1)} before anything began: others share the machine, and the figures will be worse than the server is.`
    );
  const cpu = os.cpus();
  print([
    `Sluice on ${cpu.length} x ${cpu[0]?.model ?? "unknown CPU"}, Node ${process.version}, Linux ${os.release()}; server, Postgres, Redis, agent and load share them.`,
    `Load average before ${loadBefore.toFixed(1)}.${quick ? " --quick: not for quoting." : ""}`,
  ]);
  for (const name of parts) {
    const begun = performance.now();
    const { notes, rows } = await MEASURES[name]({ quick, say });
    const minutes = (performance.now() - begun) / 60_000;
    print(["", `## ${name}`, "", ...notes, `${minutes.toFixed(1)} minutes.`, "", renderTable(rows)]);
  }
  print(["", "What each line is and is not: bench/README.md."]);
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

await main();
