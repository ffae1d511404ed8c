import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { writeFileAtomically } from '../../src/node/atomicFile.js';

const root = mkdtempSync(join(tmpdir(), 'deit-at-signal-'));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'));
});
afterAll(() => rmSync(root, { recursive: true }));

const url = (name: string) => JSON.stringify(new URL(`../../src/node/${name}.js`, import.meta.url).href);

/** How a program ends that writes without end and sends itself a signal once it has begun. */
function ended(begin: string, signal: string): Promise<{ code: unknown; signal: unknown }> {
  const program = `
    import { existsSync, readdirSync } from 'node:fs';
    import { join } from 'node:path';
    const { writeFileAtomically } = await import(${url('atomicFile')});
    const { writeFolder } = await import(${url('folderSink')});
    const [folder, signal] = process.argv.slice(1);
    let begun = 0;
    async function* chunks() {
      yield new Uint8Array(8);
      begun++;
      while (true) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield new Uint8Array(8);
      }
    }
    const at = (name) => join(folder, name);
    ${begin}
    while (begun < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    process.kill(process.pid, signal);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  `;
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '-e', program, folder, signal], (error) => {
      resolve({ code: error?.code, signal: error?.signal });
    });
  });
}

const TWO = `
  writeFileAtomically(at('a.npy'), chunks());
  writeFolder(at('model'), (sink) => sink.write('model.json', chunks()));
`;

test.each([
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
])('%s while files are written ends the process and leaves nothing', async (signal) => {
  expect(await ended(TWO, signal)).toEqual({ code: null, signal });
  expect(readdirSync(folder)).toEqual([]);
}, 60_000);

test('a program that handles the signal ends as it likes', async () => {
  const own = "process.on('SIGTERM', () => process.exit(readdirSync(folder).length));";
  expect(await ended(own + TWO, 'SIGTERM')).toEqual({ code: 2, signal: null });
}, 60_000);

test('what a process left that was killed is removed when its file is written again', async () => {
  writeFileSync(join(folder, '.a.npy.partial-2147483646'), 'half');
  writeFileSync(join(folder, '.b.npy.partial-2147483646'), 'half');
  await writeFileAtomically(join(folder, 'a.npy'), [new Uint8Array(3)]);
  expect(readdirSync(folder).sort()).toEqual(['.b.npy.partial-2147483646', 'a.npy']);
  expect(existsSync(join(folder, 'a.npy'))).toBe(true);
  expect(process.listenerCount('SIGTERM')).toBe(0);
});
