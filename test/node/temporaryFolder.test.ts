import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const module = JSON.stringify(new URL('../../src/node/temporaryFolder.js', import.meta.url).href);

function run(TMPDIR: string) {
  const program = `const { makeTemporaryFolder } = await import(${module}); console.log(await makeTemporaryFolder('deit-test-'));`;
  const env = { ...process.env, TMPDIR };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env });
  rmSync(String(stdout).trim(), { recursive: true });
  return { folder: String(stdout).trim(), warning: String(stderr) };
}

test('lies in TMPDIR, and elsewhere if that cannot be written, which is said', () => {
  expect(run('/var/tmp')).toEqual({ folder: expect.stringMatching(/^\/var\/tmp\/deit-test-/), warning: '' });
  const { folder, warning } = run('/nowhere/at/all');
  expect(folder).toMatch(/^\/tmp\/deit-test-/);
  expect(warning).toMatch(
    /\/nowhere\/at\/all cannot be written \(ENOENT\); \/tmp is used for temporary files/,
  );
});
