import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';

test('a program that waits for nothing else does not end before the module is there', () => {
  const from = (path: string) => JSON.stringify(pathToFileURL(resolve('dist/src', path)).href);
  const code = `
    import { compileWasm } from ${from('compileWasm.js')};
    import { decodeBase64 } from ${from('base64.js')};
    import text from ${from('engines/wasm/generated/simd.js')};
    for (let i = 0; i < 5; i++) await compileWasm(decodeBase64(text));
    console.log('compiled');`;
  const args = ['--no-wasm-lazy-compilation', '--input-type=module', '-e', code];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'compiled\n' });
});
