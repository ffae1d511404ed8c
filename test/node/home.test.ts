import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { isAbsolute } from 'node:path';
import { expect, test } from '@jest/globals';
import { homeFolder } from '../../src/node/home.js';

const HOME = new URL('../../src/node/home.js', import.meta.url).href;

/** The home folder in a process with another environment, whose `os` may have no answer. */
function homeIn(env: NodeJS.ProcessEnv, before = ''): string {
  const program = `${before}; const { homeFolder } = await import(${JSON.stringify(HOME)}); console.log(homeFolder());`;
  const args = ['--input-type=module', '-e', program];
  return execFileSync(process.execPath, args, { env, encoding: 'utf8' }).trim();
}

test('is what HOME says, if that is a whole path', () => {
  expect(homeFolder()).toBe(homedir());
  expect(homeIn({ HOME: '/somewhere' })).toBe('/somewhere');
  for (const HOME of ['', 'relative', './x']) expect(isAbsolute(homeIn({ HOME }))).toBe(true);
  expect(isAbsolute(homeIn({}))).toBe(true);
});

test('nobody knows it of a user who is a bare number, as in containers: nothing is read from there', () => {
  const nobody = `
    import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module';
    os.homedir = os.userInfo = () => { throw new Error('ENOENT'); };
    syncBuiltinESMExports();`;
  expect(homeIn({}, nobody)).toBe('/nonexistent');
});
