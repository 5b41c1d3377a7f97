/** Tells the server what runs here: every few seconds, and soon after a change. */
import { defineLoop, type Loop } from "../app/platform/loop";
import type { Logger } from "../app/platform/logger";
import { MAX_INSTANCES_A_REPORT, REPORT_INTERVAL_MS, type ReportInput } from "./protocol";
import type { ServerClient } from "./server/serverClient";

/** Changes that come together are reported together; milliseconds. */
const GATHER_MS = 50;

export type ReportsOptions = {
  server: Pick<ServerClient, "report">;
  instances(): ReportInput["instances"];
  /** Versions that the server does not have. */
  onUnknown(deploymentIds: readonly string[]): void;
  log: Logger;
};

export class Reports {
  private readonly loop: Loop;
  private gathering: NodeJS.Timeout | undefined;
  /** What the server was told last. */
  private told = "";

  constructor(private readonly options: ReportsOptions) {
    this.loop = defineLoop({ name: "reports", everyMs: REPORT_INTERVAL_MS, afterErrorMs: 1_000, log: options.log, run: () => this.send() });
  }

  start(): void {
    this.loop.start();
  }

  /** Something changed. Most of it is runs that come and go, which a report does not show. */
  changed(): void {
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      if (JSON.stringify(this.instances()) !== this.told) this.loop.nudge();
    }, GATHER_MS);
  }

  async stop(): Promise<void> {
    clearTimeout(this.gathering);
    await this.loop.stop();
  }

  /** One report, now. */
  async send(): Promise<void> {
    const instances = this.instances();
    const answer = await this.options.server.report({ instances });
    this.told = JSON.stringify(instances);
    if (answer.unknown.length > 0) this.options.onUnknown(answer.unknown);
  }
  private instances(): ReportInput["instances"] {
    return this.options.instances().slice(0, MAX_INSTANCES_A_REPORT);
  }
}
