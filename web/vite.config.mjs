/**
 * The page. The library goes along as it is shipped, dist/browser → lib/, so that page and worker load one file; what
 * Vite bundles is the page itself.
 */
import { createReadStream } from 'node:fs';
import { cp, stat } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const root = fileURLToPath(new URL('./', import.meta.url));
const library = join(root, '../dist/browser');
const TYPES = { js: 'text/javascript', wasm: 'application/wasm' };

const shippedLibrary = {
  name: 'shipped-library',
  async writeBundle({ dir }) {
    await cp(library, join(dir, 'lib'), { recursive: true });
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

/** A page that is isolated from others may share memory between threads. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  root,
  base: './',
  publicDir: false,
  plugins: [shippedLibrary],
  server: { headers, fs: { allow: [join(root, '..')] } },
  preview: { headers },
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0, modulePreload: false },
});
