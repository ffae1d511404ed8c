import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { hasVulkanLoader } from '../../../src/node/webgpu/vulkanLoader.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-vulkan-'));
  await writeFile(join(folder, 'libvulkan.so.1'), '');
  await writeFile(
    join(folder, 'with.cache'),
    Buffer.from('ld.so\0\x01\xfflibvulkan.so.1\0libz.so.1\0', 'latin1'),
  );
  await writeFile(join(folder, 'without.cache'), 'libz.so.1\0libvulkan.so.2\0');
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  ['in the linker’s cache', {}, 'with.cache', [], true],
  ['in a folder of LD_LIBRARY_PATH', { LD_LIBRARY_PATH: '/none:FOLDER' }, 'without.cache', [], true],
  ['in one of the system’s folders', {}, 'none.cache', ['FOLDER'], true],
  ['nowhere', { LD_LIBRARY_PATH: '/none' }, 'without.cache', ['/none'], false],
  ['nowhere, and no cache', {}, 'none.cache', [], false],
])('the Vulkan loader %s', (_, env, cache, folders, found) => {
  const here = (text: string) => text.replace('FOLDER', folder);
  const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, here(value)]));
  expect(hasVulkanLoader(variables, join(folder, cache), folders.map(here))).toBe(found);
});
