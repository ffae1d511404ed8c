/** Times contenders side by side. */

/** What has passed, in ms. */
export const wallClock = () => performance.now();

/**
 * What this process has computed, in ms, all threads added up: leaves out what other processes took of the machine, so that
 * contenders of one thread can be compared where it is not to oneself.
 */
export function processorClock() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export function median(times) {
  return times.toSorted((a, b) => a - b)[times.length >> 1];
}

/**
 * Runs the contenders turn by turn, so that a change in the machine's speed falls on all alike.
 *
 * @param contenders functions, each one run of what is timed; may be async
 * @param rounds how many runs of each are timed
 * @param warmUp runs before them, in which engines compile for speed
 * @param clock wallClock or processorClock
 * @returns the times of each, in ms
 */
export async function race(contenders, rounds, warmUp = 5, clock = wallClock) {
  const times = contenders.map(() => []);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const start = clock();
      await contender();
      if (round >= 0) times[i].push(clock() - start);
    }
  }
  return times;
}
