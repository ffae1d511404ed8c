import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deitJson, startDeit } from '../reliability/deit.js';
import { until } from '../reliability/until.js';

const model = 'examples/digits/deit_digits_distilled.pth';
const val = 'examples/digits/val';
let folder: string;
let file: string;
let whole: { text: string; result: Record<string, unknown> };

const args = () => ['eval', model, val, '--predictions', file];
const run = (...more: string[]) => deitJson(...args(), ...more);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-resume-'));
  file = join(folder, 'predictions.jsonl');
  const { result } = await run();
  whole = { text: await readFile(file, 'utf8'), result };
});

afterAll(() => rm(folder, { recursive: true }));

describe('deit eval --resume', () => {
  test('goes on after kill −9 with no image lost or counted twice', async () => {
    await rm(file);
    const { child, ended } = startDeit(...args());
    const size = async () => (await stat(file).catch(() => undefined))?.size ?? 0;
    await until(
      async () => (await size()) >= 5000,
      () => 'no predictions are written',
    );
    child.kill('SIGKILL');
    await ended;
    expect(await size()).toBeLessThan(whole.text.length);
    const { code, result } = await run('--resume');
    expect(code).toBe(0);
    expect(result).toEqual(whole.result);
    expect(await readFile(file, 'utf8')).toBe(whole.text);
  });

  test('drops a torn last line, with other workers too', async () => {
    await writeFile(file, whole.text);
    await truncate(file, 12345);
    const { result } = await run('--resume', '--workers', '0');
    expect(result).toEqual(whole.result);
    expect(await readFile(file, 'utf8')).toBe(whole.text);
  });

  test('classifies nothing that is recorded already, but for the batch that shows that the model is the same', async () => {
    await writeFile(file, whole.text);
    const { result } = await run('--resume', '--workers', '0');
    expect(result).toEqual(whole.result);
    expect(await readFile(file, 'utf8')).toBe(whole.text);
  });

  test('without it, what the file held stays until the new run has a line, and beside it until that run is whole', async () => {
    await writeFile(file, whole.text);
    const before = `${file}.before`;
    // Nothing is written.
    expect((await deitJson('eval', model, 'examples/digits', '--predictions', file)).code).toBe(1);
    expect(await readFile(file, 'utf8')).toBe(whole.text);
    // A run that is cut off.
    await writeFile(before, 'another');
    const { child, ended } = startDeit(...args());
    await until(
      async () => (await stat(`${before}-2`).catch(() => undefined)) !== undefined,
      () => 'no predictions are written',
    );
    child.kill('SIGKILL');
    await ended;
    expect(await readFile(`${before}-2`, 'utf8')).toBe(whole.text);
    expect(await readFile(before, 'utf8')).toBe('another');
    await rm(before);
    await rm(`${before}-2`);
    // A whole run takes its place.
    await writeFile(file, 'a former run');
    expect((await run()).code).toBe(0);
    expect(await readFile(file, 'utf8')).toBe(whole.text);
    expect(await readdir(folder)).toEqual(['predictions.jsonl']);
  });

  test('two runs do not write to one file', async () => {
    await rm(file);
    const first = startDeit(...args());
    await until(
      async () => (await stat(`${file}.lock`).catch(() => undefined)) !== undefined,
      () => 'the file is not locked',
    );
    first.child.kill('SIGSTOP');
    expect((await run()).err).toMatch(
      /process \d+ has been writing .*predictions\.jsonl since .*; give this run a file of its own/,
    );
    expect((await run('--resume')).code).toBe(1);
    first.child.kill('SIGCONT');
    await first.ended;
    expect(await readFile(file, 'utf8')).toBe(whole.text);
  });

  test('refuses predictions of another preset, another folder, and lines that are none', async () => {
    await writeFile(file, whole.text.slice(0, 20000));
    expect(await run('--resume', '--preset', 'timm')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/was made with another model or preset/),
    });
    await appendFile(file, '\n{"file":"0/none.png","label":0,"top5":[0],"logits":[1],"loss":1}\n');
    expect((await run('--resume')).err).toMatch(/predictions\.jsonl:\d+: not JSON/);
    await writeFile(file, '{"file":"0/none.png","label":0,"top5":[0],"logits":[1],"loss":1}\n');
    expect((await run('--resume')).err).toMatch(
      /predictions\.jsonl:1: 0\/none\.png with class 0 is not in the folder/,
    );
    await writeFile(file, '{"file":1}\n');
    expect((await run('--resume')).err).toMatch(/expected \{file, label/);
    const [first] = whole.text.split('\n');
    await writeFile(file, `${first}\n${first}\n`);
    expect((await run('--resume')).err).toMatch(/:2: .* is there twice/);
  });
});
