/** Process of the agent. `npm run agent` and `npm start` run its bundle, `build/agent.js`. */
import { createLogger, errorMessage } from "../app/platform/logger";
import { RegionAgent } from "./agent";
import { parseOptions, USAGE, UsageError, type AgentOptions } from "./options";
import { AgentState, lockDataDir } from "./state";

/** An agent that is just ending gets this long to leave the data directory; milliseconds. */
const LOCK_WAIT_MS = 20_000;

const level = process.env.LOG_LEVEL;
const log = createLogger(level === "debug" || level === "info" || level === "warn" || level === "error" ? level : "info", {
  process: "agent",
});

/** Runs until a signal, or until standard input ends when the parent asked for that. */
async function main(options: AgentOptions): Promise<void> {
  const state = new AgentState(options.dataDir, options.name);
  const unlock = await lockDataDir(options.dataDir, LOCK_WAIT_MS);
  const agent = new RegionAgent({ options, state, log, now: Date.now });
  let ending = false;
  const end = (reason: string, drainMs: number) => {
    if (ending) return;
    ending = true;
    log.info("agent.stopping", { reason });
    agent.stop(drainMs).then(
      () => {
        unlock();
        process.exit(0);
      },
      (error: unknown) => {
        log.error("agent.stop_failed", { message: errorMessage(error) });
        process.exit(1);
      }
    );
  };
  process.on("SIGTERM", () => end("SIGTERM", options.drainMs));
  process.on("SIGINT", () => end("SIGINT", options.drainMs));
  if (options.withParent) process.stdin.once("end", () => end("the server is gone", 0)).resume();
  await agent.start();
}

try {
  await main(parseOptions(process.argv.slice(2), process.env));
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${USAGE}`);
  else process.stderr.write(`The agent did not start. ${errorMessage(error)}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
