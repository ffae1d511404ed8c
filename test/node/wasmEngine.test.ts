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
  '--wasm-dynamic-tiering',
  '--wasm-lazy-compilation',
];

const { execArgv } = process;
afterEach(() => {
  jest.restoreAllMocks();
  process.execArgv = execArgv;
  delete process.env.DEIT_WASM_WIDE;
});

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

(WIDE ? test : test.skip)(
  "V8's flags are set while the module is compiled, and put back to what was given",
  () => {
    const set = jest.spyOn(v8, 'setFlagsFromString');
    const flags = () => set.mock.calls.map(([flag]) => flag);
    expect(compileOptimized(EMPTY, true)).toBeInstanceOf(WebAssembly.Module);
    expect(flags()[0]).toBe('--experimental-wasm-revectorize');
    expect(flags().slice(4).sort()).toEqual(DEFAULTS);
    set.mockClear();
    process.execArgv = ['--no_liftoff', '--wasm-lazy-compilation'];
    compileOptimized(EMPTY, false);
    expect(flags()[0]).toBe('--no-experimental-wasm-revectorize');
    expect(flags().slice(4)).toContain('--no-liftoff');
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
      .slice(4)
      .sort(),
  ).toEqual(DEFAULTS);
});
