/** Times contenders side by side. */

export function median(times) {
  return times.toSorted((a, b) => a - b)[times.length >> 1];
}

/**
 * Runs the contenders turn by turn, so that a change in the machine's speed falls on all alike.
 *
 * @param contenders functions, each one run of what is timed; may be async
 * @param rounds how many runs of each are timed
 * @param warmUp runs before them, in which engines compile for speed
 * @returns the times of each, in ms
 */
export async function race(contenders, rounds, warmUp = 5) {
  const times = contenders.map(() => []);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const start = performance.now();
      await contender();
      if (round >= 0) times[i].push(performance.now() - start);
    }
  }
  return times;
}
