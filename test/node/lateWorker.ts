/**
 * The worker of a pool that listens late and has no message kept for it, as in Deno: what comes before it listens is
 * thrown away. For workerPool.test.ts.
 */
import { parentPort } from 'node:worker_threads';

const port = parentPort!;
port.postMessage('starting');
const drop = () => {};
port.on('message', drop);
setTimeout(() => {
  port.off('message', drop);
  port.on('message', (value: number) => port.postMessage(2 * value));
  port.postMessage('ready');
}, 300);
