/** The worker of a pool that has started and never says a word; for workerPool.test.ts. */
import { parentPort } from 'node:worker_threads';

parentPort!.on('message', () => {});
