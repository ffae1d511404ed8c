/** Models of the hub's, taken whole: which files, into the cache or a folder, and what goes wrong on the way. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { convertRead } from '../../../converters/convertWithFacts.js';
import { readFolder } from '../../../converters/folders/readFolder.js';
import { writeLayersModel } from '../../../converters/write/layersModel.js';
import type { FolderFiles } from '../../../src/hub/folderFiles.js';
import { modelPaths, openFiles } from '../../../src/models/openFiles.js';
import { downloadModel } from '../../../src/node/hub/downloadModel.js';
import { load } from '../../../src/node/index.js';
import { openLocalFolder } from '../../../src/node/localFolder.js';
import { failure } from '../../failure.js';
import { GOOD_TOKEN, OTHER_TOKEN, type ServedFile } from '../../hub/hubServer.js';
import { COMMIT, OLD_COMMIT, type Sandbox, startSandbox } from './sandbox.js';

const VIT = 'test/fixtures/folders/vit';
const SHARDED = 'test/fixtures/folders/vit_sharded';
const OWN = ['config.json', 'model.safetensors', 'preprocessor_config.json'];

let sandbox: Sandbox;
let out: string;
beforeAll(async () => {
  sandbox = await startSandbox();
});
beforeEach(() => {
  sandbox.reset();
  out = join(sandbox.root, 'out');
  sandbox.add('someone/vit', { ...served(VIT), ...EXTRA });
});
afterAll(() => sandbox.close());

/** What stands beside a model and is not read. */
const EXTRA: Record<string, ServedFile> = {
  'README.md': { bytes: new Uint8Array(10) },
  'tf_model.h5': { bytes: new Uint8Array(5000) },
  'pytorch_model.bin': { bytes: new Uint8Array(5000) },
};

function served(folder: string): Record<string, ServedFile> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, { bytes: readFileSync(join(folder, name)) }]),
  );
}

const download = (name: string, options: Parameters<typeof downloadModel>[1] = {}) =>
  downloadModel(name, { pauses: [1, 1, 1], ...options });

/** Everything below a folder, with `/` between the parts. */
function tree(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

test('into the cache: what the model is made of, and nothing else; afterwards it opens offline', async () => {
  const got = await download('hf:someone/vit');
  expect(got).toMatchObject({
    model: 'hf:someone/vit',
    repo: 'someone/vit',
    revision: 'main',
    commit: COMMIT,
    folder: join(sandbox.cacheDir, 'hub'),
    notes: [],
  });
  expect(got.files.map(({ path }) => path).sort()).toEqual(OWN);
  for (const { path, bytes } of got.files) expect(bytes).toBe(readFileSync(join(VIT, path)).length);
  expect(got.bytes).toBe(got.files.reduce((sum, { bytes }) => sum + bytes, 0));
  expect(tree(join(sandbox.cacheDir, 'hub/models/someone/vit/blobs'))).toHaveLength(OWN.length);
  process.env.DEIT_OFFLINE = '1';
  const model = await load('hf:someone/vit', { backend: 'wasm' });
  expect(model.config.numHeads).toBe(4);
  model.dispose();
});

test.each([
  'vit',
  'vit_sharded',
  'timm',
  'siglip',
  'dinov2',
])('modelPaths of %s are the files that opening it reads', async (name) => {
  const files = await openLocalFolder(`test/fixtures/folders/${name}`);
  const read = new Set<string>();
  const watched: FolderFiles = {
    ...files,
    readText: async (path) => {
      const text = await files.readText(path);
      if (text !== undefined) read.add(path);
      return text;
    },
    open: (path) => {
      read.add(path);
      return files.open(path);
    },
  };
  await openFiles(watched);
  expect([...(await modelPaths(files))].sort()).toEqual([...read].sort());
  await files.close();
});

test('into a folder: the same bytes, which load without a network; the cache takes nothing', async () => {
  const progress = new Set<string>();
  const got = await download('hf:someone/vit', { folder: out, onProgress: ({ path }) => progress.add(path) });
  expect(got).toMatchObject({ model: out, folder: out });
  expect(tree(out)).toEqual(OWN);
  expect([...progress].sort()).toEqual(OWN);
  for (const name of OWN) expect(readFileSync(join(out, name))).toEqual(readFileSync(join(VIT, name)));
  expect(existsSync(join(sandbox.cacheDir, 'hub'))).toBe(false);
  sandbox.hub.seen.length = 0;
  const again = await download('hf:someone/vit', { folder: out });
  expect(again.files).toEqual(got.files);
  expect(sandbox.hub.seen.map(({ path }) => path)).toEqual([expect.stringMatching(/^\/api\//)]);
  const model = await load(out, { backend: 'wasm' });
  expect(model.labels).toEqual(['cat', 'dog', 'hen']);
  model.dispose();
});

test('into a folder from the cache, offline', async () => {
  await download('hf:someone/vit');
  sandbox.hub.seen.length = 0;
  await download('hf:someone/vit', { folder: out, offline: true });
  expect(sandbox.hub.seen).toEqual([]);
  expect(tree(out)).toEqual(OWN);
  expect(readFileSync(join(out, OWN[1]!))).toEqual(readFileSync(join(VIT, OWN[1]!)));
});

test('shards; a folder in the repository; a file that is named', async () => {
  sandbox.add('someone/many', {
    ...served(SHARDED),
    ...Object.fromEntries(Object.entries(served(VIT)).map(([name, file]) => [`sub/vit/${name}`, file])),
    'sub/vit/other.safetensors': served(VIT)['model.safetensors']!,
  });
  const shards = await download('hf:someone/many', { folder: join(out, 'a') });
  expect(tree(join(out, 'a'))).toEqual(readdirSync(SHARDED).sort());
  expect(shards.model).toBe(join(out, 'a'));
  const inner = await download('hf:someone/many/sub/vit/other.safetensors', { folder: join(out, 'b') });
  expect(tree(join(out, 'b'))).toEqual([
    'sub/vit/config.json',
    'sub/vit/other.safetensors',
    'sub/vit/preprocessor_config.json',
  ]);
  expect(inner.model).toBe(join(out, 'b/sub/vit/other.safetensors'));
  for (const path of [shards.model, inner.model]) (await load(path, { backend: 'wasm' })).dispose();
});

test('a converted folder, with its shards and its report', async () => {
  const files: Record<string, ServedFile> = { 'notes.txt': { bytes: new Uint8Array(3) } };
  const local = await openLocalFolder(VIT);
  const conversion = convertRead(await readFolder(local));
  await writeLayersModel(conversion, {
    write: async (path, chunks) => {
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk.slice());
      files[path] = { bytes: Buffer.concat(parts) };
    },
  });
  await local.close();
  files['conversion.json'] = { bytes: new TextEncoder().encode(JSON.stringify(conversion.report)) };
  sandbox.add('someone/converted', files);
  await download('hf:someone/converted', { folder: out });
  expect(tree(out)).toEqual(
    Object.keys(files)
      .filter((name) => name !== 'notes.txt')
      .sort(),
  );
  (await load(out, { backend: 'wasm' })).dispose();
});

test('another revision', async () => {
  sandbox.add('someone/vit', served(VIT), { revisions: { v1: OLD_COMMIT } });
  expect(await download('hf:someone/vit', { revision: 'v1' })).toMatchObject({
    revision: 'v1',
    commit: OLD_COMMIT,
  });
  expect(await failure(download('hf:someone/vit', { revision: 'v2' }))).toMatch(/v2/);
  expect(await failure(download('hf:someone/vit@v1', { revision: 'v1' }))).toMatch(/give one of them/);
});

test('a download that was cut off goes on where it was, in the folder too', async () => {
  const bytes = readFileSync(join(VIT, 'model.safetensors'));
  const cut = (): void =>
    void sandbox.hub.cdnFaults.push((_, response) => {
      response.writeHead(200, { 'content-length': bytes.length, etag: '"x"' });
      response.write(bytes.subarray(0, 3000), () => setTimeout(() => response.destroy(), 20));
    });
  cut();
  for (let i = 0; i < 3; i++) sandbox.hub.cdnFaults.push((_, response) => void response.destroy());
  expect(await failure(download('hf:someone/vit', { folder: out }))).toMatch(
    /run it again to go on from there/,
  );
  expect(tree(out)).toContain('model.safetensors.partial');
  sandbox.hub.seen.length = 0;
  sandbox.hub.cdnFaults.length = 0;
  await download('hf:someone/vit', { folder: out });
  const ranges = sandbox.hub.seen.filter(({ host }) => host === 'cdn').map(({ headers }) => headers.range);
  expect(ranges).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  expect(tree(out)).toEqual(OWN);
  expect(readFileSync(join(out, 'model.safetensors'))).toEqual(bytes);
});

test('a file of the same name is never replaced', async () => {
  for (const bytes of [
    new Uint8Array(7),
    readFileSync(join(VIT, 'model.safetensors')).map((byte) => byte ^ 1),
  ]) {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'model.safetensors'), bytes);
    expect(await failure(download('hf:someone/vit', { folder: out }))).toMatch(
      /out\/model\.safetensors: is there already and is another file than the hub's; choose another folder with --out/,
    );
    expect(readFileSync(join(out, 'model.safetensors'))).toEqual(Buffer.from(bytes));
  }
});

test('a place that cannot be written is said with what to do', async () => {
  mkdirSync(sandbox.root, { recursive: true });
  writeFileSync(out, '');
  expect(await failure(download('hf:someone/vit', { folder: out }))).toMatch(
    /a part of its path is a file and not a folder; choose another folder with --out/,
  );
});

test('gated, missing, no model in it', async () => {
  sandbox.add('meta/gated', served(VIT), { gated: true });
  sandbox.add('someone/text', { 'README.md': { bytes: new Uint8Array(10) } });
  expect(await failure(download('hf:meta/gated'))).toMatch(/HF_TOKEN/);
  expect(await failure(download('hf:meta/gated', { token: OTHER_TOKEN }))).toMatch(/conditions/);
  expect((await download('hf:meta/gated', { token: GOOD_TOKEN })).files).toHaveLength(3);
  expect(await failure(download('hf:someone/none'))).toMatch(/someone\/none/);
  expect(await failure(download('hf:someone/text', { folder: out }))).toMatch(/no weights were found/);
  expect(existsSync(out)).toBe(false);
  expect(await failure(download('hf:someone/vit', { offline: true }))).toMatch(/is not in the cache/);
});

test('a model that a page of the endpoint names, and load with the options of the hub', async () => {
  const notices: string[] = [];
  const paths = new Set<string>();
  const hub = {
    onNotice: (line: string) => notices.push(line),
    onProgress: ({ path }: { path: string }) => paths.add(path),
  };
  const model = await load(`${sandbox.hub.endpoint}/someone/vit/tree/main`, { backend: 'wasm', hub });
  expect(model.config.numHeads).toBe(4);
  expect([...paths].sort()).toEqual(OWN);
  model.dispose();
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(load('hf:someone/vit', { backend: 'wasm', signal })).rejects.toThrow('stopped');
});

test('a backend that cannot be used is told before a model is asked for', async () => {
  const work = load('hf:someone/none', { backend: 'wasm', device: '0' });
  expect(await failure(work)).toBe('wasm has no devices to choose from');
});
