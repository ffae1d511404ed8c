/** A static server on 127.0.0.1 for the browser tests. */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
};

export type Route = (request: IncomingMessage, response: ServerResponse) => void;

export interface ServerOptions {
  /** Folders by the path under which they are served, e.g. {'/lib': 'dist/browser'}. */
  folders?: Readonly<Record<string, string>>;
  /** Answers for single paths, looked at first. */
  routes?: Readonly<Record<string, Route>>;
  /** Send COOP and COEP, so that pages are cross-origin isolated. */
  isolated?: boolean;
  /** Sent with every answer. */
  headers?: Readonly<Record<string, string>>;
}

export interface TestServer {
  /** e.g. `http://127.0.0.1:41234`. */
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** The library, the fixtures and the examples, and an empty page that has imported the library. */
const FOLDERS = { '/lib': 'dist/browser', '/fixtures': 'test/fixtures', '/examples': 'examples' };
const PAGE = `<!doctype html><meta charset="utf-8"><title>deit-tfjs</title><link rel="icon" href="data:,">
<script type="module">
  try { window.deit = await import('/lib/deit-tfjs.js'); } catch (error) { window.failed = String(error); throw error; }
</script>`;

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const folders = { ...FOLDERS, ...options.folders };
  const routes: Record<string, Route> = {
    '/': (_, response) => response.setHeader('Content-Type', TYPES['.html']!).end(PAGE),
    ...options.routes,
  };
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname);
    requests.push(path);
    if (options.isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    for (const [name, value] of Object.entries(options.headers ?? {})) response.setHeader(name, value);
    const route = routes[path];
    if (route) route(request, response);
    else void sendFile(fileOf(path, folders), response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The file of a path; `normalize` has taken out any `..` that would lead out of the folder. */
function fileOf(path: string, folders: Readonly<Record<string, string>>): string | undefined {
  const clean = normalize(path);
  const prefix = Object.keys(folders).find((key) => clean.startsWith(`${key}/`));
  if (!prefix) return undefined;
  return join(folders[prefix]!, clean.slice(prefix.length));
}

async function sendFile(file: string | undefined, response: ServerResponse): Promise<void> {
  const bytes = file && (await readFile(file).catch(() => undefined));
  if (!file || !bytes) {
    response.writeHead(404).end('not found');
    return;
  }
  response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
  response.setHeader('Content-Length', bytes.length);
  response.end(bytes);
}
