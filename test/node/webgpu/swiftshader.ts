/** What the tests of WebGPU in Node run on: Dawn with SwiftShader, a Vulkan driver that computes on the CPU. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe } from '@jest/globals';

/** SwiftShader and a Vulkan loader both come with Debian's chromium. */
const CHROMIUM = '/usr/lib/chromium';
const ICD = join(CHROMIUM, 'vk_swiftshader_icd.json');

const hasDriver = existsSync(ICD) && existsSync(join(CHROMIUM, 'libvulkan.so.1'));
const hasPackage = isInstalled();
if (!hasDriver || !hasPackage) {
  const lacking = hasPackage ? 'SwiftShader (Debian’s chromium) is' : 'the package webgpu is';
  console.warn(`${lacking} not installed: the tests of WebGPU in Node are skipped`);
}

function isInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve('webgpu');
    return true;
  } catch {
    return false;
  }
}

/** Tests that are skipped where SwiftShader or the package webgpu is missing. */
export function describeOnSwiftShader(name: string, tests: () => void): void {
  (hasDriver && hasPackage ? describe : describe.skip)(name, tests);
}

const SWIFTSHADER = { VK_DRIVER_FILES: ICD, LD_LIBRARY_PATH: CHROMIUM, DEIT_WEBGPU_DEVICE: '' };

export interface Run {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** How long it may take, in ms. */
  readonly timeout?: number;
}

/** Runs node on SwiftShader to its own end: one that hangs is killed and fails. */
export function node(args: readonly string[], run: Run = {}) {
  const { status, signal, stdout, stderr } = attemptNode(args, run);
  if (status !== 0) throw new Error(`exit code ${status}, signal ${signal}: ${stderr}`);
  return { stdout, stderr };
}

/** The same, whatever its exit code. */
export function attemptNode(args: readonly string[], { env, cwd, timeout = 100_000 }: Run = {}) {
  return spawnSync(process.execPath, [...args], {
    env: { ...process.env, ...SWIFTSHADER, ...env },
    cwd,
    encoding: 'utf8',
    timeout,
  });
}
