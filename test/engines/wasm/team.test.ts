/** How workers join jobs and leave them, with workers that the test plays itself. */
import { expect, test } from '@jest/globals';
import { ARGUMENTS, CONTROL, controlWords, JOB, LIMIT, OPEN } from '../../../src/engines/wasm/control.js';
import type { EngineWorker } from '../../../src/engines/wasm/index.js';
import { instantiate } from '../../../src/engines/wasm/module.js';
import type { WorkerStart } from '../../../src/engines/wasm/worker.js';
import { configOf, openEngine, randomImages, randomWeights } from './models.js';

const config = configOf({});
const weights = randomWeights(config);
const images = randomImages(config, 1);

/** Workers that do nothing until the test has them take part in a job. */
function playedWorkers() {
  const started: { worker: EngineWorker; start?: WorkerStart }[] = [];
  return {
    started,
    start(): EngineWorker {
      const played: (typeof started)[number] = {
        worker: {
          onmessage: null,
          onerror: null,
          postMessage(message) {
            played.start = message as WorkerStart;
          },
          terminate() {},
        },
      };
      started.push(played);
      return played.worker;
    },
    /** Does all of the job's tasks as a worker would. */
    work(index: number) {
      const { worker, start } = started[index]!;
      const words = controlWords(start!.memory);
      const [groups, count, own, ownBytes, threadBytes] = words.subarray(ARGUMENTS) as Iterable<number> as [
        number,
        number,
        number,
        number,
        number,
      ];
      const mine = own + start!.thread * threadBytes;
      const { execute } = instantiate(start!.module, start!.memory);
      expect(execute(groups, count, CONTROL, mine, mine + ownBytes, false, 1e9)).toBeTruthy();
      worker.onmessage!({ data: { finished: words[JOB] } });
    },
  };
}

test('a job that has ended is closed: a worker that comes late takes no tasks of the next for those of the last', async () => {
  const played = playedWorkers();
  const engine = await openEngine(config, weights, { threads: 2, startWorker: played.start });
  const wanted = engine.predict(images, 1);
  for (let job = 0; job < 3; job++) {
    const answer = engine.run(images, 1);
    await new Promise(setImmediate);
    const words = controlWords(played.started[0]!.start!.memory);
    expect(words[OPEN]).toBe(words[JOB]);
    expect(words[LIMIT]).toBe(2);
    played.work(job % 2);
    expect(await answer).toEqual(wanted);
    expect(words[OPEN]).toBe(0);
  }
  engine.dispose();
});

test('a call that is aborted closes its job too', async () => {
  const played = playedWorkers();
  const engine = await openEngine(config, weights, { threads: 2, startWorker: played.start });
  const controller = new AbortController();
  const answer = engine.run(images, 1, { signal: controller.signal });
  await new Promise(setImmediate);
  const words = controlWords(played.started[0]!.start!.memory);
  expect(words[OPEN]).toBe(words[JOB]);
  controller.abort();
  await expect(answer).rejects.toBe(controller.signal.reason);
  await new Promise(setImmediate);
  expect(words[OPEN]).toBe(0);
  engine.dispose();
});
