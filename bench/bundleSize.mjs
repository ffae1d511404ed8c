/**
 * What a page loads at once of an entry, by package and folder, as esbuild bundles and minifies it (its metafile).
 *
 *     npm run build && node bench/bundleSize.mjs FOLDER [--entry dist/src/browser/wasm.js]
 *
 * FOLDER holds esbuild, e.g. the folder of test/bundlers/setup.mjs.
 */
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

const { values, positionals } = parseArgs({
  options: { entry: { type: 'string', default: 'dist/src/browser/wasm.js' } },
  allowPositionals: true,
});
if (positionals.length !== 1) {
  console.error('usage: node bench/bundleSize.mjs FOLDER [--entry FILE]');
  process.exit(2);
}
const { build } = createRequire(join(resolve(positionals[0]), 'node_modules/'))('esbuild');
const { metafile, outputFiles } = await build({
  entryPoints: [values.entry],
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  conditions: ['browser'],
  external: ['node:*'],
  outdir: 'out',
  metafile: true,
  write: false,
  logLevel: 'error',
});
const { outputs } = metafile;
const main = Object.keys(outputs).find((name) => outputs[name].entryPoint === values.entry);
const atOnce = new Set();
const visit = (name) => {
  if (atOnce.has(name)) return;
  atOnce.add(name);
  for (const { kind, path } of outputs[name].imports) if (kind === 'import-statement') visit(path);
};
visit(main);

/** The package of a module, or its folder. */
function partOf(path) {
  const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
  return (
    name ??
    path
      .replace(/^dist\//, '')
      .split('/')
      .slice(0, 3)
      .join('/')
      .replace(/\/[^/]+\.js$/, '')
  );
}

let gzipped = 0;
const parts = new Map();
for (const name of atOnce) {
  gzipped += gzipSync(outputFiles.find(({ path }) => basename(path) === basename(name)).contents, {
    level: 9,
  }).length;
  for (const [path, { bytesInOutput }] of Object.entries(outputs[name].inputs)) {
    parts.set(partOf(path), (parts.get(partOf(path)) ?? 0) + bytesInOutput);
  }
}
const total = [...parts.values()].reduce((a, b) => a + b, 0);
console.log(`${values.entry}: ${total} bytes at once, ${gzipped} gzipped`);
for (const [part, bytes] of [...parts].sort((a, b) => b[1] - a[1])) {
  console.log(`${String(bytes).padStart(9)}  ${part}`);
}
