/** A static server for a page of this package: files of some folders, and nothing else. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { UserError } from '../../errors.js';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
};

const HEADERS: Readonly<Record<string, string>> = {
  // A page that is isolated from others may share memory between threads.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  // Asked about each time, by ETag: another release may be served on the same port.
  'Cache-Control': 'no-cache',
};

/** This machine alone. */
const HOST = '127.0.0.1';

export interface StaticServer {
  /** e.g. `http://127.0.0.1:4173/`. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves folders on 127.0.0.1.
 *
 * @param folders by the path under which each is served, `/` for the root; the first that begins a path has it
 * @param port 0 takes a free one
 * @throws UserError if the port is taken or not allowed
 */
export async function serveFolders(
  folders: Readonly<Record<string, string>>,
  port: number,
): Promise<StaticServer> {
  const server = createServer((request, response) => {
    answer(folders, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(portError(error, port)));
    server.listen(port, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function portError(error: NodeJS.ErrnoException, port: number): Error {
  const why: Record<string, string> = {
    EADDRINUSE: 'is taken by another program',
    EACCES: 'may not be used by this user',
  };
  const known = why[error.code ?? ''];
  return known ? new UserError(`port ${port} ${known}; --port 0 takes a free one`) : error;
}

async function answer(
  folders: Readonly<Record<string, string>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return refuse(response, 405, 'only GET and HEAD');
  }
  const file = fileOf(request.url ?? '/', folders);
  const bytes = file === undefined ? undefined : await readFile(file).catch(() => undefined);
  if (!bytes) return refuse(response, 404, 'not found');
  // Of the content: npm gives the files of all releases one date.
  const etag = `"${createHash('sha256').update(bytes).digest('base64url')}"`;
  response.setHeader('ETag', etag);
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader('Content-Type', TYPES[extname(file!)] ?? 'application/octet-stream');
  response.setHeader('Content-Length', bytes.length);
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

/** The file of a request's path; undefined for a path that no folder has, or that leads out of one. */
function fileOf(target: string, folders: Readonly<Record<string, string>>): string | undefined {
  const path = decoded(target.replace(/[?#].*$/, ''));
  if (path === undefined || !path.startsWith('/') || /[\0\\]/.test(path)) return undefined;
  const [prefix, folder] = Object.entries(folders).find(([key]) => path.startsWith(key)) ?? [];
  if (prefix === undefined || folder === undefined) return undefined;
  const parts = path.slice(prefix.length).split('/');
  if (parts.includes('..')) return undefined;
  return join(folder, ...(parts.at(-1) === '' ? [...parts, 'index.html'] : parts));
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // a stray %
  }
}
