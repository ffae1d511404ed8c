/**
 * Compiles the assembly/ (AssemblyScript) of this folder and of src/image/wasm into generated/*.ts there, each a module that exports one WebAssembly binary as
 * base64: bundlers then have no file to serve. Does nothing when the sources are those of the last build.
 *
 *     node src/kernels/wasm/build.mjs
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

/**
 * The folders with an assembly/, and their builds: which instructions they use, and whether the memory is shared with
 * other threads.
 */
const modules = [
  {
    folder: new URL('./', import.meta.url),
    builds: [
      { file: 'simd', features: ['simd'], shared: false },
      { file: 'relaxedSimd', features: ['simd', 'relaxed-simd'], shared: false },
      { file: 'simdShared', features: ['simd', 'threads'], shared: true },
      { file: 'relaxedSimdShared', features: ['simd', 'relaxed-simd', 'threads'], shared: true },
    ],
  },
  {
    folder: new URL('../../image/wasm/', import.meta.url),
    builds: [{ file: 'resample', features: ['simd'], shared: false }],
  },
];

async function readSources(folder) {
  const names = (await readdir(new URL('./assembly/', folder))).filter((name) => name.endsWith('.ts'));
  const sources = {};
  for (const name of names.sort()) {
    sources[name] = await readFile(new URL(`./assembly/${name}`, folder), 'utf8');
  }
  return sources;
}

async function hashOf(sources) {
  const hash = createHash('sha256');
  hash.update(await readFile(new URL(import.meta.url)));
  for (const [name, text] of Object.entries(sources)) hash.update(`${name}\0${text}\0`);
  return hash.digest('hex');
}

/** Runs the compiler on sources held in memory. */
async function compile(sources, { features, shared }) {
  const options = [
    '--importMemory',
    '--initialMemory',
    '1',
    '--runtime',
    'stub',
    '--noAssert',
    '-O3',
    '--use',
    'abort=',
  ];
  if (shared) options.push('--sharedMemory', '--maximumMemory', '65536');
  for (const feature of features) options.push('--enable', feature);
  let binary;
  const { error, stderr } = await asc.main(['index.ts', '--outFile', 'kernels.wasm', ...options], {
    readFile: (name) => sources[name] ?? null,
    writeFile: (name, contents) => {
      if (name === 'kernels.wasm') binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary)
    throw new Error(`AssemblyScript: ${error?.message ?? 'no output'}\n${stderr.toString()}`);
  return binary;
}

async function isUpToDate(file, header) {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.startsWith(header);
}

async function writeWhole(file, text) {
  const beside = new URL(`${file.href}.tmp`);
  await writeFile(beside, text);
  await rename(beside, file);
}

for (const { folder, builds } of modules) {
  const sources = await readSources(folder);
  const header = `// Made by src/kernels/wasm/build.mjs from assembly/, sha256 ${await hashOf(sources)}\n`;
  const generated = new URL('./generated/', folder);
  await mkdir(generated, { recursive: true });
  for (const build of builds) {
    const file = new URL(`./${build.file}.ts`, generated);
    if (await isUpToDate(file, header)) continue;
    const base64 = Buffer.from(await compile(sources, build)).toString('base64');
    await writeWhole(file, `${header}export default '${base64}';\n`);
  }
}
