import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseHTML } from 'linkedom';

const model = 'examples/digits/deit_digits_distilled.pth';
let folder: string;
let val: string;

/** `deit eval` in a process of its own. */
function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['dist/src/cli/deit.js', 'eval', model, val, ...args], (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

/** An image of each digit, which the model reads, one that lies with another digit, and one that is no image. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-report-'));
  val = join(folder, 'val');
  for (const digit of '0123456789') {
    await mkdir(join(val, digit), { recursive: true });
    const [file] = (await readdir(`examples/digits/val/${digit}`)).sort();
    await cp(`examples/digits/val/${digit}/${file}`, join(val, digit, file!));
  }
  await cp('examples/digits/val/0/00003.png', join(val, '8', 'wrong.png'));
  await writeFile(join(val, '1', 'none.png'), 'not an image');
});

afterAll(() => rm(folder, { recursive: true }));

describe('deit eval --report', () => {
  test.each([
    ['several threads with a model each', '2'],
    ['one model in the main thread', '0'],
  ])('one page with the figures and both heads’ votes: %s', async (_, workers) => {
    const file = join(folder, `report-${workers}.html`);
    const { code, out } = await run('--report', file, '--workers', workers, '--batch-size', '4', '--json');
    expect(code).toBe(0);
    const { top1, images, failed } = JSON.parse(out);
    expect({ top1, images, failed }).toEqual({ top1: 1000 / 11, images: 11, failed: 1 });
    const { document } = parseHTML(await readFile(file, 'utf8'));
    const text = (selector: string) =>
      [...document.querySelectorAll(selector)].map((e) => e.textContent!.replace(/\s+/g, ' ').trim());
    expect(text('.tiles dd')[0]).toBe('90.91 %');
    expect(text('h2')).toEqual([
      'The two heads',
      'Calibration',
      'Accuracy by class',
      'Most confused',
      'Worst mistakes',
      'Time per stage',
      'Not read',
    ]);
    expect(text('.mistakes h3')).toEqual(['0 instead of 8']);
    expect(text('.mistakes dt')).toEqual(['mean', 'class head', 'distillation head']);
    for (const vote of text('.mistakes dd.wrong')) expect(vote).toMatch(/^0 \d+\.\d %$/);
    const thumbnail = document.querySelector('.mistakes img')!.getAttribute('src')!;
    expect(thumbnail).toMatch(/^data:image\/jpeg;base64,\/9j\//);
    expect(text('main section:last-child li')[0]).toContain('none.png');
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('a place that cannot be written is said before any work', async () => {
    const nowhere = join(val, '1', 'none.png', 'report.html');
    const missing = await run('--report', nowhere);
    expect(missing.code).toBe(1);
    expect(missing.err.trim()).toMatch(
      /^deit: .*none\.png\/report\.html: .*none\.png is a file and not a folder; choose another output folder$/,
    );
    const { code, err } = await run('--report', folder);
    expect(code).toBe(1);
    expect(err.trim()).toBe(`deit: ${folder}: is a folder, expected the name of a file to write`);
  });
});
