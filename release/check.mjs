/**
 * Whether this checkout can be released, and the release's notes:
 *
 *     node release/check.mjs [TAG]
 *
 * Nothing may be uncommitted, package.json and package-lock.json have one version, TAG (if it is given) is `v` and this
 * version, and CHANGELOG.md says under it what has changed, and no more under "Unreleased". .github/workflows/release.yml
 * runs it before it publishes. Prints the section of CHANGELOG.md; what is wrong goes to stderr, and the exit code is 1.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The text below a version's heading, or undefined if it has none.
 *
 * @param {string} changelog
 * @param {string} version
 */
export function changelogSection(changelog, version) {
  const sections = changelog.split(/^## /m).slice(1);
  const own = sections.find((section) => section.split(/[\s,]/)[0] === version);
  return own?.slice(own.indexOf('\n')).trim();
}

/**
 * What stands against a release, a line each.
 *
 * @param {{ version: string, lockVersion: string, changelog: string, changed: string, tag?: string }} state
 */
export function faultsOf({ version, lockVersion, changelog, changed, tag }) {
  const faults = [];
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) faults.push(`package.json: version ${version} is no x.y.z`);
  if (lockVersion !== version)
    faults.push(`package-lock.json has version ${lockVersion}, package.json ${version}`);
  if (tag !== undefined && tag !== `v${version}`) faults.push(`the tag is ${tag}, expected v${version}`);
  if (changed.trim() !== '') faults.push(`not committed:\n${changed.trimEnd()}`);
  if (!changelogSection(changelog, version)) faults.push(`CHANGELOG.md says nothing under "## ${version}"`);
  if (changelogSection(changelog, 'Unreleased'))
    faults.push(`CHANGELOG.md still has changes under "## Unreleased": move them to "## ${version}"`);
  return faults;
}

function main() {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const read = (/** @type {string} */ name) => readFileSync(`${root}${name}`, 'utf8');
  const { version } = JSON.parse(read('package.json'));
  const changelog = read('CHANGELOG.md');
  const faults = faultsOf({
    version,
    changelog,
    lockVersion: JSON.parse(read('package-lock.json')).version,
    changed: execFileSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' }),
    tag: process.argv[2],
  });
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
  else console.log(changelogSection(changelog, version));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
