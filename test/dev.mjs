/**
 * Runs tests again at each change, about a second after it:
 *
 *     npm run dev                    those of the file that was changed (test/ops/dropPath.test.ts for src/ops/dropPath.ts)
 *     npm run dev -- ops/dropPath    those whose path matches, at once and at each change
 *
 * A changed file is translated by itself and its tests start; after them the compiler checks all types, which takes a few
 * seconds.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformWithOxc } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
const jest = join(root, 'node_modules/jest/bin/jest.js');
const patterns = process.argv.slice(2);

/** Editors write a file in several steps. */
const SETTLED_MS = 50;

const { status } = spawnSync('npm', ['run', 'build'], { cwd: root, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

/** What runs at the moment: tests, or after them the compiler. @type {import('node:child_process').ChildProcess | undefined} */
let running;

/** Runs a script of Node's after ending the one before; gives its status, null if it was ended itself. */
function run(/** @type {readonly string[]} */ ...args) {
  running?.kill();
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  running = child;
  return new Promise((resolve) => child.on('exit', resolve));
}

/** Runs the tests whose compiled files match, then the compiler. */
async function runTests(/** @type {readonly string[]} */ matching) {
  if (matching.length > 0) {
    const code = await run('--experimental-vm-modules', '--no-warnings', jest, '-i', '--', ...matching);
    if (code === null) return;
  }
  const found = await run(tsc, '-b', '--pretty');
  if (found === 0) console.log('types: no errors');
}

/** What is to be run after a change of these files. */
function testsOf(/** @type {readonly string[]} */ files) {
  if (patterns.length > 0) return patterns.map((pattern) => `dist/test/.*${pattern}`);
  const compiled = files.map((file) =>
    file.startsWith('test/')
      ? `dist/${file.replace(/\.ts$/, '.js')}`
      : `dist/test/${file.replace(/^src\//, '').replace(/\.ts$/, '.test.js')}`,
  );
  const found = compiled.filter((file) => file.endsWith('.test.js') && existsSync(join(root, file)));
  if (found.length === 0)
    console.log(`no test is named like ${files.join(', ')}; npm run dev -- PATH chooses`);
  return found;
}

/** Translates one file, as `isolatedModules` allows, into the place where the compiler will put it. */
async function translate(/** @type {string} */ file) {
  const out = join(root, 'dist', file.replace(/\.ts$/, '.js'));
  const source = await readFile(join(root, file), 'utf8');
  const { code } = await transformWithOxc(source, file, { lang: 'ts', target: 'es2022' });
  await mkdir(dirname(out), { recursive: true });
  await writeFile(`${out}.new`, code);
  await rename(`${out}.new`, out);
}

/** @type {Set<string>} */
const changed = new Set();
/** @type {NodeJS.Timeout | undefined} */
let timer;

async function runChanged() {
  const files = [...changed].filter((file) => existsSync(join(root, file)));
  changed.clear();
  if (files.length === 0) return;
  try {
    await Promise.all(files.map(translate));
  } catch (error) {
    // A file with an error of syntax; the compiler says where.
    console.error(String(error));
    return;
  }
  await runTests(testsOf(files));
}

const isSource = (/** @type {string} */ file) =>
  file.endsWith('.ts') && !file.endsWith('.d.ts') && !/(^|\/)(assembly|generated|fixtures)\//.test(file);

for (const folder of ['src', 'converters', 'configs', 'test']) {
  watch(join(root, folder), { recursive: true }, (_, name) => {
    if (name === null || !isSource(name)) return;
    changed.add(`${folder}/${name.replaceAll('\\', '/')}`);
    clearTimeout(timer);
    timer = setTimeout(runChanged, SETTLED_MS);
  });
}

process.on('SIGINT', () => {
  running?.kill();
  process.exit();
});

if (patterns.length > 0) await runTests(testsOf([]));
