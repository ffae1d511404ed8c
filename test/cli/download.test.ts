/** `deit download` of models on the hub, as a user runs it. Official files: cli.test.ts. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { knownModels } from '../../src/models/knownModels.js';
import { officialHash } from '../../src/node/hash.js';
import { COMMIT, type Sandbox, startSandbox } from '../node/hub/sandbox.js';

const VIT = 'test/fixtures/folders/vit';

let sandbox: Sandbox;
let out: string;
beforeAll(async () => {
  sandbox = await startSandbox();
});
beforeEach(() => {
  sandbox.reset();
  out = join(sandbox.root, 'out');
  const files = Object.fromEntries(
    readdirSync(VIT).map((name) => [name, { bytes: readFileSync(join(VIT, name)) }]),
  );
  sandbox.add('google/vit-base-patch16-224', files);
  sandbox.add('meta/gated', files, { gated: true });
});
afterAll(() => sandbox.close());

const deit = (...args: string[]) => run('src/cli/deit.js', ...args);

function run(program: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [resolve('dist', program), ...args],
      { env: sandbox.env() },
      (error, stdout, stderr) => done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('by its name on the hub, into the cache, which lists it and is emptied', async () => {
  const got = await deit('download', 'hf:google/vit-base-patch16-224');
  expect(got).toMatchObject({ code: 0, stderr: '' });
  expect(got.stdout).toBe(
    `hf:google/vit-base-patch16-224 (3 files, 0.0 MB in ${sandbox.cacheDir}/hub, ` +
      `google/vit-base-patch16-224 at commit ${COMMIT.slice(0, 12)})\n`,
  );
  expect((await deit('cache', 'list')).stdout).toMatch(/\ngoogle\/vit-base-patch16-224 +0\.0 +3 /);
  const summary = await deit('summary', 'hf:google/vit-base-patch16-224');
  expect(summary).toMatchObject({ code: 0, stdout: expect.stringMatching(/3 classes/) });
  expect(await deit('cache', 'clear')).toMatchObject({ code: 0, stdout: '0.0 MB removed\n' });
});

test('by the name that `deit models` lists, into a folder; JSON', async () => {
  const got = await deit('download', 'google/vit-base-patch16-224', '--out', out, '--json');
  expect(got).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(got.stdout)).toMatchObject({ model: out, commit: COMMIT, files: expect.any(Array) });
  expect(readdirSync(out).sort()).toEqual(readdirSync(VIT).sort());
  expect((await deit('summary', out)).code).toBe(0);
});

test('deit-convert takes a name on the hub', async () => {
  const converted = await run('converters/cli.js', 'hf:google/vit-base-patch16-224', out);
  expect(converted.code).toBe(0);
  expect(converted.stdout).toMatch(/google\/vit-base-patch16-224/);
  expect((await deit('summary', out)).stdout).toMatch(/3 classes/);
});

test('what cannot be: one line, and how to mend it', async () => {
  const [gated, missing, revision, from, fileRevision] = await Promise.all([
    deit('download', 'hf:meta/gated'),
    deit('download', 'hf:someone/none'),
    deit('download', 'hf:google/vit-base-patch16-224', '--revision', 'v9'),
    deit('download', 'hf:google/vit-base-patch16-224', '--from', 'http://127.0.0.1:1/'),
    deit('download', 'deit_tiny_patch16_224', '--revision', 'main'),
  ]);
  for (const { code, stdout, stderr } of [gated, missing, revision, from, fileRevision]) {
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^deit: .*\n$/);
  }
  expect(gated.stderr).toMatch(/meta\/gated.*HF_TOKEN/);
  expect(missing.stderr).toMatch(/someone\/none/);
  expect(revision.stderr).toMatch(/v9/);
  expect(from.stderr).toMatch(/--from is for files of one host; the hub's address is HF_ENDPOINT/);
  expect(fileRevision.stderr).toMatch(/--revision is for models on the hub/);
});

test('every well-known model is one of the two kinds, and the digits in an official name are checked', () => {
  for (const { source } of knownModels()) expect(source).toMatch(/^(hf:[\w.-]+\/[\w.-]+|https:\/\/\S+)$/);
  const withDigits = knownModels().filter(({ source }) => /-[0-9a-f]{8}\.pth$/.test(source));
  expect(withDigits.length).toBeGreaterThan(5);
  for (const { source } of withDigits) {
    expect(officialHash(new URL(source).pathname)?.digits).toBe(/-([0-9a-f]{8})\.pth$/.exec(source)![1]);
  }
});
