/**
 * Compiles the assembly/ (AssemblyScript) of this folder, of src/image/wasm, of src/engines/wasm and of its training into
 * generated/*.ts there, each a module that exports one WebAssembly binary as base64: bundlers then have no file to serve;
 * and the types of what the binaries export. Does nothing when the sources are those of the last build.
 *
 *     node src/kernels/wasm/build.mjs
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';
import { exportTypes } from './exportTypes.mjs';

const ROOT = new URL('../../../', import.meta.url);

const ENGINE = 'src/engines/wasm/assembly/';
/** The builds for 256-bit code have this in place of columns.ts. */
const WIDE_COLUMNS = 'export const COLS: i32 = 16;\n';

/**
 * The folders with an assembly/, those whose files they import, and their builds: which instructions they use, whether
 * the memory is shared with other threads, and files that the build has in place of others.
 */
const modules = [
  {
    folder: 'src/kernels/wasm/',
    builds: [
      { file: 'simd', features: ['simd'], shared: false },
      { file: 'relaxedSimd', features: ['simd', 'relaxed-simd'], shared: false },
      { file: 'simdShared', features: ['simd', 'threads'], shared: true },
      { file: 'relaxedSimdShared', features: ['simd', 'relaxed-simd', 'threads'], shared: true },
    ],
  },
  {
    folder: 'src/image/wasm/',
    builds: [{ file: 'resample', features: ['simd'], shared: false }],
  },
  {
    folder: 'src/engines/wasm/',
    imports: ['src/kernels/wasm/'],
    // Each for threads on shared memory, and for one thread on memory that is not.
    builds: [
      { file: 'simd', features: ['simd'], replaced: {} },
      { file: 'relaxedSimd', features: ['simd', 'relaxed-simd'], replaced: {} },
      {
        file: 'wideSimd',
        features: ['simd', 'relaxed-simd'],
        replaced: { [`${ENGINE}columns.ts`]: WIDE_COLUMNS },
      },
    ].flatMap(({ file, features, replaced }) => [
      { file, features: [...features, 'threads'], shared: true, replaced },
      {
        file: `${file}Alone`,
        features,
        shared: false,
        replaced: { ...replaced, [`${ENGINE}control.ts`]: "export * from './controlAlone';\n" },
      },
    ]),
  },
  {
    folder: 'src/engines/wasm/training/',
    imports: ['src/engines/wasm/', 'src/kernels/wasm/'],
    builds: [
      { file: 'simd', features: ['simd', 'threads'], shared: true },
      { file: 'relaxedSimd', features: ['simd', 'relaxed-simd', 'threads'], shared: true },
      {
        file: 'wideSimd',
        features: ['simd', 'relaxed-simd', 'threads'],
        shared: true,
        replaced: { [`${ENGINE}columns.ts`]: WIDE_COLUMNS },
      },
    ],
  },
];

/** The texts of the assembly/ of folders, by their paths. */
async function readSources(folders) {
  const sources = {};
  for (const folder of folders) {
    const names = await readdir(new URL(`${folder}assembly/`, ROOT));
    for (const name of names.filter((name) => name.endsWith('.ts')).sort()) {
      const path = `${folder}assembly/${name}`;
      sources[path] = await readFile(new URL(path, ROOT), 'utf8');
    }
  }
  return sources;
}

async function hashOf(sources) {
  const hash = createHash('sha256');
  for (const script of ['build.mjs', 'exportTypes.mjs'])
    hash.update(await readFile(new URL(script, import.meta.url)));
  for (const [name, text] of Object.entries(sources)) hash.update(`${name}\0${text}\0`);
  return hash.digest('hex');
}

/** Runs the compiler on the assembly/index.ts of a folder, sources held in memory. */
async function compile(folder, sources, { features, shared, replaced = {} }) {
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
  const entry = `${folder}assembly/index.ts`;
  const texts = { ...sources, ...replaced };
  const { error, stderr } = await asc.main([entry, '--outFile', 'kernels.wasm', ...options], {
    readFile: (name) => texts[name] ?? null,
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

for (const { folder, imports = [], builds } of modules) {
  const sources = await readSources([folder, ...imports]);
  const header = `// Made by src/kernels/wasm/build.mjs from assembly/, sha256 ${await hashOf(sources)}\n`;
  const generated = new URL(`${folder}generated/`, ROOT);
  await mkdir(generated, { recursive: true });
  const types = new URL('./exports.ts', generated);
  if (!(await isUpToDate(types, header)))
    await writeWhole(types, header + exportTypes(`${folder}assembly/index.ts`, sources));
  for (const build of builds) {
    const file = new URL(`./${build.file}.ts`, generated);
    if (await isUpToDate(file, header)) continue;
    const base64 = Buffer.from(await compile(folder, sources, build)).toString('base64');
    await writeWhole(file, `${header}export default '${base64}';\n`);
  }
}
