/**
 * Makes linux-x64.node, the binding of @tensorflow/tfjs-node that `deit setup-native` installs where no compiler is needed,
 * and linux-x64.json, which says of what it was made:
 *
 *     npm run build && CXX=c++ DEIT_NATIVE_DIR=FOLDER node dist/src/cli/deit.js setup-native
 *     node src/node/native/prebuilt/build.mjs FOLDER
 *
 * It calls TensorFlow's C interface and Node-API alone: one binary serves every Node, and was tried with TensorFlow 2.15.1 and
 * 2.18.1.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileBinding } from '../../../../dist/src/node/native/setup/binding.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const [folder] = process.argv.slice(2);
if (!folder) throw new Error('say which folder setup-native filled: node build.mjs FOLDER');
const modules = resolve(folder, 'node_modules');
const tfjsNode = join(modules, '@tensorflow', 'tfjs-node');
const output = join(here, 'linux-x64.node');
await compileBinding(
  [process.env.CXX ?? 'c++'],
  tfjsNode,
  join(modules, 'node-api-headers', 'include'),
  { cwd: tfjsNode },
  { output, sources: [join(here, 'portable.cc')], flags: ['-s'] },
);
const sources = {};
for (const name of (await readdir(join(tfjsNode, 'binding'))).sort()) {
  sources[name] = createHash('sha256')
    .update(await readFile(join(tfjsNode, 'binding', name)))
    .digest('hex');
}
const { version } = JSON.parse(await readFile(join(tfjsNode, 'package.json'), 'utf8'));
const { tensorflow } = JSON.parse(await readFile(join(folder, 'native.json'), 'utf8'));
const binding = createHash('sha256')
  .update(await readFile(output))
  .digest('hex');
const facts = { tfjsNode: version, tensorflow, binding, sources };
await writeFile(join(here, 'linux-x64.json'), `${JSON.stringify(facts, null, 2)}\n`);
