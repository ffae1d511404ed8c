/**
 * A server that behaves as huggingface.co does, for tests: the API that lists files with their hashes, `resolve` that
 * redirects files in LFS to a second host (another port) which knows nothing of tokens, gated and private models, the
 * hub's error codes and CORS headers. Its `faults` and `cdnFaults` do mischief.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface ServedFile {
  readonly bytes: Uint8Array;
  /** Kept in LFS: sent by the second host. By default files of 1000 bytes or more are. */
  readonly lfs?: boolean;
}

export interface ServedRepo {
  readonly files: Readonly<Record<string, ServedFile>>;
  readonly commit: string;
  /** Branches and tags beside `main`, with their commits. */
  readonly revisions?: Readonly<Record<string, string>>;
  readonly gated?: boolean;
  readonly private?: boolean;
}

/** A request that came. */
export interface Seen {
  readonly host: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface HubServer {
  /** Address of the hub. */
  readonly endpoint: string;
  /** Address of the host that files in LFS are redirected to. */
  readonly cdn: string;
  readonly seen: Seen[];
  readonly repos: Record<string, ServedRepo>;
  /** Takes the place of the next answers of the hub, one each. */
  readonly faults: Handler[];
  /** Takes the place of the next answers of the second host, one each. */
  readonly cdnFaults: Handler[];
  /** Whether the API leaves out sizes and hashes, as an old mirror does. */
  bare: boolean;
  close(): Promise<void>;
}

/** A token with access to everything. */
export const GOOD_TOKEN = 'hf_good';
/** A token of an account that has not accepted any conditions. */
export const OTHER_TOKEN = 'hf_other';

export const sha256 = once((bytes) => createHash('sha256').update(bytes).digest('hex'));
export const gitSha1 = once((bytes) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
);

/** Hashes the same array once. */
function once(hash: (bytes: Uint8Array) => string): (bytes: Uint8Array) => string {
  const known = new WeakMap<Uint8Array, string>();
  return (bytes) => {
    if (!known.has(bytes)) known.set(bytes, hash(bytes));
    return known.get(bytes)!;
  };
}

/** Bytes that no two places share. */
export function pattern(length: number, seed = 7919): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * seed + (i >> 8) * 31 + seed) & 255);
}

export async function startHub(repos: Record<string, ServedRepo>): Promise<HubServer> {
  const seen: Seen[] = [];
  const faults: Handler[] = [];
  const cdnFaults: Handler[] = [];
  const blobs = () => Object.values(repos).flatMap(({ files }) => Object.values(files));

  const watch =
    (host: Seen['host'], queue: Handler[], answer: Handler): Handler =>
    (request, response) => {
      seen.push({ host, method: request.method!, path: request.url!, headers: request.headers });
      allowPages(host, response);
      if (request.method === 'OPTIONS') return void response.writeHead(204).end();
      (queue.shift() ?? answer)(request, response);
    };

  const cdnServer = createServer(
    watch('cdn', cdnFaults, (request, response) => {
      const hash = request.url!.slice(1);
      const blob = blobs().find(({ bytes }) => sha256(bytes) === hash);
      if (!blob) return void response.writeHead(404).end();
      sendRange(request, response, blob.bytes, `"cdn-${hash.slice(0, 8)}"`);
    }),
  );
  const cdn = await listen(cdnServer);

  const hub: HubServer = {
    endpoint: '',
    cdn,
    seen,
    repos,
    faults,
    cdnFaults,
    bare: false,
    close: () => Promise.all([stop(server), stop(cdnServer)]).then(() => {}),
  };
  const server = createServer(watch('hub', faults, (request, response) => answerHub(hub, request, response)));
  return Object.assign(hub, { endpoint: await listen(server) });
}

function answerHub(hub: HubServer, request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url!, 'http://hub');
  const api = /^\/api\/models\/([^/]+\/[^/]+)(?:\/revision\/([^/]+))?$/.exec(pathname);
  const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
  const [, name = '', revision = 'main', path = ''] = api ?? file ?? [];
  const repo = hub.repos[name];
  const token = request.headers.authorization?.replace(/^Bearer /, '');
  if (token && ![GOOD_TOKEN, OTHER_TOKEN].includes(token)) {
    return void fail(response, 401, undefined, 'Invalid credentials in Authorization header');
  }
  if (!repo || (repo.private && token !== GOOD_TOKEN)) {
    return void fail(response, token ? 404 : 401, 'RepoNotFound', 'Repository not found');
  }
  const commit = commitOf(repo, decodeURIComponent(revision));
  if (!commit) return void fail(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
  if (api) return void sendListing(hub, name, { ...repo, commit }, response);
  if (repo.gated && token !== GOOD_TOKEN) {
    return void fail(response, token ? 403 : 401, 'GatedRepo', `Access to model ${name} is restricted.`);
  }
  const served = repo.files[decodeURIComponent(path)];
  response.setHeader('x-repo-commit', commit);
  if (!served) return void fail(response, 404, 'EntryNotFound', 'Entry not found');
  sendFile(hub, served, request, response);
}

function commitOf(repo: ServedRepo, revision: string): string | undefined {
  if (revision === 'main' || revision === repo.commit) return repo.commit;
  const named = repo.revisions ?? {};
  return named[revision] ?? Object.values(named).find((commit) => commit === revision);
}

function sendListing(hub: HubServer, id: string, repo: ServedRepo, response: ServerResponse): void {
  const siblings = Object.entries(repo.files).map(([rfilename, served]) => {
    if (hub.bare) return { rfilename };
    const { bytes } = served;
    const size = bytes.length;
    if (!inLfs(served)) return { rfilename, size, blobId: gitSha1(bytes) };
    const lfs = { sha256: sha256(bytes), size, pointerSize: 134 };
    return { rfilename, size, blobId: gitSha1(lfsPointer(bytes)), lfs };
  });
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(
    JSON.stringify({ id, modelId: id, sha: repo.commit, private: false, gated: !!repo.gated, siblings }),
  );
}

function sendFile(
  hub: HubServer,
  served: ServedFile,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { bytes } = served;
  if (!inLfs(served)) {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    return void sendRange(request, response, bytes, `"${gitSha1(bytes)}"`);
  }
  response.setHeader('x-linked-size', bytes.length);
  response.setHeader('x-linked-etag', `"${sha256(bytes)}"`);
  response.writeHead(302, { location: `${hub.cdn}/${sha256(bytes)}` }).end();
}

export function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  etag: string,
): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const start = range && (condition === undefined || condition === etag) ? Number(range[1]) : 0;
  response.setHeader('etag', etag);
  response.setHeader('accept-ranges', 'bytes');
  if (start > 0 && start >= bytes.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  }
  response.setHeader('content-length', bytes.length - start);
  if (start > 0) response.setHeader('content-range', `bytes ${start}-${bytes.length - 1}/${bytes.length}`);
  response.writeHead(start > 0 ? 206 : 200);
  response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start));
}

/** The file that Git has in place of one in LFS. */
export function lfsPointer(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`,
  );
}

const inLfs = ({ bytes, lfs = bytes.length >= 1000 }: ServedFile) => lfs;

function fail(response: ServerResponse, status: number, code: string | undefined, message: string): void {
  if (code) response.setHeader('x-error-code', code);
  response.setHeader('x-error-message', message);
  response.setHeader('content-type', 'application/json');
  response.writeHead(status).end(JSON.stringify({ error: message }));
}

/** As the hub and its hosts of files let pages of other sites read them. */
function allowPages(host: Seen['host'], response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  if (host === 'hub') response.setHeader('access-control-allow-headers', 'authorization');
  response.setHeader(
    'access-control-expose-headers',
    'X-Repo-Commit,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag',
  );
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
