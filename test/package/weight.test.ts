/** What `npm install deit-tfjs` brings. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly peer?: boolean;
}

test('not one package more comes with it than docs/dependencies.md says', () => {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const always = Object.entries(packages).filter(
    ([path, { dev, devOptional, optional, peer }]) =>
      path !== '' && !(dev || devOptional || optional || peer),
  );
  // deit-tfjs itself, and of sharp's builds the two of the machine's own kind.
  const said = /^\| now \| (\d+) \|/m.exec(readFileSync('docs/dependencies.md', 'utf8'));
  expect(always.length + 1 + 2).toBe(Number(said?.[1]));
});

test('yargs stands in a file of its own, which imports nothing but Node’s modules, with its licences', () => {
  const code = readFileSync('dist/vendor/yargs.js', 'utf8');
  const imported = [...code.matchAll(/^import .* from "([^"]+)";$/gm)].map(([, name]) => name);
  expect(imported).not.toHaveLength(0);
  for (const name of imported) expect(name).toMatch(/^(node:)?(assert|fs|module|path|url|util|process)$/);
  const licenses = readFileSync('dist/vendor/THIRD_PARTY_LICENSES.txt', 'utf8');
  for (const name of ['yargs', 'yargs-parser', 'cliui', 'y18n', 'escalade', 'string-width']) {
    expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\((MIT|ISC)\\)`, 'm'));
  }
});
