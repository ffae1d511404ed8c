/**
 * What work begun ahead gives, in the order in which it was begun.
 *
 * @param begin begins the next piece of work, or gives undefined if there is none left
 * @param ahead how many pieces are under way at most, besides the one given out
 */
export async function* inOrder<T>(
  begin: () => Promise<T> | undefined,
  ahead: number,
): AsyncGenerator<T, void, undefined> {
  const begun: Promise<T>[] = [];
  let left = true;
  const fill = () => {
    while (left && begun.length < ahead) {
      const work = begin();
      left = work !== undefined;
      if (!work) return;
      work.catch(() => {}); // may fail before its turn; its turn meets it
      begun.push(work);
    }
  };
  fill();
  while (begun.length > 0) {
    const result = await begun[0]!;
    begun.shift();
    fill();
    yield result;
  }
}
