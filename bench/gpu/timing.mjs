/** Time of what runs on another device. */

export async function timed(run) {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** Milliseconds of each run, for so many milliseconds and at least five runs. */
export async function until(milliseconds, run) {
  const times = [];
  const started = performance.now();
  while (times.length < 5 || performance.now() - started < milliseconds) times.push(await timed(run));
  return times;
}

export function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
