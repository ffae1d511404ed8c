import { cpSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { commands } from '../../src/cli/commands.js';
import { fixture } from '../image/images.js';
import { startDeit } from '../reliability/deit.js';
import { captureCli } from './captureCli.js';

test("deit eval measures a RegNet's checkpoint, with PyTorch's logits of the image", async () => {
  const { file, logits } = JSON.parse(readFileSync(fixture('regnet/regnet.json'), 'utf8'))['regnety.pth']
    .image;
  const folder = mkdtempSync(join(tmpdir(), 'deit-eval-regnet-'));
  mkdirSync(join(folder, 'val', '0'), { recursive: true });
  cpSync(fileURLToPath(fixture(`images/${file}`)), join(folder, 'val', '0', file));
  const predictions = join(folder, 'out.jsonl');
  const checkpoint = fileURLToPath(fixture('regnet/regnety.pth'));
  const args = [
    'eval',
    checkpoint,
    join(folder, 'val'),
    '--predictions',
    predictions,
    '--workers',
    '0',
    '--json',
  ];
  const { code, out } = await startDeit(...args).ended;
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ images: 1, failed: 0, preset: 'deit' });
  const found = JSON.parse(readFileSync(predictions, 'utf8'));
  const order = [...logits.keys()].sort((a: number, b: number) => logits[b] - logits[a]).slice(0, 5);
  expect(found.top5).toEqual(order);
  for (const [i, index] of order.entries()) expect(found.logits[i]).toBeCloseTo(logits[index], 4);
});

test('a report of a RegNet, or a backend that does not work, is refused before anything is classified', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'deit-eval-regnet-'));
  mkdirSync(join(folder, '0'));
  cpSync('examples/digits/val/0/00003.png', join(folder, '0', '00003.png'));
  const checkpoint = fileURLToPath(fixture('regnet/regnety.pth'));
  const run = (...args: string[]) =>
    captureCli('deit', commands, 'eval', checkpoint, folder, '--workers', '0', ...args);
  const report = await run('--backend', 'wasm', '--report', join(folder, 'report.html'));
  expect(report).toMatchObject({ code: 1, out: '' });
  expect(report.err).toMatch(
    /deit: .*regnety.pth: holds .* a RegNet, .*; --report takes a vision transformer\n$/,
  );
  expect(report.err).not.toMatch(/^backend: /m);
  for (const more of [[], ['--knn', folder]]) {
    const named = await run('--backend', 'wasm', '--device', '0', ...more);
    expect(named).toEqual({ code: 1, out: '', err: 'deit: wasm has no devices to choose from\n' });
  }
});
