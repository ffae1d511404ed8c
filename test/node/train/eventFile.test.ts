import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { crc32c } from '../../../src/node/train/crc32c.js';
import { EventFile, tfRecord } from '../../../src/node/train/eventFile.js';

test('CRC-32C of the vectors in RFC 3720, B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

test('the bytes of an event file are those that TensorBoard wrote for the same events', async () => {
  // test/fixtures/make_event_file.py
  const expected = await readFile(new URL('../../../../test/fixtures/train/events.bin', import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), 'deit-events-'));
  const events = await EventFile.create(folder, 5, 1_700_000_000_250);
  await events.scalars(5, { 'train/loss': 0.1, missing: undefined, 'val/top1': 99.5 }, 1_700_000_001_500);
  await events.scalars(300, { 'train/loss': 1e-3 }, 1_700_000_002_000);
  await events.close();
  expect((await readFile(events.path)).toString('hex')).toBe(expected.toString('hex'));
});

test('a record frames its data', () => {
  const record = tfRecord(Uint8Array.of(1, 2, 3));
  expect(record).toHaveLength(19);
  expect([...record.subarray(0, 8)]).toEqual([3, 0, 0, 0, 0, 0, 0, 0]);
  expect([...record.subarray(12, 15)]).toEqual([1, 2, 3]);
});
