/**
 * Makes dist/vendor, what is of other projects: yargs and the 14 packages that it needs in one file, so that installing
 * deit-tfjs does not bring them (src/cli imports it as `#yargs`, package.json, imports); the binding of
 * @tensorflow/tfjs-node from src/node/native/prebuilt; and their licences. Run by `npm run build`, before tsc; does nothing
 * when it was made of the same files.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { thirdPartyLicenses } from '../browser/licenses.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const outDir = join(root, 'dist/vendor');
const STAMP = join(outDir, '.sha256');

const hash = createHash('sha256');
const BINDING = 'src/node/native/prebuilt/linux-x64.node';
for (const file of ['package-lock.json', 'src/cli/vendor.mjs', BINDING])
  hash.update(await readFile(join(root, file)));
const inputs = hash.digest('hex');
if ((await readFile(STAMP, 'utf8').catch(() => '')) === inputs) process.exit();

const { build } = await import('vite');
const built = await build({
  root,
  configFile: false,
  logLevel: 'warn',
  publicDir: false,
  ssr: { noExternal: true, target: 'node' },
  build: {
    ssr: join(root, 'node_modules/yargs/index.mjs'),
    write: false,
    target: 'node20',
    minify: false,
    rolldownOptions: { output: { codeSplitting: false } },
  },
});
const { output } = /** @type {import('vite').Rolldown.RolldownOutput} */ (built);
if (output.length !== 1) throw new Error(`yargs is ${output.length} files, not one`);
const [{ code, moduleIds, imports }] = output;
const strange = imports.filter((name) => !/^(node:)?(assert|fs|module|path|url|util|process)$/.test(name));
if (strange.length > 0) throw new Error(`yargs is to import nothing but Node's own: ${strange.join(', ')}`);

await rm(outDir, { recursive: true, force: true });
await mkdir(outDir, { recursive: true });
await writeFile(join(outDir, 'yargs.js'), code);
await writeFile(join(outDir, 'yargs.d.ts'), "export * from 'yargs';\nexport { default } from 'yargs';\n");
await copyFile(join(root, BINDING), join(outDir, 'tfjs-binding-linux-x64.node'));
await writeFile(
  join(outDir, 'THIRD_PARTY_LICENSES.txt'),
  thirdPartyLicenses(moduleIds, ['@tensorflow/tfjs-core'], { notices: false }),
);
await writeFile(STAMP, inputs);
