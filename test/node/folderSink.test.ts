import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

const put = (target: string, text: string) =>
  writeFolder(target, async (sink) => {
    await sink.write('weights.bin', [bytes(text)]);
    await sink.write('model.json', [bytes(text)]);
  });

test('a file of someone else beside a model, such as its checkpoint, is not lost', async () => {
  const { target } = place('foreign');
  await put(target, 'old');
  writeFileSync(join(target, '.DS_Store'), '');
  await put(target, 'newer');
  writeFileSync(join(target, 'deit.pth'), 'weights');
  await expect(put(target, 'newest')).rejects.toThrow(
    `${target}: holds deit.pth beside a converted model, which would be lost; move it away, or choose another output folder`,
  );
  expect(readdirSync(target).sort()).toEqual(['deit.pth', 'model.json', 'weights.bin']);
  expect(readFileSync(join(target, 'model.json'), 'utf8')).toBe('newer');
});

test('a link to a folder stays, and the folder is written', async () => {
  const { parent, target } = place('link');
  mkdirSync(join(parent, 'disk'));
  symlinkSync('disk', target);
  await put(target, 'new');
  expect(lstatSync(target).isSymbolicLink()).toBe(true);
  expect(readdirSync(join(parent, 'disk')).sort()).toEqual(['model.json', 'weights.bin']);
  expect(readdirSync(parent).sort()).toEqual(['disk', 'model']);
});

test('the current folder stays the same one, whose shell would else be in a folder that is gone', async () => {
  const { target } = place('current');
  mkdirSync(target);
  const before = process.cwd();
  const { ino } = statSync(target);
  process.chdir(target);
  try {
    await put('.', 'old');
    await put(realpathSync('.'), 'new');
    expect(statSync(target).ino).toBe(ino);
    expect(readdirSync('.').sort()).toEqual(['model.json', 'weights.bin']);
    expect(readFileSync('model.json', 'utf8')).toBe('new');
    const failing = writeFolder('.', async (sink) => {
      await sink.write('model.json', [bytes('half')]);
      throw new Error('broken off');
    });
    await expect(failing).rejects.toThrow('broken off');
    expect(readdirSync('.').sort()).toEqual(['model.json', 'weights.bin']);
    expect(readFileSync('model.json', 'utf8')).toBe('new');
  } finally {
    process.chdir(before);
  }
  await expect(put('', 'x')).rejects.toThrow('the name of the output folder is an empty text');
});
