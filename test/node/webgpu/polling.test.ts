import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { pollGently } from '../../../src/node/webgpu/polling.js';

/** As Dawn's binding: asks by the global setImmediate, which it looks up each time, until its promises are kept. */
function makeDawn() {
  const found = { pending: 0, queued: false, keep: [] as (() => void)[] };
  const answers: (() => void)[] = [];
  const schedule = () => {
    if (found.queued || found.pending === 0) return;
    found.queued = true;
    globalThis.setImmediate(() => {
      found.queued = false;
      for (const keep of found.keep.splice(0)) keep();
      schedule();
    });
  };
  class GPUBuffer {
    mapAsync(mode: number): Promise<number> {
      if (mode === 0) throw new TypeError('no mode');
      found.pending += 1;
      schedule();
      return new Promise((resolve) => {
        answers.unshift(() => {
          found.pending -= 1;
          resolve(mode);
        });
      });
    }
  }
  return {
    found,
    globals: { GPUBuffer },
    /** Answers the last question. */
    finish: () => found.keep.push(...answers.splice(0, 1)),
  };
}

/** What a function of the process was called for while `run` ran. */
async function counted(name: 'setImmediate' | 'setTimeout', run: () => Promise<unknown>): Promise<number> {
  const real = globalThis[name];
  let count = 0;
  const counting = (...given: Parameters<typeof real>) => {
    count += 1;
    return (real as (...given: unknown[]) => unknown)(...given);
  };
  Reflect.set(globalThis, name, counting);
  try {
    await run();
    expect(globalThis[name]).toBe(counting); // as it was found
  } finally {
    Reflect.set(globalThis, name, real);
  }
  return count;
}

const later = () => new Promise((resolve) => setTimeout(resolve, 20));
/** Five turns of the event loop, as many calls of setImmediate. */
const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** What the time is, in ms. */
let now = 0;
beforeEach(() => {
  jest.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('what has waited is asked for by timers, a new question at once; the answer is the same', async () => {
  const { globals, found, finish } = makeDawn();
  pollGently(globals);
  const waiting = new globals.GPUBuffer().mapAsync(1);
  try {
    expect(await counted('setImmediate', turns)).toBeGreaterThan(5 + 2);
    now = 300;
    await later();
    expect(await counted('setImmediate', later)).toBe(0);
    expect(await counted('setTimeout', later)).toBeGreaterThan(1); // one is the test's own
    const next = new globals.GPUBuffer().mapAsync(2);
    await later();
    expect(await counted('setImmediate', turns)).toBeGreaterThan(5 + 2);
    finish();
    expect(await next).toBe(2);
  } finally {
    for (let i = 0; i < 2; i++) finish(); // or it would ask for ever
  }
  expect(await waiting).toBe(1);
  await later();
  expect(found.queued).toBe(false); // nothing is asked where nothing is pending
});

test('the process keeps its setImmediate: after an error of Dawn too, and whoever calls twice', () => {
  const { globals } = makeDawn();
  pollGently(globals);
  const { mapAsync } = globals.GPUBuffer.prototype;
  pollGently(globals);
  expect(globals.GPUBuffer.prototype.mapAsync).toBe(mapAsync);
  const before = globalThis.setImmediate;
  expect(() => new globals.GPUBuffer().mapAsync(0)).toThrow(new TypeError('no mode'));
  expect(globalThis.setImmediate).toBe(before);
});

test('a setImmediate that nobody may replace is left', async () => {
  const { globals, finish } = makeDawn();
  pollGently(globals);
  const before = Object.getOwnPropertyDescriptor(globalThis, 'setImmediate')!;
  Object.defineProperty(globalThis, 'setImmediate', { ...before, writable: false });
  try {
    const waiting = new globals.GPUBuffer().mapAsync(1);
    finish();
    expect(await waiting).toBe(1);
  } finally {
    Object.defineProperty(globalThis, 'setImmediate', before);
  }
});
