import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { writeFolder } from '../../src/node/folderSink.js';

const root = mkdtempSync(join(tmpdir(), 'deit-sink-'));
afterAll(() => rmSync(root, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);

/** A place in a folder of its own. */
function place(name: string): { parent: string; target: string } {
  const parent = join(root, name);
  mkdirSync(parent);
  return { parent, target: join(parent, 'model') };
}

test('an interruption leaves nothing, and what was there before stays', async () => {
  const { parent, target } = place('interrupted');
  await writeFolder(target, (sink) => sink.write('model.json', [bytes('old')]));
  const controller = new AbortController();
  const chunks = function* () {
    yield bytes('ne');
    controller.abort();
    yield bytes('w');
  };
  const write = writeFolder(target, (sink) => sink.write('model.json', chunks()), controller.signal);
  await expect(write).rejects.toThrow(`${target}: interrupted; nothing was written`);
  expect(readdirSync(parent)).toEqual(['model']);
  expect(readFileSync(join(target, 'model.json'), 'utf8')).toBe('old');
});

test('what a killed process left is removed, what a running one writes is not', async () => {
  const { parent, target } = place('leftovers');
  const { pid: ended } = spawnSync(process.execPath, ['-e', '']);
  const names = [`.model.partial-${ended}`, `.model.partial-${process.ppid}`, '.model.partial-x', '.other'];
  for (const name of names) {
    mkdirSync(join(parent, name));
    writeFileSync(join(parent, name, 'part'), '');
  }
  await writeFolder(target, (sink) => sink.write('model.json', [bytes('new')]));
  expect(readdirSync(parent).sort()).toEqual([...names.slice(1), 'model'].sort());
});
