/**
 * Makes this process the deployer when nobody else is, launches the engine while there is work, and steps down when the
 * lease is lost. Nothing exits: a process that is not the deployer serves requests as before.
 */
import { errorMessage, type Logger } from "../../../platform/logger";
import { defineLoop, type Loop } from "../../../platform/loop";
import type { DurableBody, DurableEngine, EngineSession } from "../engine/engine";
import type { DeployerLease, Lease } from "./lease.server";

export type DeployerTiming = { leaseMs: number; renewMs: number; idleMs: number };

const RENEWALS_A_LEASE = 3;

/** Two renewals may be lost; the engine stops 10 s after the last deployment ended. */
export function deployerTiming(leaseMs: number): DeployerTiming {
  return { leaseMs, renewMs: Math.floor(leaseMs / RENEWALS_A_LEASE), idleMs: 10_000 };
}

export type Leadership = { epoch: number; session: EngineSession };

export type DeployerDeps = {
  lease: DeployerLease;
  engine: DurableEngine;
  /** The workflow as the holder of `epoch` runs it. */
  body: (epoch: number) => DurableBody;
  /** Before the engine is launched with this epoch. */
  onLaunch: (epoch: number) => Promise<void>;
  timing: DeployerTiming;
  log: Logger;
};

export class Deployer {
  readonly loop: Loop;
  private held: { epoch: number; session: EngineSession | null } | null = null;
  private closing: Promise<void> = Promise.resolve();
  private expiry: NodeJS.Timeout | undefined;
  private idleSince: number | null = null;
  /** Renewals go on meanwhile: a launch may take longer than the lease lasts. */
  private launching: Promise<void> | null = null;

  constructor(private readonly deps: DeployerDeps) {
    const { renewMs } = deps.timing;
    this.loop = defineLoop({
      name: "deployer",
      everyMs: renewMs,
      afterErrorMs: Math.min(renewMs, 1_000),
      log: deps.log,
      run: () => this.beat(),
    });
  }

  /** The epoch this process holds, or null when another one is the deployer. */
  epoch(): number | null {
    return this.held?.epoch ?? null;
  }

  /** The engine, while this process is the deployer and there is work. */
  leadership(): Leadership | null {
    return this.held?.session ? { epoch: this.held.epoch, session: this.held.session } : null;
  }

  /** A deployment may have come: look now instead of at the next renewal. */
  nudge(): void {
    if (!this.held?.session) this.loop.nudge();
  }

  start(): void {
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await this.launching;
    const epoch = this.held?.epoch;
    this.stepDown("stopped");
    await this.closing;
    if (epoch !== undefined) await this.deps.lease.release(epoch).catch(() => undefined);
  }

  /** Drops the lease in this process at once; another session may begin when DBOS has shut down. */
  stepDown(reason: string): void {
    const held = this.held;
    if (!held) return;
    this.held = null;
    clearTimeout(this.expiry);
    this.deps.log.info("deployer.stepped_down", { epoch: held.epoch, reason });
    this.closing = Promise.all([this.closing, held.session?.close()]).then(() => undefined);
  }

  private async beat(): Promise<number | void> {
    const askedAt = performance.now();
    const before = this.held?.epoch ?? null;
    const lease = await this.deps.lease.beat(before);
    // Lost between the question and the answer: whatever it says is about an epoch that is over here.
    if ((this.held?.epoch ?? null) !== before) return 0;
    if (!lease) return this.stepDown("another process took over");
    if (lease.epoch !== before) this.begin(lease);
    this.armExpiry(askedAt);
    this.followWork(lease);
  }

  private begin({ epoch }: Lease): void {
    this.stepDown("the lease had run out");
    this.held = { epoch, session: null };
    this.deps.log.info("deployer.elected", { epoch });
  }

  /** Without an answer from the database the lease runs out here before it runs out there. */
  private armExpiry(askedAt: number): void {
    clearTimeout(this.expiry);
    const { leaseMs } = this.deps.timing;
    const left = askedAt + leaseMs * 0.9 - performance.now();
    this.expiry = setTimeout(() => this.stepDown("the lease was not renewed in time"), Math.max(0, left));
    this.expiry.unref();
  }

  private followWork({ epoch, working }: Lease): void {
    const session = this.held?.session;
    if (working || (session && session.running.size > 0)) {
      this.idleSince = null;
      if (!session) this.beginLaunch(epoch);
      return;
    }
    if (!session) return;
    this.idleSince ??= performance.now();
    if (performance.now() - this.idleSince < this.deps.timing.idleMs || !this.held) return;
    this.held.session = null;
    this.closing = session.close();
  }

  private beginLaunch(epoch: number): void {
    this.launching ??= this.launch(epoch)
      .catch((error: unknown) => this.deps.log.error("deployer.launch_failed", { epoch, message: errorMessage(error) }))
      .finally(() => {
        this.launching = null;
      });
  }

  private async launch(epoch: number): Promise<void> {
    await this.closing;
    await this.deps.onLaunch(epoch);
    const session = await this.deps.engine.launch(this.deps.body(epoch), () => this.stepDown("another process took over"));
    if (this.held?.epoch === epoch) this.held.session = session;
    else await session.close();
  }
}
