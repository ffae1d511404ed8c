/** The types that a program gets by each entry. What the docs show is compiled in docExamples.test.ts. */
import { afterAll, expect, test } from '@jest/globals';
import { BUNDLER, NODE, ProgramFolder } from './program.js';

const folder = new ProgramFolder();
const compile = (source: string, options: object) => folder.compile(source, options);

afterAll(() => folder.remove());

test('an error is seen', async () => {
  expect(await compile("const n: number = 'text';", NODE)).toMatch(/TS2322/);
});

const WRONG = `
// @ts-expect-error a number is no image
model.classify(42);
// @ts-expect-error nor is nothing
model.classify(undefined);
// @ts-expect-error topK is a number
model.classify(pixels, { topK: '5' });
// @ts-expect-error an unknown option
model.classify(pixels, { top: 5 });
// @ts-expect-error an unknown option
deit.load('model', { backed: 'wasm' });
const one: number = (await model.classify(pixels))[0].index;
const many: number = (await model.classify([pixels]))[0][0].index;
const x: deit.tf.Tensor = model.predict(deit.tf.zeros([1, 2, 2, 3]));
`;

test.each(['deit-tfjs', 'deit-tfjs/node'])('%s in Node: its images, and no others', async (entry) => {
  const found = await compile(
    `import * as deit from '${entry}';
     import { createReadStream } from 'node:fs';
     declare const model: deit.VisionTransformer;
     const pixels = { data: new Uint8Array(12), width: 2, height: 2 };
     for (const image of [new URL('file:///a'), Buffer.alloc(1), new ArrayBuffer(1), new Blob([]), createReadStream('a')]) {
       await model.classify(image);
     }
     await model.classify('a.png'); await model.classify(new Response('a')); await deit.decodeImage('a.png');
     ${WRONG}`,
    NODE,
  );
  expect(found).toBe('');
});

test.each([
  'deit-tfjs',
  'deit-tfjs/browser',
  'deit-tfjs/bundle',
  'deit-tfjs/inline',
])('%s in a bundler: the browser’s types', async (entry) => {
  const found = await compile(
    `import * as deit from '${entry}';
     declare const model: deit.VisionTransformer;
     declare const frame: VideoFrame;
     declare const element: HTMLImageElement;
     const pixels = { data: new Uint8Array(12), width: 2, height: 2 };
     await model.classify(frame); await model.classify(element); await model.classify('a.png');
     await deit.loadInWorker('model');
     // @ts-expect-error Node has it, a browser has not
     deit.openCheckpoint;
     ${WRONG}`,
    BUNDLER,
  );
  expect(found).toBe('');
});

test('deit-tfjs/wasm: its models, without tensors, which deit-tfjs takes on', async () => {
  const found = await compile(
    `import * as wasm from 'deit-tfjs/wasm';
     import * as deit from 'deit-tfjs';
     declare const frame: VideoFrame;
     declare const file: File;
     const model = await wasm.load(file, { quantize: 'int8', threads: 2, cache: false });
     const one: number = (await model.classify(frame))[0].index;
     const many: Float32Array[] = await model.logits(['a.png', file]);
     const { classToken }: wasm.Embedding = await model.embed('a.png');
     const { attention }: wasm.Inspection = await wasm.inspect(model, 'a.png');
     const map: wasm.PatchMap = wasm.rollout(attention, { fusion: 'max' });
     const full: deit.VisionTransformer = await deit.withTensors(model);
     // @ts-expect-error it has no tensors
     model.predict;
     // @ts-expect-error an unknown option
     wasm.load('model', { backed: 'wasm' });
     // @ts-expect-error it has no files beside it
     wasm.load('model', { assetFolder: '/lib/' });`,
    BUNDLER,
  );
  expect(found).toBe('');
});
