/** `deit web`: the page's server, as a user runs it, and that the package holds what it serves. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type StaticServer, serveFolders } from '../../src/node/web/staticServer.js';

const run = promisify(execFile);
const CLI = 'dist/src/cli/deit.js';

let folder: string;
let server: StaticServer;

beforeAll(async () => {
  await run('npm', ['run', 'web:bundle']);
  folder = await mkdtemp(join(tmpdir(), 'deit-web-'));
  await mkdir(join(folder, 'root/inner'), { recursive: true });
  await mkdir(join(folder, 'lib'));
  await writeFile(join(folder, 'secret.txt'), 'secret');
  await writeFile(join(folder, 'root/index.html'), '<p>page');
  await writeFile(join(folder, 'root/a b.js'), 'x');
  await writeFile(join(folder, 'lib/m.wasm'), new Uint8Array(70_000));
  server = await serveFolders({ '/lib/': join(folder, 'lib'), '/': join(folder, 'root') }, 0);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

test('files come with their types, lengths and the headers of an isolated page', async () => {
  const page = await fetch(server.url);
  expect(await page.text()).toBe('<p>page');
  expect(page.headers.get('Content-Type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('Cross-Origin-Opener-Policy')).toBe('same-origin');
  expect(page.headers.get('Cross-Origin-Embedder-Policy')).toBe('require-corp');
  const wasm = await fetch(`${server.url}lib/m.wasm?x=1`);
  expect((await wasm.arrayBuffer()).byteLength).toBe(70_000);
  expect(wasm.headers.get('Content-Type')).toBe('application/wasm');
  const script = await fetch(`${server.url}a%20b.js`, { method: 'HEAD' });
  expect([script.status, script.headers.get('Content-Length')]).toEqual([200, '1']);
  const again = await fetch(`${server.url}a%20b.js`, {
    headers: { 'If-None-Match': script.headers.get('ETag')! },
  });
  expect(again.status).toBe(304);
  // npm gives all files one date: another content of the same length is another file.
  const date = new Date('1985-10-26T08:15:00Z');
  const tags: (string | null)[] = [];
  for (const content of ['1', '2']) {
    await writeFile(join(folder, 'root/release.js'), content);
    await utimes(join(folder, 'root/release.js'), date, date);
    tags.push((await fetch(`${server.url}release.js`)).headers.get('ETag'));
  }
  expect(tags[0]).not.toBe(tags[1]);
  expect((await fetch(server.url, { method: 'POST', body: 'x' })).status).toBe(405);
});

/** The status of a path as it is, which fetch would make clean. */
function statusOf(path: string): Promise<string> {
  const { port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`),
    );
    socket.once('data', (bytes) => {
      resolve(String(bytes).slice(9, 12));
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

test.each([
  '/../secret.txt',
  '/%2e%2e/secret.txt',
  '/..%2fsecret.txt',
  '/inner/../../secret.txt',
  '/lib/../../secret.txt',
  '/..\\secret.txt',
  '/..%5csecret.txt',
  '/inner',
  '/inner/',
  '/nothing',
  '/%',
  '/a%00.js',
  'http://x/index.html',
])('%s is not found', async (path) => {
  expect(await statusOf(path)).toBe('404');
});

/** Starts `deit web` and waits for its first line. */
async function start(
  ...args: string[]
): Promise<{ child: ChildProcess; url: string; ended: Promise<number | null> }> {
  const child = spawn(process.execPath, [CLI, 'web', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve) =>
    child.stdout!.once('data', (text) => resolve(String(text).trim())),
  );
  return { child, url, ended };
}

test('deit web serves the page and the library until it is interrupted', async () => {
  const { child, url, ended } = await start('--port', '0');
  try {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const html = await (await fetch(url)).text();
    expect(html).toMatch(/<title>deit-tfjs/);
    const [, script] = /src="\.\/(assets\/[^"]+\.js)"/.exec(html)!;
    for (const path of [script!, 'lib/deit-tfjs.js', 'lib/tfjs-backend-wasm-simd.wasm']) {
      expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
    }
  } finally {
    child.kill('SIGINT');
  }
  expect(await ended).toBe(0);
});

test('a port that is taken, and one that is none, are said', async () => {
  const taken = await new Promise<Server>((resolve) => {
    const made = createServer().listen(0, '127.0.0.1', () => resolve(made));
  });
  const { port } = taken.address() as { port: number };
  const failed = (...args: string[]) =>
    run(process.execPath, [CLI, 'web', ...args]).then(
      () => undefined,
      ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
    );
  expect(await failed('--port', String(port))).toEqual({
    code: 1,
    stderr: `deit: port ${port} is taken by another program; --port 0 takes a free one\n`,
  });
  taken.close();
  expect(await failed('--port', '70000')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--port must be a whole number from 0 to 65535, got 70000/),
  });
});

test('npm packs the page, once, with a command of the package’s own name for npx', async () => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    maxBuffer: 2 ** 26,
  });
  const [{ files, name }] = JSON.parse(stdout) as [{ name: string; files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const pattern of [
    /^web\/dist\/index\.html$/,
    /^web\/dist\/assets\/index-.*\.js$/,
    /\.pth$/,
    /^dist\/browser\/core\.js$/,
  ]) {
    expect([pattern, paths.some((path) => pattern.test(path))]).toEqual([pattern, true]);
  }
  expect(paths).toContain('web/dist/THIRD_PARTY_LICENSES.txt');
  expect(paths.filter((path) => path.startsWith('web/dist/lib/'))).toEqual([]);
  const { bin } = JSON.parse(String((await run('npm', ['pkg', 'get', '--json'])).stdout)) as { bin: object };
  expect(Object.keys(bin)).toContain(name);
});
