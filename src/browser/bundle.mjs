/**
 * Makes dist/browser from the compiled sources: deit-tfjs.js, which a page imports as a module with no bundler, and
 * beside it the WASM binaries, what is loaded on demand, and the licences of all of it. Run by `npm run build`, after tsc.
 */
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
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
const ownWorker = {
  name: 'own-worker',
  enforce: 'pre',
  transform: {
    filter: { id: /\/browser\/worker\/client\.js$/ },
    handler: (code) => code.replace("new URL('./worker.js'", "new URL(/* @vite-ignore */ './worker.js'"),
  },
};

await rm(outDir, { recursive: true, force: true });
await mkdir(outDir, { recursive: true });
await writeFile(join(outDir, 'worker.js'), WORKER);
for (const file of WASM_FILES) await copyFile(join(wasmFolder, 'dist', file), join(outDir, file));

/**
 * What a page fetches only where it tries a GPU, decodes image files, takes models from the hub, converts a checkpoint or
 * writes a SavedModel; all else is one file.
 */
const ON_DEMAND = new RegExp(
  [
    'converters/(allTables|publishedLike|namedFacts|timmModels|convertWithFacts|metadataFacts|mergeFacts)\\.js',
    'converters/(metadata/(?!ownExport)|folders/)',
    'configs/models/(generated/|vit\\.js)',
    'write/savedModel/|@bufbuild/',
    '@noble/|/browser/hub/|/src/hub/',
    'image/formats/(?!damaged|samples)',
    'tfjs-backend-(webgl|webgpu|cpu)|/browser/web(gl|gpu)\\.js$|/kernels/web(gl|gpu)/',
  ].join('|'),
);

/** unzipit asks for worker_threads where it finds Node; a page never does. */
const noNodeModules = {
  name: 'no-node-modules',
  enforce: 'pre',
  resolveId: (id) => (id.startsWith('node:') ? '\0no-node-module' : undefined),
  load: (id) => (id === '\0no-node-module' ? 'export default {}' : undefined),
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

const bundle = await build({
  root,
  configFile: false,
  logLevel: 'warn',
  base: './',
  publicDir: false,
  plugins: [noNodeModules, ownWorker, noOuterVariable],
  build: {
    outDir,
    emptyOutDir: false,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      input: { 'deit-tfjs': join(root, 'dist/src/browser/index.js') },
      preserveEntrySignatures: 'strict',
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: '[name].js',
        assetFileNames: '[name][extname]',
        codeSplitting: { groups: [{ name: 'core', test: (id) => !ON_DEMAND.test(id) }] },
      },
    },
  },
});

const moduleIds = bundle.output.flatMap((chunk) => chunk.moduleIds ?? []);
const licenses = thirdPartyLicenses(moduleIds, ['@tensorflow/tfjs-backend-wasm']);
await writeFile(join(outDir, 'THIRD_PARTY_LICENSES.txt'), licenses);

/** What a page loads to run a model on WASM, beside the WASM binary itself, gzipped, in bytes. */
const MAX_GZIPPED = 350_000;
let gzipped = 0;
for (const file of ['deit-tfjs.js', 'core.js', 'rolldown-runtime.js']) {
  gzipped += gzipSync(await readFile(join(outDir, file)), { level: 9 }).length;
}
if (gzipped > MAX_GZIPPED) {
  throw new Error(
    `the bundle is ${gzipped} bytes gzipped, more than ${MAX_GZIPPED}; see what an import brought in`,
  );
}
