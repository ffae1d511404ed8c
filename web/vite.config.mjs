/**
 * The page. The library goes along as it is shipped, dist/browser → lib/, so that page and worker load one file; what
 * Vite bundles is the page itself.
 */
import { createReadStream } from 'node:fs';
import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { thirdPartyLicenses } from '../src/browser/licenses.mjs';

const root = fileURLToPath(new URL('./', import.meta.url));
const library = join(root, '../dist/browser');
/** deit-tfjs/inline is for other people's bundlers. */
const INLINED = /[/\\]inlined?(\.js)?([/\\]|$)/;
const TYPES = { js: 'text/javascript', wasm: 'application/wasm' };

const shippedLibrary = {
  name: 'shipped-library',
  async writeBundle({ dir }) {
    await cp(library, join(dir, 'lib'), { recursive: true, filter: (file) => !INLINED.test(file) });
  },
  configureServer(server) {
    server.middlewares.use('/lib', async (request, response, next) => {
      const file = join(library, normalize(new URL(request.url, 'http://localhost').pathname));
      const found = await stat(file).catch(() => undefined);
      if (!found?.isFile()) return next();
      response.setHeader('Content-Type', TYPES[file.split('.').at(-1)] ?? 'application/octet-stream');
      createReadStream(file).pipe(response);
    });
  },
};

/**
 * What the model's worker imports one after the other comes while the page itself is read. Prefetched and not preloaded:
 * browsers warn of a preload that the page itself does not use.
 */
const ON_DEMAND = ['convertBytes.js', 'decode.js'];

/** A script of the library with all that it imports. */
async function withImports(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  const code = await readFile(join(library, file), 'utf8');
  const imports = [...code.matchAll(/\b(?:from|import)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)];
  for (const [, name] of imports) await withImports(name, found);
  return found;
}

const prefetchForWorker = {
  name: 'prefetch-for-worker',
  transformIndexHtml: {
    order: 'post',
    async handler(_, { bundle }) {
      if (!bundle) return []; // the development server
      const worker = Object.keys(bundle).find((file) => /^assets\/worker-[^/]*\.js$/.test(file));
      if (!worker) throw new Error('the page has no worker to prefetch; see its name');
      const scripts = await withImports('deit-tfjs.js');
      for (const file of ON_DEMAND) await withImports(file, scripts);
      const files = [worker, ...[...scripts].map((name) => `lib/${name}`)];
      return files.map((file) => ({
        tag: 'link',
        attrs: { rel: 'prefetch', crossorigin: true, href: `./${file}` },
      }));
    },
  },
};

/** The licences of other packages' code, of the page and of its workers, in a text beside them. */
const bundled = new Set();
const collectModules = {
  name: 'collect-modules',
  generateBundle(_, bundle) {
    for (const { moduleIds = [] } of Object.values(bundle)) for (const id of moduleIds) bundled.add(id);
  },
};
const licenses = {
  name: 'licenses',
  async writeBundle({ dir }) {
    await writeFile(join(dir, 'THIRD_PARTY_LICENSES.txt'), thirdPartyLicenses([...bundled], []));
  },
};

/** A page that is isolated from others may share memory between threads. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  root,
  base: './',
  publicDir: false,
  plugins: [shippedLibrary, prefetchForWorker, collectModules, licenses],
  worker: { plugins: () => [collectModules] },
  server: { headers, fs: { allow: [join(root, '..')] } },
  preview: { headers },
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0, modulePreload: false },
});
