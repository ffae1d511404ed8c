/**
 * Compiles at each change and runs tests again:
 *
 *     npm run dev                    those of what has changed most lately are a key away (p: by path)
 *     npm run dev -- ops/dropPath    those whose path matches
 */
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
const jest = join(root, 'node_modules/jest/bin/jest.js');
const patterns = process.argv.slice(2).map((pattern) => `dist/test/.*${pattern}`);

const { status } = spawnSync('npm', ['run', 'build'], { cwd: root, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const compiler = spawn(process.execPath, [tsc, '-p', 'tsconfig.json', '--watch', '--preserveWatchOutput'], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
// What is tested is watched too, not the tests alone.
const args = [
  '--experimental-vm-modules',
  '--no-warnings',
  jest,
  '--watchAll',
  '--roots',
  'dist',
  '--',
  ...patterns,
];
const tests = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
tests.on('exit', (code) => {
  compiler.kill();
  process.exit(code ?? 1);
});
