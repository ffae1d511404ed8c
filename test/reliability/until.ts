import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something is so. Throws what `tell` says if it is not after `seconds`. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  tell: () => string,
  seconds = 100,
): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${tell()}`);
    await sleep(10);
  }
}
