import { UserError } from '../../errors.js';
import { type AdapterChoice, adapterChoice } from './adapter.js';
import { findDawn } from './dawn.js';
import { hasVulkanLoader } from './vulkanLoader.js';

/**
 * Throws a UserError if WebGPU cannot be what `auto` takes, as far as files tell: nothing of it is loaded. One that is
 * named is tried all the same: the loader may lie where only the linker looks.
 */
export function requireWebgpuFiles({ device }: AdapterChoice = adapterChoice()): void {
  findDawn();
  if (device !== undefined || process.platform !== 'linux' || hasVulkanLoader()) return;
  throw new UserError('there is no Vulkan loader, libvulkan.so.1 (Debian and Ubuntu: libvulkan1)');
}
