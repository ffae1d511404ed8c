/** What the WASM engine has of Node: threads, V8's flags. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import { afterEach, expect, jest, test } from '@jest/globals';
import { compileOptimized } from '../../src/node/wasmEngine.js';

/** A module without anything. */
const EMPTY = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const WIDE = process.arch === 'x64' && Number(process.versions.v8.split('.')[0]) >= 13;
const DEFAULTS = [
  '--liftoff',
  '--no-experimental-wasm-revectorize',
  Number(process.versions.v8.split('.')[0]) >= 14 ? '--wasm-deopt' : '--no-wasm-deopt',
  '--wasm-dynamic-tiering',
  '--wasm-lazy-compilation',
];

const { execArgv } = process;
const ownVersion = process.versions.v8;
afterEach(() => {
  jest.restoreAllMocks();
  process.execArgv = execArgv;
  delete process.env.DEIT_WASM_WIDE;
  pretend(ownVersion);
});

/** @param v8 the version that is read */
function pretend(v8: string): void {
  Object.defineProperty(process.versions, 'v8', { value: v8, configurable: true, enumerable: true });
}

test('a thread starts whatever the process was started with', () => {
  const code = `import { startNodeWorker } from ${JSON.stringify(pathToFileURL(resolve('dist/src/node/wasmEngine.js')).href)};
    const worker = startNodeWorker('onmessage = ({ data }) => postMessage(data + 1);');
    worker.onmessage = ({ data }) => { console.log(data); process.exit(); };
    worker.onerror = ({ message }) => { console.log(message); process.exit(); };
    worker.postMessage(1);`;
  expect(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })).toBe(
    '2\n',
  );
});

test('DEIT_WASM_WIDE=0 and processors without 256 bits leave V8 alone', () => {
  const set = jest.spyOn(v8, 'setFlagsFromString');
  process.env.DEIT_WASM_WIDE = '0';
  expect(compileOptimized(EMPTY, true)).toBeUndefined();
  expect(set).not.toHaveBeenCalled();
});

test.each([
  ['15.0.1.2-node.3', undefined, false],
  ['14.7.1.2-node.3', undefined, false],
  ['14.7.1.2-node.3', '1', true],
  ['12.4.254.21-node.57', '1', false],
])('V8 %s, DEIT_WASM_WIDE=%s: V8 is left alone unless it was tried or is asked for', (version, asked, set) => {
  if (process.arch !== 'x64') return;
  const flags = jest.spyOn(v8, 'setFlagsFromString').mockImplementation(() => {});
  if (asked) process.env.DEIT_WASM_WIDE = asked;
  pretend(version);
  const module = compileOptimized(EMPTY, true);
  expect(module !== undefined).toBe(set);
  const off = flags.mock.calls.map(([flag]) => flag).slice(0, 5);
  expect(off.includes('--no-wasm-deopt')).toBe(set);
});

(WIDE ? test : test.skip)(
  "V8's flags are set while the module is compiled, and put back to what was given",
  () => {
    const set = jest.spyOn(v8, 'setFlagsFromString');
    const flags = () => set.mock.calls.map(([flag]) => flag);
    expect(compileOptimized(EMPTY, true)).toBeInstanceOf(WebAssembly.Module);
    expect(flags()[0]).toBe('--experimental-wasm-revectorize');
    expect(flags().slice(DEFAULTS.length).sort()).toEqual([...DEFAULTS].sort());
    set.mockClear();
    process.execArgv = ['--no_liftoff', '--wasm-lazy-compilation'];
    compileOptimized(EMPTY, false);
    expect(flags()[0]).toBe('--no-experimental-wasm-revectorize');
    expect(flags().slice(DEFAULTS.length)).toContain('--no-liftoff');
    // The process that runs these tests has it.
    v8.setFlagsFromString('--liftoff');
  },
);

(WIDE ? test : test.skip)('flags are put back if the module does not compile', () => {
  const set = jest.spyOn(v8, 'setFlagsFromString');
  expect(() => compileOptimized(EMPTY.slice(0, 5), true)).toThrow(WebAssembly.CompileError);
  expect(
    set.mock.calls
      .map(([flag]) => flag)
      .slice(DEFAULTS.length)
      .sort(),
  ).toEqual([...DEFAULTS].sort());
});
