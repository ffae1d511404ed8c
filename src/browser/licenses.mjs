/** The licences of what a bundle holds of other packages, in one text that lies beside it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const LINE = `\n${'='.repeat(115)}\n`;

/** Code of packages that no module path names, since a build step has copied it. */
const NOTICES = fileURLToPath(new URL('./notices.txt', import.meta.url));

/**
 * The text for a bundle of these modules. Packages of one licence text share it.
 *
 * @param moduleIds paths of the modules, as the bundler has them
 * @param others names of packages of which files are copied beside the bundle
 * @param {{ notices?: boolean }} [options] whether the bundle holds code of notices.txt
 * @throws Error if a package's licence cannot be found, so that none is left out
 */
export function thirdPartyLicenses(moduleIds, others, { notices = true } = {}) {
  const folders = new Set(moduleIds.map(packageFolder).filter(Boolean));
  for (const name of others) folders.add(join(root, 'node_modules', name));
  const byText = new Map();
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const text = licenseText(folder, license);
    if (text === undefined)
      throw new Error(`${name} ${version} (${license}): no text of its licence is found`);
    byText.set(text, [
      ...(byText.get(text) ?? []),
      `${name} ${version} (${license.replace(/^\((.*)\)$/, '$1')})`,
    ]);
  }
  const parts = [...byText].map(([text, names]) => `${names.join('\n')}\n\n${text.trim()}\n`);
  const head = 'These files hold code of the following packages and projects, under their licences.\n';
  return [head, ...parts, ...(notices ? [readFileSync(NOTICES, 'utf8')] : [])].join(LINE);
}

/** The folder of the package that a module belongs to, or undefined for the project's own. */
function packageFolder(id) {
  const path = id.replace(/^\0/, '').replaceAll('\\', '/');
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0];
}

/** The package's own text; that of Apache-2.0 is the same everywhere; some keep it in their README. */
function licenseText(folder, license) {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8');
  if (/\bApache-2\.0\b/.test(license)) return readFileSync(join(root, 'LICENSE'), 'utf8');
  const readme = join(folder, 'README.md');
  const section = existsSync(readme) && /\n#*\s*LICENSE[\s\S]*$/i.exec(readFileSync(readme, 'utf8'))?.[0];
  return section && /copyright/i.test(section) ? section : undefined;
}
