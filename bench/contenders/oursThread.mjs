/** A thread of ours.mjs. */
import { parentPort, workerData } from 'node:worker_threads';
import { openHere } from './ours.mjs';

const contender = await openHere(workerData);
parentPort.on('message', ({ pictures, batch }) =>
  parentPort.postMessage(contender.run(pictures, batch).slice()),
);
parentPort.postMessage('ready');
