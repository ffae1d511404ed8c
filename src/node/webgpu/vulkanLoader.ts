import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LOADER = 'libvulkan.so.1';
const FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];

/**
 * Whether Linux' dynamic linker finds the Vulkan loader, by the places where it looks. Dawn prints lines of its own if it
 * is not there.
 */
export function hasVulkanLoader(
  env: NodeJS.ProcessEnv = process.env,
  cacheFile = '/etc/ld.so.cache',
  folders: readonly string[] = FOLDERS,
): boolean {
  const searched = [...(env.LD_LIBRARY_PATH ?? '').split(/[:;]/).filter(Boolean), ...folders];
  return searched.some((folder) => existsSync(join(folder, LOADER))) || isCached(cacheFile);
}

function isCached(cacheFile: string): boolean {
  try {
    return readFileSync(cacheFile).includes(LOADER);
  } catch {
    return false;
  }
}
