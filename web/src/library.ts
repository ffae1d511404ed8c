/** The library as it is shipped, fetched while the page is already there to be used. */
export type Library = typeof import('../../src/browser/index.js');
export type WorkerModel = import('../../src/browser/index.js').WorkerModel;
export type HeadLogits = import('../../src/browser/index.js').HeadLogits;
export type AttentionStack = import('../../src/browser/index.js').AttentionStack;

/** The worker imports the same file, so it is fetched once. */
export function loadLibrary(): Promise<Library> {
  const address = new URL('lib/deit-tfjs.js', document.baseURI).href;
  return import(/* @vite-ignore */ address);
}
