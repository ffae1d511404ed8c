/**
 * The package, as npm packs it, in bundlers and runtimes: each builds and classifies one image. They are those of the
 * folder that DEIT_BUNDLERS names (test/bundlers/setup.mjs makes it); what is not there is skipped, with a word.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { findChromium, HOW_TO_GET_ONE, launchChromium } from '../browser/launch.js';
import { watchErrors } from '../browser/page.js';
import { startServer, type TestServer } from '../browser/server.js';

const folder = process.env.DEIT_BUNDLERS && resolve(process.env.DEIT_BUNDLERS);
const SAMPLES = resolve('test/bundlers/samples');
const MODEL = '/examples/digits/deit_digits_distilled.pth';
const IMAGE = '/examples/digits/val/3/00018.png';
const MINUTES = 60_000;
const IN_A_PAGE = 'in a page';

const run = promisify(execFile);

/** As jest's describe, where the packages are in the folder; where not, the tests are skipped and told of. */
function describeWith(packages: readonly string[], title: string, tests: () => void): void {
  const missing = packages.find((name) => !folder || !existsSync(join(folder, 'node_modules', name)));
  let why: string | undefined;
  if (!folder) why = 'DEIT_BUNDLERS is not set (see test/bundlers/setup.mjs)';
  else if (missing) why = `${missing} is not in ${folder} (see test/bundlers/setup.mjs)`;
  else if (title === IN_A_PAGE && !findChromium()) why = `no Chromium was found; ${HOW_TO_GET_ONE}`;
  if (why !== undefined) process.stderr.write(`bundlers, ${title}: SKIPPED, ${why}\n`);
  if (why === undefined) describe(title, tests);
  else describe.skip(`${title}: SKIPPED, ${why}`, tests);
}

/** A sample and its page, copied to where the packages are. */
async function sample(name: string, entry = 'deit-tfjs', from = name): Promise<string> {
  const to = join(folder!, `app-${name}`);
  await rm(to, { recursive: true, force: true });
  await cp(join(SAMPLES, 'page'), to, { recursive: true });
  if (existsSync(join(SAMPLES, from))) await cp(join(SAMPLES, from), to, { recursive: true });
  const main = await readFile(join(to, 'main.js'), 'utf8');
  await writeFile(join(to, 'main.js'), main.replace("'deit-tfjs'", `'${entry}'`));
  return to;
}

/** As sample, with the page of deit-tfjs/wasm. */
async function wasmSample(name: string): Promise<string> {
  const to = await sample(`${name}-wasm`, 'deit-tfjs', name);
  await cp(join(SAMPLES, 'wasm/main.js'), join(to, 'main.js'));
  return to;
}

/** Bytes of all scripts of a folder, gzipped, and whether there is any other file but the page. */
function scriptsOf(out: string): { gzipped: number; others: string[] } {
  const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name));
  const scripts = files.filter((name) => name.endsWith('.js'));
  const gzipped = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(out, name))).length, 0);
  return { gzipped, others: files.filter((name) => !/\.(js|html)$/.test(name)) };
}

async function build(cwd: string, tool: string, ...args: string[]): Promise<void> {
  const program = join(folder!, 'node_modules/.bin', tool);
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_OPTIONS: '' };
  await run(program, args, { cwd, env, timeout: 5 * MINUTES, killSignal: 'SIGKILL' });
}

describeWith([], IN_A_PAGE, () => {
  let browser: Browser;
  let page: Page;
  let errors: string[];
  let server: TestServer;

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
  });

  /** What the page of a built sample gives: in the page and in a worker, the class or the error. */
  async function classify(
    out: string,
    options: { html?: string; file?: string; load?: object; at?: string } = {},
  ) {
    const { html, file, load = {}, at = 'index.html' } = options;
    if (html) await writeFile(join(out, 'index.html'), html);
    server = await startServer({ folders: { '/app': out }, headers: { 'Access-Control-Allow-Origin': '*' } });
    page = await browser.newPage();
    errors = watchErrors(page);
    try {
      await page.goto(file ?? `${server.url}/app/${at}`);
      await page.waitForFunction(() => 'run' in globalThis);
      return await page.evaluate(
        ([url, image, load]) => {
          const { run } = globalThis as unknown as { run(...args: unknown[]): Promise<(number | string)[]> };
          return run(url, image, load);
        },
        [server.url + MODEL, server.url + IMAGE, load] as const,
      );
    } finally {
      await page.close();
      await server.close();
    }
  }

  const html = (script: string) =>
    `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body>${script}</body>`;
  const MODULE = html('<script type="module" src="main.js"></script>');
  const SCRIPT = html('<script src="main.js"></script>');
  const REMEDY = /assetFolder, or import deit-tfjs\/inline/;

  describeWith(['esbuild'], 'esbuild', () => {
    test.each([
      ['esm', MODULE],
      ['iife', SCRIPT],
    ])(
      '%s: what it leaves behind is said, and found in assetFolder',
      async (format, html) => {
        const app = await sample('esbuild');
        await build(
          app,
          'esbuild',
          'main.js',
          '--bundle',
          '--minify',
          `--format=${format}`,
          '--outdir=out',
          '--log-level=error',
        );
        const out = join(app, 'out');
        for (const told of await classify(out, { html })) {
          expect(told).toMatch(/^UserError: /);
          expect(told).toMatch(REMEDY);
        }
        expect(await classify(out, { html, load: { assetFolder: '/lib' } })).toEqual([3, 3]);
      },
      3 * MINUTES,
    );

    test(
      'deit-tfjs/wasm: one script, nothing beside it, without tfjs, from a file: page too',
      async () => {
        const app = await wasmSample('esbuild');
        const out = join(app, 'out');
        const options = ['--bundle', '--minify', '--format=iife', '--outdir=out', '--log-level=error'];
        await build(app, 'esbuild', 'main.js', ...options);
        expect(await classify(out, { html: SCRIPT })).toEqual([3]);
        expect(errors).toEqual([]);
        expect(await classify(out, { file: pathToFileURL(join(out, 'index.html')).href })).toEqual([3]);
        const { gzipped, others } = scriptsOf(out);
        expect(others).toEqual([]);
        expect(gzipped).toBeLessThan(200_000); // with all that is on demand elsewhere: readers, hub, builds
      },
      3 * MINUTES,
    );

    test(
      'deit-tfjs/wasm in one script: a service worker',
      async () => {
        const app = await wasmSample('esbuild-service');
        const main = join(app, 'main.js');
        const answer = `
          addEventListener('activate', (event) => event.waitUntil(clients.claim()));
          addEventListener('message', ({ source, data }) =>
            globalThis.run(...data).then(
              (value) => source.postMessage(value), (error) => source.postMessage([String(error)])));`;
        await writeFile(main, `${await readFile(main, 'utf8')}\n${answer}`);
        await build(app, 'esbuild', 'main.js', '--bundle', '--minify', '--outdir=out', '--log-level=error');
        const page = html(`<script>
          globalThis.run = async (...data) => {
            await navigator.serviceWorker.register('main.js');
            const { active } = await navigator.serviceWorker.ready;
            const answer = new Promise((done) => {
              navigator.serviceWorker.onmessage = (event) => done(event.data);
            });
            active.postMessage(data);
            return answer;
          };</script>`);
        expect(await classify(join(app, 'out'), { html: page })).toEqual([3]);
      },
      3 * MINUTES,
    );

    test(
      'deit-tfjs/inline: one script, nothing beside it, from a file: page',
      async () => {
        const app = await sample('esbuild-inline', 'deit-tfjs/inline');
        await build(
          app,
          'esbuild',
          'main.js',
          '--bundle',
          '--minify',
          '--format=iife',
          '--outdir=out',
          '--log-level=error',
        );
        const out = join(app, 'out');
        expect(readdirSync(out)).toEqual(['main.js']);
        expect(await classify(out, { html: SCRIPT })).toEqual([3, 3]);
        expect(errors).toEqual([]);
        const file = pathToFileURL(join(out, 'index.html')).href;
        expect(await classify(out, { file })).toEqual([3, 3]);
      },
      3 * MINUTES,
    );
  });

  describeWith(['rollup', '@rollup/plugin-commonjs', '@rollup/plugin-node-resolve'], 'Rollup', () => {
    test(
      'what it leaves behind is said, and found in assetFolder',
      async () => {
        const app = await sample('rollup');
        await build(app, 'rollup', '-c', '--silent');
        const out = join(app, 'out');
        for (const told of await classify(out, { html: MODULE })) expect(told).toMatch(REMEDY);
        expect(await classify(out, { html: MODULE, load: { assetFolder: '/lib' } })).toEqual([3, 3]);
      },
      6 * MINUTES,
    );

    test(
      'deit-tfjs/wasm: nothing is left behind',
      async () => {
        const app = await wasmSample('rollup');
        await build(app, 'rollup', '-c', '--silent');
        expect(await classify(join(app, 'out'), { html: MODULE })).toEqual([3]);
        expect(errors).toEqual([]);
      },
      6 * MINUTES,
    );
  });

  describeWith(['webpack', 'webpack-cli'], 'webpack', () => {
    test(
      'the WASM files and the worker come along',
      async () => {
        const app = await sample('webpack');
        await build(app, 'webpack');
        expect(await classify(join(app, 'out'), { html: SCRIPT })).toEqual([3, 3]);
        expect(errors).toEqual([]);
      },
      6 * MINUTES,
    );

    test(
      'deit-tfjs/wasm: scripts alone',
      async () => {
        const app = await wasmSample('webpack');
        await build(app, 'webpack');
        expect(await classify(join(app, 'out'), { html: SCRIPT })).toEqual([3]);
        expect(errors).toEqual([]);
        expect(scriptsOf(join(app, 'out')).others).toEqual([]);
      },
      6 * MINUTES,
    );
  });

  describeWith(['vite'], 'Vite', () => {
    test.each(['deit-tfjs', 'deit-tfjs/inline'])(
      '%s: all that is needed comes along',
      async (entry) => {
        const app = await sample('vite', entry);
        await build(app, 'vite', 'build', '--base', './', '--outDir', 'out', '--logLevel', 'error');
        expect(await classify(join(app, 'out'))).toEqual([3, 3]);
        expect(errors).toEqual([]);
      },
      6 * MINUTES,
    );

    test(
      'deit-tfjs/wasm: scripts alone',
      async () => {
        const app = await wasmSample('vite');
        await build(app, 'vite', 'build', '--base', './', '--outDir', 'out', '--logLevel', 'error');
        expect(await classify(join(app, 'out'))).toEqual([3]);
        expect(errors).toEqual([]);
        expect(scriptsOf(join(app, 'out')).others).toEqual([]);
      },
      6 * MINUTES,
    );
  });

  describeWith(['next', 'react', 'react-dom'], 'Next.js', () => {
    test(
      'client components build, are prerendered, and classify',
      async () => {
        const app = await sample('next');
        await build(app, 'next', 'build');
        expect(existsSync(join(app, 'out/plain.html'))).toBe(true);
        expect(await classify(join(app, 'out'))).toEqual([3, 3]);
        expect(errors).toEqual([]);
      },
      6 * MINUTES,
    );
  });
});

/** The program of a runtime, which its package brings for this platform alone. */
function binary(scope: string, ...path: string[]): string {
  const packages = join(folder!, 'node_modules', scope);
  return join(packages, readdirSync(packages)[0]!, ...path);
}

/** Runs a script of the package, or the sample, in a runtime. */
async function inRuntime(program: string, args: string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, NODE_OPTIONS: '', DENO_NO_UPDATE_CHECK: '1' };
  return run(program, args, { cwd: join(folder!, 'app-runtime'), env, timeout: 2 * MINUTES });
}

const RUNTIMES: [name: string, packages: string[], program: () => string, flags: string[]][] = [
  ['Node', [], () => process.execPath, []],
  ['Deno', ['deno'], () => binary('@deno', 'deno'), ['run', '-A']],
  ['Bun', ['bun'], () => binary('@oven', 'bin/bun'), []],
];

for (const [name, packages, program, flags] of RUNTIMES) {
  describeWith(packages, name, () => {
    beforeAll(async () => {
      await sample('runtime');
    });

    test(
      'classifies an image',
      async () => {
        const [model, image] = [resolve(`.${MODEL}`), resolve(`.${IMAGE}`)];
        const { stdout } = await inRuntime(program(), [...flags, 'classify.mjs', model, image]);
        expect(stdout).toMatch(/^wasm: own (kernels, SIMD|engine, \d+-bit SIMD).*\n3\n$/);
      },
      3 * MINUTES,
    );

    test(
      'classifies an image by deit-tfjs/wasm, with nothing of Node',
      async () => {
        const [model, image] = [resolve(`.${MODEL}`), resolve(`.${IMAGE}`)];
        const { stdout } = await inRuntime(program(), [...flags, 'classifyWasm.mjs', model, image]);
        expect(stdout).toMatch(/^wasm: own engine, \d+-bit SIMD.*\n3\n$/);
      },
      3 * MINUTES,
    );

    test.each(['0', '2'])(
      'deit eval --workers %s ends, with the accuracy',
      async (workers) => {
        const cli = join(folder!, 'node_modules/deit-tfjs/dist/src/cli/deit.js');
        const args = [
          cli,
          'eval',
          resolve(`.${MODEL}`),
          resolve('examples/digits/val'),
          '--workers',
          workers,
          '--json',
        ];
        const { stdout } = await inRuntime(program(), [...flags, ...args]);
        expect(JSON.parse(stdout)).toMatchObject({ images: 400, top1: expect.closeTo(99.25, 5), failed: 0 });
      },
      3 * MINUTES,
    );
  });
}
