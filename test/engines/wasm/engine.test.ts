/** How the engine answers: calls together, aborted, too many; workers that die; bad input. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { EngineWorker, WasmEngine } from '../../../src/engines/wasm/index.js';
import { UserError } from '../../../src/errors.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { startNodeWorker } from '../../../src/node/wasmEngine.js';
import { Random } from '../../../src/random.js';
import { configOf, openEngine, randomImages, randomWeights } from './models.js';

const config = configOf({ imgSize: [40, 40], depth: 3 });
const weights = randomWeights(config);
const SIZE = 40 * 40 * 3;
const images = randomImages(config, 24);
const image = (i: number, count = 1) => images.subarray(i * SIZE, (i + count) * SIZE);

const opened: WasmEngine[] = [];
const open = async (options: Parameters<typeof openEngine>[2] = {}) => {
  const engine = await openEngine(config, weights, { threads: 2, ...options });
  opened.push(engine);
  return engine;
};
afterEach(() => {
  for (const engine of opened.splice(0)) engine.dispose();
});

/** The rows of single images, one at a time, computed while the caller waits. */
async function single(): Promise<Float32Array[]> {
  const engine = await open({ threads: 1, startWorker: undefined });
  return Array.from({ length: 24 }, (_, i) => engine.predict(image(i), 1));
}

/** Workers that a test can end. */
function workers() {
  const all: EngineWorker[] = [];
  return {
    all,
    start(source: string) {
      const worker = startNodeWorker(source);
      all.push(worker);
      return worker;
    },
  };
}

describe('calls', () => {
  test('that come together get each its own answer, short ones before the end of a long one', async () => {
    const rows = await single();
    const engine = await open();
    const order: number[] = [];
    const answers = await Promise.all(
      [24, 1, 2, 3].map(async (count) => {
        const answer = await engine.run(image(0, count), count);
        order.push(count);
        return answer;
      }),
    );
    for (const answer of answers) {
      for (let i = 0; i * 10 < answer.length; i++) expect(answer.slice(i * 10, i * 10 + 10)).toEqual(rows[i]);
    }
    expect(order.at(-1)).toBe(24);
  });

  test('leave the event loop free while they are computed', async () => {
    const engine = await open();
    await engine.run(image(0), 1);
    let turns = 0;
    let waiting = true;
    const turn = () => {
      turns += 1;
      if (waiting) setImmediate(turn);
    };
    setImmediate(turn);
    await engine.run(images, 24);
    waiting = false;
    expect(turns).toBeGreaterThan(3);
  });

  test('that wait and those that do not may be mixed', async () => {
    const rows = await single();
    for (const startWorker of [startNodeWorker, undefined]) {
      const engine = await open({ startWorker });
      const first = engine.run(image(0, 8), 8);
      await Promise.resolve();
      expect(engine.predict(image(9), 1)).toEqual(rows[9]);
      await new Promise(setImmediate);
      expect(engine.predict(image(10), 1)).toEqual(rows[10]);
      expect((await first).slice(0, 10)).toEqual(rows[0]);
    }
  });

  test('are answered without workers too, and with those that cannot start', async () => {
    const rows = await single();
    const fails = () => {
      throw new Error('no workers here');
    };
    const broken = () => startNodeWorker('throw new Error("broken");');
    for (const startWorker of [undefined, fails, broken]) {
      const engine = await open({ startWorker });
      expect(await engine.run(image(3), 1)).toEqual(rows[3]);
      expect(engine.predict(image(4), 1)).toEqual(rows[4]);
    }
  });

  test('go on where a worker says twice that it has died, the second time while others compute', async () => {
    const rows = await single();
    let again: NodeJS.Timeout | undefined;
    const twice = (): EngineWorker => {
      const worker: EngineWorker = {
        onmessage: null,
        onerror: null,
        postMessage() {
          // Each time that the calling thread, which computes by then, gives way.
          again = setInterval(() => worker.onerror?.('an error, then its end'));
        },
        terminate() {},
      };
      return worker;
    };
    const engine = await open({ threads: 1, startWorker: twice });
    try {
      for (let i = 0; i < 10; i++) expect((await engine.run(images, 24)).subarray(230)).toEqual(rows[23]);
    } finally {
      clearInterval(again);
    }
  }, 10_000);

  test('of no images have an empty answer', async () => {
    const engine = await open();
    expect(engine.predict(new Float32Array(0), 0)).toHaveLength(0);
    expect(await engine.run(new Float32Array(0), 0)).toHaveLength(0);
  });

  test('in too great a number are refused in one line', async () => {
    const engine = await open();
    const many = new Float32Array(SIZE * 300);
    const calls = Array.from({ length: 60 }, () => engine.run(many, 300));
    const settled = Promise.allSettled(calls);
    await expect(calls.at(-1)).rejects.toThrow(/images wait for this model already/);
    engine.dispose();
    await settled;
  }, 60_000);
});

test('calls of all kinds at once, with more threads than cores, are each answered right', async () => {
  const rows = await single();
  const random = Random.fromSeed(5);
  const end = Date.now() + 4000;
  const check = (answer: Float32Array, first: number) => {
    for (let at = 0; at < answer.length; at += 10) {
      expect(answer.slice(at, at + 10)).toEqual(rows[first + at / 10]);
    }
  };
  const client = async (engine: WasmEngine) => {
    while (Date.now() < end) {
      const count = 1 + random.integer(6);
      const first = random.integer(24 - count);
      const x = image(first, count);
      const kind = random.integer(10);
      if (kind < 2) {
        check(engine.predict(x, count), first);
      } else if (kind < 4) {
        const signal = AbortSignal.timeout(random.integer(5));
        const [settled] = await Promise.allSettled([engine.run(x, count, { signal })]);
        if (settled.status === 'fulfilled') check(settled.value, first);
        else expect(settled.reason).toBe(signal.reason);
      } else {
        check(await engine.run(x, count), first);
      }
    }
  };
  const engines = [await open({ threads: 2 }), await open({ threads: 8 })];
  await Promise.all(engines.flatMap((engine) => [client(engine), client(engine), client(engine)]));
}, 60_000);

describe('signals', () => {
  test('end a call that waits, one under way and one to come, and leave others alone', async () => {
    const rows = await single();
    const engine = await open();
    const controller = new AbortController();
    const reason = new Error('enough');
    const long = engine.run(images, 24, { signal: controller.signal });
    const other = engine.run(image(5), 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
    await expect(engine.run(image(0), 1, { signal: controller.signal })).rejects.toBe(reason);
    expect(await other).toEqual(rows[5]);
    expect(await engine.run(image(6), 1)).toEqual(rows[6]);
  });

  test('end the only call, after which the engine answers others', async () => {
    const rows = await single();
    const engine = await open();
    for (let i = 0; i < 5; i++) {
      const controller = new AbortController();
      const call = engine.run(image(0, 8), 8, { signal: controller.signal });
      setTimeout(() => controller.abort(), i);
      const [settled] = await Promise.allSettled([call]);
      if (settled.status === 'rejected') expect(settled.reason).toBe(controller.signal.reason);
      expect(await engine.run(image(7), 1)).toEqual(rows[7]);
    }
  });
});

describe('workers', () => {
  test('that die leave their tasks to the others, and to this thread in the end', async () => {
    const rows = await single();
    const { all, start } = workers();
    const engine = await open({ threads: 3, startWorker: start });
    await engine.run(image(0), 1);
    for (let i = 0; i < 3; i++) {
      const call = engine.run(image(i, 8), 8);
      setTimeout(() => all[i]!.terminate(), i);
      const answer = await call;
      for (let at = 0; at < 8; at++) expect(answer.slice(at * 10, at * 10 + 10)).toEqual(rows[i + at]);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await engine.run(image(9), 1)).toEqual(rows[9]);
    expect(engine.predict(image(8), 1)).toEqual(rows[8]);
  });
});

describe('dispose', () => {
  test('ends calls under way and to come with a UserError', async () => {
    const engine = await open();
    const calls = [engine.run(images, 24), engine.run(image(0), 1)];
    await new Promise((resolve) => setTimeout(resolve, 1));
    engine.dispose();
    engine.dispose();
    for (const call of calls) await expect(call).rejects.toThrow(UserError);
    await expect(engine.run(image(0), 1)).rejects.toThrow('the model was disposed of');
    expect(() => engine.predict(image(0), 1)).toThrow('the model was disposed of');
  });
});

describe('bad input', () => {
  test('of a wrong size', async () => {
    const engine = await open();
    expect(() => engine.predict(image(0), 2)).toThrow(
      /takes \[batch, 40, 40, 3\] numbers, got 4800 for a batch of 2/,
    );
    await expect(engine.run(image(0).subarray(1), 1)).rejects.toThrow(UserError);
    await expect(engine.run(image(0), 0.5)).rejects.toThrow(UserError);
  });

  test('threads that are no number of threads', async () => {
    for (const threads of [0, -1, 1.5, 65, Number.NaN]) {
      await expect(open({ threads })).rejects.toThrow(/threads must be a whole number from 1 to 64/);
    }
  });

  test('weights that are missing, or of another shape or size', async () => {
    const table = weightSpecs(config);
    const without = table.filter(({ name }) => name !== 'blocks.1.mlp.fc1.kernel');
    await expect(open({ weights: without })).rejects.toThrow(/no blocks\.1\.mlp\.fc1\.kernel/);
    const changed = table.map((row) => (row.name === 'norm.gamma' ? { ...row, shape: [7] } : row));
    await expect(open({ weights: changed })).rejects.toThrow(/norm\.gamma: its shape is \[7\]/);
    const readWeight = async (name: string) => weights.get(name)!.subarray(1);
    await expect(open({ readWeight })).rejects.toThrow(/expected \d+ values, got/);
  });

  test('a model that 32-bit addresses do not reach', async () => {
    const huge = configOf({ embedDim: 8192, depth: 3, numHeads: 8 });
    await expect(openEngine(huge, new Map())).rejects.toThrow(
      /need .* GB, and WebAssembly's memory ends at 4.3 GB/,
    );
  });

  test('loading that is aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = jest.fn(() => controller.abort(reason));
    await expect(open({ signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(onProgress).toHaveBeenCalledTimes(1);
  });

  test('numbers that are none make the rows of their own images none, and no others', async () => {
    const rows = await single();
    const engine = await open();
    const spoilt = images.slice(0, 3 * SIZE);
    spoilt[SIZE + 17] = Number.NaN;
    const answer = await engine.run(spoilt, 3);
    expect(answer.slice(0, 10)).toEqual(rows[0]);
    expect(answer.slice(10, 20).every(Number.isNaN)).toBe(true);
    expect(answer.slice(20, 30)).toEqual(rows[2]);
  });
});
