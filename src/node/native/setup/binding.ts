import { copyFile, readdir, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../../errors.js';
import { makeFolder } from '../../makeFolder.js';
import { type CommandOptions, type ProgramCall, run } from './commands.js';
import { extract, withWheel } from './wheels.js';

/** N-API level of the binding: what it is compiled for runs in Node 12.22 and everything later. */
const NAPI_VERSION = 8;

/** Names by which the binding asks for TensorFlow's two libraries, and what the wheel calls them. */
const LIBRARIES = {
  'libtensorflow.so': 'libtensorflow_cc.so.2',
  'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
};

/** Headers that the binding includes, and those that these include. */
const HEADERS = /^tensorflow\/include\/(((tensorflow|tsl)\/(c|core\/platform|platform)|xla\/tsl\/c)\/.*\.h)$/;

/** Takes TensorFlow's C library and its headers out of the wheel, to where the binding looks for them. */
export async function extractTensorflow(wheel: string, tfjsNode: string): Promise<void> {
  const lib = join(tfjsNode, 'deps', 'lib');
  await withWheel(wheel, async (files) => {
    for (const name of Object.values(LIBRARIES)) {
      const entry = files.get(`tensorflow/${name}`);
      if (!entry) throw new UserError(`${basename(wheel)}: has no ${name}; another release of TensorFlow?`);
      await extract(entry, join(lib, name));
    }
    for (const entry of files.values()) {
      const [, header] = HEADERS.exec(entry.name) ?? [];
      if (header) await extract(entry, join(tfjsNode, 'deps', 'include', header));
    }
  });
  for (const [link, target] of Object.entries(LIBRARIES)) await symlink(target, join(lib, link));
}

/** Takes NVIDIA's libraries out of a wheel, to where TensorFlow's library looks first: beside itself. */
export async function extractCuda(wheel: string, tfjsNode: string): Promise<void> {
  await withWheel(wheel, async (files) => {
    for (const entry of files.values()) {
      if (/^nvidia\/\w+\/lib\/[^/]+\.so\.[\d.]+$/.test(entry.name)) {
        await extract(entry, join(tfjsNode, 'deps', 'lib', basename(entry.name)));
      }
    }
  });
}

/** Where the binding is looked for, in tfjs-node's folder. */
const BINDING = join('lib', `napi-v${NAPI_VERSION}`, 'tfjs_binding.node');

/** Puts the binding that comes with this package in its place (src/node/native/prebuilt/build.mjs makes it). */
export async function copyBinding(platform: string, tfjsNode: string): Promise<void> {
  const target = join(tfjsNode, BINDING);
  await makeFolder(dirname(target));
  const shipped = new URL(`../../../../vendor/tfjs-binding-${platform}.node`, import.meta.url);
  await copyFile(fileURLToPath(shipped), target);
}

/** How a binding is compiled that is not for this machine alone. */
export interface BindingBuild {
  /** File to write, in place of the one that tfjs-node looks for. */
  readonly output?: string;
  readonly sources?: readonly string[];
  readonly flags?: readonly string[];
}

/**
 * Compiles the binding, as tfjs-node's binding.gyp says, but by the compiler itself: node-gyp would need make, Python
 * and a download of Node's headers for the same two files. The headers are those of the node-api-headers package.
 */
export async function compileBinding(
  compiler: ProgramCall,
  tfjsNode: string,
  nodeApiHeaders: string,
  options: CommandOptions,
  { output = join(tfjsNode, BINDING), sources: more = [], flags = [] }: BindingBuild = {},
): Promise<void> {
  await makeFolder(dirname(output));
  const includes = [nodeApiHeaders, 'deps/include', '.'].map((path) => `-I${path}`);
  const sources = ['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc', ...more];
  const mode = ['-std=c++17', '-O2', '-w', '-shared', '-fPIC', `-DNAPI_VERSION=${NAPI_VERSION}`, ...flags];
  const libraries = ['-Ldeps/lib', ...(await cudaLinks(tfjsNode)), '-ltensorflow', '-ltensorflow_framework'];
  const runpath = '-Wl,-rpath,$ORIGIN/../../deps/lib';
  await run(compiler, [...mode, ...includes, ...sources, '-o', output, ...libraries, runpath], {
    ...options,
    cwd: tfjsNode,
  });
}

/**
 * NVIDIA's libraries as libraries of the binding itself: they look for each other in the folders of their wheels, but
 * what is loaded already is found by its name.
 */
async function cudaLinks(tfjsNode: string): Promise<string[]> {
  const names = await readdir(join(tfjsNode, 'deps', 'lib'));
  const wanted = /^lib(cudart|cublasLt|cublas|nvJitLink|cusparse|cusolver|cufft|curand|cudnn|nccl)\.so\./;
  const found = names.filter((name) => wanted.test(name));
  return found.length === 0 ? [] : ['-Wl,--no-as-needed', ...found.map((name) => `-l:${name}`)];
}
