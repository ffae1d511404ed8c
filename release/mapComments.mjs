/**
 * Source maps stay out of the package (2.3 MB, and of use only beside the sources), so that the files in it must not name
 * them: bundlers look for what is named, and warn. `npm pack` takes the comments off before it and puts them back after it:
 *
 *     node release/mapComments.mjs off|on
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const COMMENT = /\n\/\/# sourceMappingURL=.*\s*$/;

/**
 * @param {string} file
 * @param {string} mode
 */
async function change(file, mode) {
  const text = await readFile(file, 'utf8');
  const plain = text.replace(COMMENT, '\n');
  const wanted = mode === 'off' ? plain : `${plain}//# sourceMappingURL=${basename(file)}.map`;
  if (wanted === text) return;
  // In one step: others may run what stands here.
  await writeFile(`${file}.new`, wanted);
  await rename(`${file}.new`, file);
}

const [mode] = process.argv.slice(2);
if (mode !== 'off' && mode !== 'on') throw new Error('usage: node release/mapComments.mjs off|on');
for (const folder of ['src', 'converters', 'configs']) {
  for (const name of await readdir(join(dist, folder), { recursive: true })) {
    const file = join(dist, folder, name);
    if (/\.(js|d\.ts)$/.test(file) && existsSync(`${file}.map`)) await change(file, mode);
  }
}
