/** Engines whose graphs have a fixed batch size hold one of them at a time. */

/**
 * @param openBatch gives {run, dispose} for a batch size
 * @returns what runs a batch of any size, and disposes of all of them
 */
export function perBatch(openBatch) {
  let size = 0;
  let opened;
  const forBatch = async (batch) => {
    if (size === batch) return opened;
    await opened?.dispose();
    opened = await openBatch(batch);
    size = batch;
    return opened;
  };
  return {
    run: async (pixels, batch) => (await forBatch(batch)).run(pixels),
    dispose: async () => opened?.dispose(),
  };
}
