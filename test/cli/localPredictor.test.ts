import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { activate, addBackend } from '../../src/backend.js';
import { localPredictor } from '../../src/cli/localPredictor.js';
import { DeviceLost } from '../../src/deviceLost.js';
import { ModelRefused } from '../../src/errors.js';
import type { Runtime } from '../../src/models/visionTransformer.js';
import { openAnyModel } from '../../src/node/openModel.js';

/** What a GPU does with each model that it is given, one after the other. */
let takes: boolean[] = [];
let disposed = 0;

/** A GPU that computes nothing, before all others of `auto`: how a model is loaded on it again is what is tested. */
addBackend(
  'fake',
  async () => {
    await activate('wasm');
    return 'fake: a GPU';
  },
  {
    tensors: 'wasm',
    runtime: async () => {
      if (takes.shift()) return { dispose: () => void disposed++ } as Runtime;
      throw new ModelRefused('no room for the weights');
    },
  },
);

let opened: Awaited<ReturnType<typeof openAnyModel>>;

beforeAll(async () => {
  opened = await openAnyModel('examples/digits/deit_digits_distilled.pth');
});

afterAll(() => opened.close());

function loss(outOfMemory = false) {
  return new DeviceLost('the fake backend lost its GPU', '', outOfMemory);
}

async function predictor(backend: string) {
  disposed = 0;
  const backends = new Set<string>();
  const local = await localPredictor(opened.source, backends, { workers: 0, backend });
  return { local, backends };
}

test('a GPU that is back without room for the model: the next backend', async () => {
  takes = [true, false];
  const { local, backends } = await predictor('auto');
  const first = local.model;
  const again = await local.recover!(loss());
  expect(again).toBe(local.model);
  expect(again).not.toBe(first);
  expect(again.backend).not.toBe('fake');
  expect([...backends]).toEqual(['fake', again.backend]);
  local.dispose();
  local.dispose();
  expect(disposed).toBe(1);
  expect(() => again.onBackend(() => {})).toThrow(/disposed/);
});

test('on the GPU once more, or not at all where its memory was full', async () => {
  takes = [true, true, true];
  const { local } = await predictor('auto');
  expect((await local.recover!(loss())).backend).toBe('fake');
  expect((await local.recover!(loss())).backend).not.toBe('fake');
  const full = (await predictor('auto')).local;
  expect((await full.recover!(loss(true))).backend).not.toBe('fake');
  expect(takes).toEqual([]);
});

test('a backend that was named is not left', async () => {
  takes = [true];
  const { local } = await predictor('fake');
  expect(local.recover).toBeUndefined();
  local.dispose();
});
