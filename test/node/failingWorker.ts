import { appendFileSync, existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import type { PictureJob } from '../../src/node/picturePool.js';

/**
 * A picture worker for the tests. It answers with the last number in the file's name, dies of a file named `die`
 * each time and of one named `die-once` the first time, and notes each try beside the file.
 */
parentPort!.on('message', ({ file, buffer }: PictureJob) => {
  const name = basename(file);
  const tried = join(dirname(file), `tried-${name}`);
  const first = !existsSync(tried);
  appendFileSync(tried, 'x');
  if (name === 'die' || (name === 'die-once' && first)) process.exit(3);
  const data = buffer ? new Float32Array(buffer) : new Float32Array(1);
  data[0] = Number(name.match(/\d+$/)?.[0] ?? -1);
  parentPort!.postMessage({ data }, [data.buffer]);
});
parentPort!.postMessage('ready');
