/** The types that a program gets by each entry, and README's blocks on the API: compiled, and run where they can be. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'deit-types-'));
const run = promisify(execFile);

const NODE = { module: 'NodeNext', lib: ['ES2023'], types: ['node'] };
const BUNDLER = { module: 'ESNext', moduleResolution: 'bundler', lib: ['ES2023', 'DOM'], types: [] };

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  symlinkSync(resolve('.'), join(folder, 'node_modules/deit-tfjs'));
  symlinkSync(resolve('node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What the compiler says of a program; nothing if it is right. */
async function compile(source: string, options: object): Promise<string> {
  writeFileSync(join(folder, 'program.ts'), source);
  const compilerOptions = { target: 'ES2022', strict: true, skipLibCheck: true, ...options };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
  try {
    await run(resolve('node_modules/.bin/tsc'), ['-p', '.'], { cwd: folder });
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

const readme = readFileSync('README.md', 'utf8');
const section = readme.slice(readme.indexOf('## The API'), readme.indexOf('## Runs that last'));
const blocks = [...section.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!);

test('an error is seen', async () => {
  expect(await compile("const n: number = 'text';", NODE)).toMatch(/TS2322/);
});

test('README’s section on the API has its blocks', () => {
  expect(blocks.length).toBe(2);
});

test.each(blocks)('README’s block %# compiles', async (block) => {
  expect(await compile(block, NODE)).toBe('');
});

test('README’s example of training runs, and what it saved is loaded', async () => {
  expect(await compile(`${blocks[1]}\nconsole.log(loaded.config.embedDim);`, NODE)).toBe('');
  const { stdout } = await run(process.execPath, ['program.js'], { cwd: folder });
  expect(stdout.trim().split('\n').at(-1)).toBe('48');
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
