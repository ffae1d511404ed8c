import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { computingCores } from '../../src/node/cores.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'deit-cores-'));
});
afterEach(() => rm(root, { recursive: true }));

/** Linux' files for cores by the lists of their siblings. */
async function linux(allowed: string, siblings: readonly string[], more: Record<string, string> = {}) {
  const files: Record<string, string> = {
    'proc/self/status': `Name:\tnode\nCpus_allowed_list:\t${allowed}\n`,
    ...more,
  };
  for (const [i, list] of siblings.entries()) {
    files[`sys/devices/system/cpu/cpu${i}/topology/thread_siblings_list`] = `${list}\n`;
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return { sys: join(root, 'sys'), proc: join(root, 'proc') };
}

const PAIRS = ['0,4', '1,5', '2,6', '3,7', '0,4', '1,5', '2,6', '3,7'];
const SINGLE = ['0', '1', '2', '3'];

test.each([
  ['two threads a core', '0-7', PAIRS, 8, {}, 4],
  ['one thread a core', '0-3', SINGLE, 4, {}, 4],
  ['some that the process may run on', '0-1,4', PAIRS, 3, {}, 2],
  ['fewer that Node tells', '0-7', PAIRS, 2, {}, 2],
  ['a quota of 1.5 cores', '0-3', SINGLE, 4, { 'sys/fs/cgroup/cpu.max': '150000 100000\n' }, 2],
  ['no quota', '0-3', SINGLE, 4, { 'sys/fs/cgroup/cpu.max': 'max 100000\n' }, 4],
  [
    'a quota of the first control groups',
    '0-3',
    SINGLE,
    4,
    { 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '300000', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' },
    3,
  ],
  [
    'none of the first control groups',
    '0-3',
    SINGLE,
    4,
    { 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' },
    4,
  ],
  ['cores that the kernel does not describe', '0-3', [], 4, {}, 2],
] as const)('%s', async (_, allowed, siblings, logical, more, cores) => {
  expect(computingCores(logical, await linux(allowed, siblings, more))).toBe(cores);
});

test('without Linux half the logical cores, and at least one', () => {
  expect([1, 2, 3, 4, 16].map((cores) => computingCores(cores, { sys: '/none', proc: '/none' }))).toEqual([
    1, 1, 1, 2, 8,
  ]);
});
