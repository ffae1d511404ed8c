/**
 * Makes dist/browser from the compiled sources: deit-tfjs.js, which a page imports as a module with no bundler, and
 * beside it the WASM binaries, what is loaded on demand, and the licences of all of it. Run by `npm run build`, after tsc;
 * does nothing when its inputs are those of the last time.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { thirdPartyLicenses } from './licenses.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const outDir = join(root, 'dist/browser');
const wasmFolder = dirname(
  createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json'),
);

const WASM_FILES = [
  'tfjs-backend-wasm.wasm',
  'tfjs-backend-wasm-simd.wasm',
  'tfjs-backend-wasm-threaded-simd.wasm',
];

/** The worker's script imports the bundle that the page has already, where a bundler would make a second one. */
const WORKER = "import { serveWorker } from './deit-tfjs.js';\n\nserveWorker();\n";

/** The bundle finds its files beside itself. */
const ENTRY = `
export * from ${JSON.stringify(join(root, 'dist/src/browser/library.js'))};
import { setAssetSource } from ${JSON.stringify(join(root, 'dist/src/browser/assets.js'))};
const beside = (file) => new URL(/* @vite-ignore */ file, import.meta.url).href;
setAssetSource({ wasmUrl: beside, workerUrl: () => beside('worker.js') });
`;

/** What a page needs that runs models on WASM alone: no tfjs. */
const WASM_ENTRY = join(root, 'dist/src/browser/wasm.js');

/** Holds the hash of what the folder was made of. */
const STAMP = join(root, 'dist/.bundle-sha256');

/** A hash of the compiled sources, of these scripts, and of the versions of all packages. */
async function inputsHash() {
  const files = [
    'package-lock.json',
    ...['bundle.mjs', 'licenses.mjs', 'notices.txt'].map((name) => `src/browser/${name}`),
  ];
  for (const folder of ['dist/src', 'dist/converters', 'dist/configs']) {
    const names = await readdir(join(root, folder), { recursive: true });
    for (const name of names) if (/\.js(on)?$/.test(name)) files.push(join(folder, name));
  }
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(`${file}\0`).update(await readFile(join(root, file)));
  return hash.digest('hex');
}

const inputs = await inputsHash();
if (existsSync(outDir) && (await readFile(STAMP, 'utf8').catch(() => '')) === inputs) process.exit();
const { build } = await import('vite');

await rm(STAMP, { force: true });
await rm(outDir, { recursive: true, force: true });
await mkdir(outDir, { recursive: true });
await writeFile(join(outDir, 'worker.js'), WORKER);
for (const file of WASM_FILES) await copyFile(join(wasmFolder, 'dist', file), join(outDir, file));

/**
 * What a page fetches only where it tries a GPU, decodes image files, takes models from the hub, converts a checkpoint,
 * writes a SavedModel or exports a checkpoint, opens MNIST or trains heads, and the builds of the engine, of which it runs
 * one; all else is one file.
 */
const ON_DEMAND = new RegExp(
  [
    'converters/(allTables|publishedLike|namedFacts|timmModels|convertWithFacts|metadataFacts|mergeFacts)\\.js',
    'converters/(metadata/(?!ownExport)|folders/)|models/(openFiles|convertBytes)\\.js',
    'configs/models/(generated/|vit\\.js)',
    'write/savedModel/|@bufbuild/',
    'write/(stateDict|safetensors)\\.js',
    '@noble/|/browser/hub/|/src/hub/|/data/(mnist|namedBytes|openKnown)\\.js$|/train/trainHead\\.js$',
    'image/formats/(?!damaged|samples)',
    'tfjs-backend-(webgl|webgpu|cpu)|/browser/web(gl|gpu)\\.js$|/kernels/web(gl|gpu)/',
    '/engines/webgpu/|/webgpu(Runtime|Device|Training|Tensors)\\.js$|/engines/wasm/training/|/train/vitEngine\\.js$',
    '/(kernels|engines)/wasm/generated/',
  ].join('|'),
);

/** unzipit asks for worker_threads where it finds Node; a page never does. */
const noNodeModules = {
  name: 'no-node-modules',
  enforce: 'pre',
  resolveId: (id) => (id.startsWith('node:') ? '\0no-node-module' : undefined),
  load: (id) => (id === '\0no-node-module' ? 'export default {}' : undefined),
};

/** Vite's helper for import() tells `window` of a failure, which a worker has not: the error would be about that. */
const plainImports = {
  name: 'plain-imports',
  enforce: 'pre',
  load: (id) =>
    id === '\0vite/preload-helper.js' ? 'export const __vitePreload = (load) => load();' : undefined,
};

/**
 * tfjs hands its threads the text of this module's function. A minifier shortens the name of the variable outside of
 * it and drops the question whether that is defined, so that the text alone would fail.
 */
const noOuterVariable = {
  name: 'no-outer-variable',
  enforce: 'pre',
  transform: {
    filter: { id: /tfjs-backend-wasm-threaded-simd\.js$/ },
    handler: (code) =>
      code
        .replace('typeof _scriptDir !== "undefined" && _scriptDir', 'false')
        .replace('Module["mainScriptUrlOrBlob"]||_scriptDir', 'Module["mainScriptUrlOrBlob"]'),
  },
};

/** Of the generators of random numbers tfjs-core takes one; the package brings seven. */
const aleaAlone = {
  name: 'alea-alone',
  enforce: 'pre',
  resolveId: (id) => (id === 'seedrandom' ? '\0alea' : undefined),
  load: (id) => (id === '\0alea' ? "export { default as alea } from 'seedrandom/lib/alea.js';" : undefined),
};

/** Modules that are not files: by their name, with their text. */
const virtualModules = (sources) => ({
  name: 'virtual-modules',
  enforce: 'pre',
  resolveId: (id) => (id in sources ? `\0${id}` : undefined),
  load: (id) => sources[id.slice(1)],
});

/** @type {import('vite').InlineConfig} */
const common = {
  root,
  configFile: false,
  logLevel: 'warn',
  base: './',
  publicDir: false,
};

/** What Vite has built, of one entry and not watched. */
const buildOnce = async (/** @type {import('vite').InlineConfig} */ config) =>
  /** @type {import('vite').Rolldown.RolldownOutput} */ (await build(config));

/** The modules of the entry `wasm`: those that it imports at once, and those that it may import later. */
const wasmModules = await modulesOf(WASM_ENTRY);

const bundle = await buildOnce({
  ...common,
  plugins: [virtualModules({ 'deit-tfjs': ENTRY }), noNodeModules, noOuterVariable, plainImports, aleaAlone],
  build: {
    outDir,
    emptyOutDir: false,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      input: { 'deit-tfjs': 'deit-tfjs', wasm: WASM_ENTRY },
      preserveEntrySignatures: 'strict',
      // What reads a property or a global and uses nothing of it can go: nobody here has getters that do something.
      treeshake: { propertyReadSideEffects: false, unknownGlobalSideEffects: false },
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: '[name].js',
        assetFileNames: '[name][extname]',
        codeSplitting: {
          groups: [
            { name: 'engine', test: (id) => wasmModules.atOnce.has(id), priority: 3 },
            // What of core the entry `wasm` needs for checkpoints, so that core need not come for it.
            { name: 'convert', test: (id) => wasmModules.later.has(id) && !ON_DEMAND.test(id), priority: 2 },
            { name: 'core', test: (id) => !ON_DEMAND.test(id) && id !== WASM_ENTRY, priority: 1 },
          ],
        },
      },
    },
  },
});

await buildInlined();

/** Paths of the modules that an entry imports at once, and of those that these import later. */
async function modulesOf(entry) {
  const { output: all } = await buildOnce({
    ...common,
    plugins: [noNodeModules],
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: entry, preserveEntrySignatures: 'strict' },
    },
  });
  const output = all.filter((part) => part.type === 'chunk');
  const byName = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const files = (chunks) => chunks.flatMap(({ moduleIds }) => moduleIds).filter((id) => isAbsolute(id));
  const first = new Set();
  const visit = (chunk) => {
    first.add(chunk);
    for (const name of chunk.imports) visit(byName.get(name));
  };
  visit(output.find(({ isEntry }) => isEntry));
  const atOnce = new Set(files([...first]).filter((id) => id !== entry));
  const later = new Set(files(output.filter((chunk) => !first.has(chunk))));
  return { atOnce, later };
}

/**
 * deit-tfjs/inline: the library, for a bundler, with the WASM binaries in base64 and the worker's script as a text, each a
 * module that is imported when it is needed.
 */
async function buildInlined() {
  const folder = join(outDir, 'inlined');
  await mkdir(folder);
  for (const file of WASM_FILES) {
    const text = (await readFile(join(outDir, file))).toString('base64');
    await writeModule(folder, `${file}.js`, text);
  }
  await writeModule(folder, 'worker.js', await inlinedWorker());
  const wasm = WASM_FILES.map((file) => `    '${file}': () => text(import('./inlined/${file}.js')),`);
  const entry = `import { setAssetSource } from '../src/browser/assets.js';

export * from '../src/browser/library.js';

const text = async (module) => (await module).default;

setAssetSource({
  inlined: {
    wasm: {
  ${wasm.join('\n  ')}
    },
    worker: () => text(import('./inlined/worker.js')),
  },
});
`;
  await writeFile(join(outDir, 'inline.js'), entry);
}

function writeModule(folder, name, text) {
  return writeFile(join(folder, name), `export default ${JSON.stringify(text)};\n`);
}

/** The worker with all of the library in one classic script: browsers start it from a blob without module workers. */
async function inlinedWorker() {
  const entry = `import ${JSON.stringify(join(root, 'dist/src/browser/setup.js'))};
import { serveWorker } from ${JSON.stringify(join(root, 'dist/src/browser/worker/serve.js'))};
serveWorker();`;
  const { output } = await buildOnce({
    ...common,
    plugins: [virtualModules({ worker: entry }), noNodeModules, noOuterVariable, aleaAlone],
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      chunkSizeWarningLimit: 3000,
      rolldownOptions: {
        input: 'worker',
        output: { format: 'iife', codeSplitting: false },
        transform: { define: { 'import.meta': '{}' } },
      },
    },
  });
  if (output.length !== 1) throw new Error(`the inlined worker is ${output.length} files, not one`);
  return output[0].code;
}

const moduleIds = bundle.output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
const licenses = thirdPartyLicenses(moduleIds, ['@tensorflow/tfjs-backend-wasm']);
await writeFile(join(outDir, 'THIRD_PARTY_LICENSES.txt'), licenses);

/** The most that a page loads at once of an entry, gzipped, in bytes. */
const MAX_GZIPPED = { 'deit-tfjs.js': 335_000, 'wasm.js': 80_000 };
for (const [entry, most] of Object.entries(MAX_GZIPPED)) {
  let gzipped = 0;
  for (const file of filesOf(entry))
    gzipped += gzipSync(await readFile(join(outDir, file)), { level: 9 }).length;
  if (gzipped <= most) continue;
  throw new Error(`${entry} is ${gzipped} bytes gzipped, more than ${most}; see what an import brought in`);
}

/** An entry's file, and those that it imports at once. */
function filesOf(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  const chunk = bundle.output.find(({ fileName }) => fileName === file);
  if (chunk?.type !== 'chunk') throw new Error(`the bundle has no ${file}`);
  for (const each of chunk.imports) filesOf(each, found);
  return found;
}
await writeFile(STAMP, inputs);
