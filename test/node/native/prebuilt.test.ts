import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { compileBinding } from '../../../src/node/native/setup/binding.js';
import { testedNativeFolder } from '../../native.js';

const FOLDER = 'src/node/native/prebuilt';
const binding = readFileSync(join(FOLDER, 'linux-x64.node'));
const facts = JSON.parse(readFileSync(join(FOLDER, 'linux-x64.json'), 'utf8'));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('the binding is the one that its facts are of, and what the package brings', () => {
  expect(sha256(binding)).toBe(facts.binding);
  expect(readFileSync('dist/vendor/tfjs-binding-linux-x64.node')).toEqual(binding);
  expect(facts.tfjsNode).toBe('4.22.0');
});

test('the binding asks for nothing that a system of Node 20 has not', () => {
  const text = binding.toString('latin1');
  const newest = (name: string) =>
    [...text.matchAll(new RegExp(`${name}_(\\d+(?:\\.\\d+)*)\\0`, 'g'))]
      .map(([, version]) => version!.split('.').map(Number))
      .reduce((a, b) => ((a.map((part, i) => part - (b[i] ?? 0)).find((by) => by !== 0) ?? 0) > 0 ? a : b));
  const isUpTo = (found: number[], [major, minor, patch]: number[]) =>
    found[0] === major && (found[1]! < minor! || (found[1] === minor && (found[2] ?? 0) <= (patch ?? 0)));
  expect(isUpTo(newest('GLIBC'), [2, 17])).toBe(true);
  expect(isUpTo(newest('GLIBCXX'), [3, 4, 19])).toBe(true);
});

const tfjsNode = testedNativeFolder && join(testedNativeFolder, 'node_modules/@tensorflow/tfjs-node');

(tfjsNode ? test : test.skip)('it is made of the sources of the tfjs-node that is installed with it', () => {
  const sources = Object.fromEntries(
    readdirSync(join(tfjsNode!, 'binding')).map((name) => [
      name,
      sha256(readFileSync(join(tfjsNode!, 'binding', name))),
    ]),
  );
  expect(sources).toEqual(facts.sources);
  if (existsSync(join(tfjsNode!, '../../node-api-headers'))) return; // compiled there
  expect(readFileSync(join(tfjsNode!, 'lib/napi-v8/tfjs_binding.node'))).toEqual(binding);
});

const hasCompiler = spawnSync('c++', ['--version']).status === 0;

(tfjsNode && hasCompiler ? test : test.skip)('compiled anew it calls the same functions', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'deit-binding-'));
  try {
    const output = join(folder, 'binding.node');
    const headers = resolve('node_modules/node-api-headers/include');
    await compileBinding(['c++'], tfjsNode!, headers, {}, { output, flags: ['-s'] });
    const called = (bytes: Buffer) =>
      [...new Set(bytes.toString('latin1').match(/\0(TFE?_|napi_)\w+(?=\0)/g))].sort();
    expect(called(readFileSync(output))).toEqual(called(binding));
    expect(called(binding).length).toBeGreaterThan(80);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
