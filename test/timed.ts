/** How long something took, in seconds. */
export interface Timed<T> {
  readonly value: T;
  /** Of the processor, in all threads of this process: other programs on the machine do not lengthen them. */
  readonly busy: number;
  /** Of the clock. */
  readonly passed: number;
}

/** What `run` gives, and how long it took. */
export async function timed<T>(run: () => T | Promise<T>): Promise<Timed<T>> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const value = await run();
  const { user, system } = process.cpuUsage(before);
  return { value, busy: (user + system) / 1e6, passed: (performance.now() - start) / 1000 };
}

/**
 * The longest wait, in seconds, of what does not wait: above what a machine takes that other programs keep busy, below
 * jest's limit of a test.
 */
export const NO_WAIT = 60;
