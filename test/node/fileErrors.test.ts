import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { writeFileAtomically } from '../../src/node/atomicFile.js';
import { asUserError } from '../../src/node/fileErrors.js';
import { writeFolder } from '../../src/node/folderSink.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-errors-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a name that is too long is said, of a file and of a folder, and nothing is left', async () => {
  const path = join(folder, 'x'.repeat(300));
  const message = `${path}: the name is longer than its disk lets one be; choose a shorter one`;
  await expect(writeFileAtomically(path, [new Uint8Array(1)])).rejects.toEqual(new UserError(message));
  await expect(writeFolder(join(folder, 'x'.repeat(250)), async () => {})).rejects.toThrow(/name is longer/);
  expect(await readdir(folder)).toEqual([]);
});

test('a file larger than its disk lets one be is said; another error stays what it is', () => {
  const error = (code: string) => Object.assign(new Error(code), { code });
  expect(asUserError(error('EFBIG'), 'out')).toEqual(
    new UserError(
      'out: the file is larger than its disk or a limit (ulimit -f) lets one be; choose another output folder',
    ),
  );
  const other = error('EINVAL');
  expect(asUserError(other, 'out')).toBe(other);
});
