/** What release/check.mjs lets through. */
import { expect, test } from '@jest/globals';

const script = '../../../release/check.mjs';
interface State {
  version: string;
  lockVersion: string;
  changelog: string;
  changed: string;
  tag?: string;
}
const { changelogSection, faultsOf } = (await import(script)) as {
  changelogSection: (changelog: string, version: string) => string | undefined;
  faultsOf: (state: State) => string[];
};

const changelog = `# Changelog

## Unreleased

## 1.2.0, 2026-11-26

- Faster.
- Smaller.

## 1.2.0-rc.1, 2026-11-20

- First.
`;
const state: State = { version: '1.2.0', lockVersion: '1.2.0', changelog, changed: '', tag: 'v1.2.0' };

test('a version’s section is its own alone', () => {
  expect(changelogSection(changelog, '1.2.0')).toBe('- Faster.\n- Smaller.');
  expect(changelogSection(changelog, '1.2.0-rc.1')).toBe('- First.');
  expect(changelogSection(changelog, '1.2')).toBeUndefined();
});

test('what is in order is released', () => {
  expect(faultsOf(state)).toEqual([]);
  expect(faultsOf({ ...state, tag: undefined })).toEqual([]);
});

test.each<[string, Partial<State>, RegExp]>([
  ['a change that is not committed', { changed: ' M src/index.ts\n' }, /not committed:\n M src\/index\.ts/],
  ['a tag of another version', { tag: 'v1.2.1' }, /the tag is v1\.2\.1, expected v1\.2\.0/],
  ['a lock file that was not made anew', { lockVersion: '1.1.0' }, /package-lock\.json has version 1\.1\.0/],
  [
    'a version without a section',
    { version: '1.3.0', lockVersion: '1.3.0', tag: 'v1.3.0' },
    /nothing under "## 1\.3\.0"/,
  ],
  [
    'an empty section',
    { changelog: '## 1.2.0, 2026-11-26\n\n## 1.1.0\n\n- a\n' },
    /nothing under "## 1\.2\.0"/,
  ],
  [
    'changes that are under no version',
    { changelog: `## Unreleased\n\n- New.\n\n${changelog}` },
    /still has changes/,
  ],
  [
    'a version that is none',
    { version: 'next', lockVersion: 'next', tag: 'vnext' },
    /version next is no x\.y\.z/,
  ],
])('not released: %s', (_, change, message) => {
  expect(faultsOf({ ...state, ...change }).join('\n')).toMatch(message);
});
