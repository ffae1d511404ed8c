import { cpSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { fixture } from '../image/images.js';
import { startDeit } from '../reliability/deit.js';

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
