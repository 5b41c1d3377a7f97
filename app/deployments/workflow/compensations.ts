/** What undoes the steps: pushed before the effect, run in reverse, each on its own. */

export type Compensation = {
  /** Stable: the journal knows it by this name. */
  name: string;
  /** For the log of the deployment, such as `Released the build slot.` */
  done: string;
  run: () => Promise<void>;
};

export class Compensations {
  private readonly stack: Compensation[] = [];

  push(compensation: Compensation): void {
    this.stack.push(compensation);
  }

  /** The newest first. */
  reversed(): Compensation[] {
    return [...this.stack].reverse();
  }
}
