import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../reliability/until.js';

const model = 'examples/digits/deit_digits_distilled.pth';
const val = 'examples/digits/val';
let folder: string;
let file: string;
let whole: { text: string; result: Record<string, unknown> };

/** Starts `deit eval` of the digits with --predictions, in a process of its own. */
function start(...args: string[]) {
  const all = ['dist/src/cli/deit.js', 'eval', model, val, '--json', '--predictions', file, ...args];
  return spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function run(...args: string[]) {
  const child = start(...args);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = await once(child, 'close');
  const { imagesPerSecond: _, ...result } = code === 0 ? JSON.parse(out) : {};
  return { code, err, result };
}

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
    const child = start();
    const size = async () => (await stat(file).catch(() => undefined))?.size ?? 0;
    await until(
      async () => (await size()) >= 5000,
      () => 'no predictions are written',
    );
    child.kill('SIGKILL');
    await once(child, 'close');
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
