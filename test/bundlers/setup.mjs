/**
 * Installs what test/bundlers needs into a folder: this package as `npm pack` makes it, and the bundlers.
 *
 *   node test/bundlers/setup.mjs FOLDER          esbuild, Rollup, webpack and Vite
 *   node test/bundlers/setup.mjs FOLDER --all    Next.js, Deno and Bun too (400 MB)
 *
 * The tests run those that are in the folder that DEIT_BUNDLERS names. To be run after `npm run build`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const BUNDLERS = [
  'esbuild@0.28',
  'rollup@4',
  '@rollup/plugin-commonjs@29',
  '@rollup/plugin-node-resolve@16',
  'webpack@5',
  'webpack-cli@7',
  'vite@8',
];
const MORE = ['next@16', 'react@19', 'react-dom@19', 'deno@2', 'bun@1'];

const [folder, ...flags] = process.argv.slice(2);
if (!folder || flags.some((flag) => flag !== '--all')) {
  console.error('usage: node test/bundlers/setup.mjs FOLDER [--all]');
  process.exit(2);
}
const target = resolve(folder);
const run = (args, cwd) => execFileSync('npm', args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
const isPackage = (name) => name.startsWith('deit-tfjs-') && name.endsWith('.tgz');

mkdirSync(target, { recursive: true });
for (const old of readdirSync(target).filter(isPackage)) rmSync(join(target, old));
writeFileSync(join(target, 'package.json'), '{ "private": true, "type": "module" }\n');
run(['pack', '--silent', '--ignore-scripts', '--pack-destination', target], root);
const tarball = readdirSync(target).find(isPackage);
const packages = [`./${tarball}`, ...BUNDLERS, ...(flags.length > 0 ? MORE : [])];
// The package's own scripts are not run, nor are those of others: all bring their programs prebuilt.
run(['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', ...packages], target);
