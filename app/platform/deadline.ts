/** Waiting with an end. */

/**
 * Rejects when `work` takes longer than `ms`; the work itself goes on, and nobody hears of its failure then. A stalled event
 * loop gets one turn to read an answer that is already there.
 */
export async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  work.catch(() => undefined);
  const deadline = new Promise<never>((_resolve, reject) => {
    const fail = () => reject(new Error(`no answer within ${ms} ms`));
    timer = setTimeout(() => setImmediate(() => setImmediate(fail)), ms);
  });
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer));
}
