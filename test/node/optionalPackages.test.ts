/** Packages that are not installed with this one: what needs them says what to install, and nothing else misses them. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { howToInstall, importOptional, OPTIONAL_PACKAGES } from '../../src/node/optionalPackages.js';
import { writeDigits } from './train/digitsFolder.js';

const folder = mkdtempSync(join(tmpdir(), 'deit-optional-'));
const at = (name: string) => join(folder, name);
const MODEL = 'examples/digits/deit_digits_distilled.pth';
const VAL = 'examples/digits/val';

const withoutVersion = (name: string) => name.slice(0, name.lastIndexOf('@'));
const names = Object.values(OPTIONAL_PACKAGES).flat().map(withoutVersion);

/** Makes the packages look as if they were not installed. */
const HIDE = `
export function resolve(specifier, context, next) {
  if (!${JSON.stringify(names)}.includes(specifier)) return next(specifier, context);
  throw Object.assign(new Error("Cannot find package '" + specifier + "' imported from " + context.parentURL), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
}`;

beforeAll(() => {
  const url = `data:text/javascript,${encodeURIComponent(HIDE)}`;
  // Node 20 has the one, Node 26 warns of it.
  const hide = `import module from 'node:module';
    import { resolve } from ${JSON.stringify(url)};
    module.registerHooks ? module.registerHooks({ resolve }) : module.register(${JSON.stringify(url)});`;
  writeFileSync(at('hide.mjs'), hide);
});
afterAll(() => rmSync(folder, { recursive: true }));

function deit(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const all = ['--import', at('hide.mjs'), resolve('dist/src/cli/deit.js'), ...args];
  return new Promise((done) => {
    execFile(process.execPath, all, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('they are optional peers, of the versions that the messages name', () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync('package.json', 'utf8'),
  ) as Record<string, Record<string, string>>;
  for (const name of Object.values(OPTIONAL_PACKAGES).flat()) {
    const bare = withoutVersion(name);
    const range = peerDependencies![bare]!.replace(/^\^/, '');
    expect(`${bare}@${range}.`.startsWith(`${name}.`)).toBe(true);
    expect(peerDependenciesMeta![bare]).toEqual({ optional: true });
    expect(dependencies).not.toHaveProperty([bare]);
  }
});

test('another error than a missing package is left as it is', async () => {
  const broken = Object.assign(new Error("Cannot find package 'other' imported from x"), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
  await expect(importOptional('queue', 'x', () => Promise.reject(broken))).rejects.toBe(broken);
});

test('a report and a queue say what to install, before any work', async () => {
  const queue = ['--queue', 'redis://127.0.0.1:1'];
  const outcomes = await Promise.all([
    deit('eval', MODEL, VAL, '--report', at('report.html')),
    deit('eval', MODEL, VAL, ...queue),
    deit('worker', '--model', MODEL, '--data', VAL, ...queue),
  ]);
  for (const [i, part] of (['drawing', 'queue', 'queue'] as const).entries()) {
    expect(outcomes[i]).toMatchObject({ code: 1, stdout: '' });
    expect(outcomes[i]!.stderr.trimEnd().split('\n').at(-1)).toMatch(
      new RegExp(`^deit: --(report|queue) needs packages that are not installed: ${howToInstall(part)}$`),
    );
  }
});

test('an evaluation misses none of them, a training run has no image of its curve', async () => {
  const digits = await writeDigits(40, 20);
  const data = { format: 'mnist', path: digits };
  const model = { imgSize: 28, patchSize: 14, embedDim: 8, depth: 1, numHeads: 2 };
  const config = {
    model,
    data,
    val: data,
    batchSize: 20,
    workers: 0,
    schedule: { epochs: 1, warmupEpochs: 0 },
  };
  writeFileSync(at('config.json'), JSON.stringify(config));
  const [evaluated, trained] = await Promise.all([
    deit('eval', MODEL, VAL, '--json', '--backend', 'wasm'),
    deit('train', at('config.json'), '--output', at('run')),
  ]);
  expect(JSON.parse(evaluated.stdout)).toMatchObject({ images: 400, failed: 0 });
  expect(trained).toMatchObject({ code: 0, stderr: expect.stringContaining(howToInstall('drawing')) });
  expect(trained.stderr).toMatch(/learning curve .*; the run goes on without it/);
  expect(() => readFileSync(at('run/metrics.jsonl'))).not.toThrow();
});
