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
