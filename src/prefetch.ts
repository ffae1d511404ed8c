/**
 * Runs up to `ahead` tasks and yields their results in start order.
 *
 * @param start starts the next task, or gives undefined if there is none left
 * @param ahead number of tasks that run at most while the caller works on a result
 */
export async function* prefetch<T>(
  start: () => Promise<T> | undefined,
  ahead: number,
): AsyncGenerator<T, void, undefined> {
  const running: Promise<T>[] = [];
  let left = true;
  const fill = () => {
    while (left && running.length < ahead) {
      const task = start();
      left = task !== undefined;
      if (!task) return;
      task.catch(() => {}); // may fail before its turn; its turn meets it
      running.push(task);
    }
  };
  fill();
  while (running.length > 0) {
    const result = await running[0]!;
    running.shift();
    fill();
    yield result;
  }
}
