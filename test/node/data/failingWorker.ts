import { appendFileSync, existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import type { SliceJob } from '../../../src/node/data/threads.js';

/**
 * A thread that reads images, for the tests. It answers with the last number in the file's name, dies of a file named `die`
 * each time and of one named `die-once` the first time, and notes each try beside the file.
 */
parentPort!.on('message', ({ images: [file], memory }: SliceJob) => {
  const path = String(file);
  const name = basename(path);
  const tried = join(dirname(path), `tried-${name}`);
  const first = !existsSync(tried);
  appendFileSync(tried, 'x');
  if (name === 'die' || (name === 'die-once' && first)) process.exit(3);
  const pixels = memory ? new Float32Array(memory) : new Float32Array(1);
  pixels[0] = Number(name.match(/\d+$/)?.[0] ?? -1);
  parentPort!.postMessage({ pixels, failures: [] }, [pixels.buffer]);
});
parentPort!.postMessage('ready');
