/** Links between the documents, and from them into the repository. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from '@jest/globals';

const documents = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
  'bench/RESULTS.md',
];

const withoutCode = (text: string) => text.replace(/^```[\s\S]*?^```/gm, '');

/** The fragments that the headings of a document have, as GitHub makes them. */
function fragmentsOf(path: string): string[] {
  const headings = withoutCode(readFileSync(path, 'utf8')).matchAll(/^#{1,6} +(.+?) *$/gm);
  return [...headings].map(([, title]) =>
    title!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Links of a text that lead nowhere, as seen from a document. */
function brokenLinks(document: string, text: string): string[] {
  const broken: string[] = [];
  for (const [, href] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/i.test(href!)) continue;
    const [path, fragment] = href!.split('#');
    const target = path === '' ? document : relative('.', resolve(dirname(document), path!));
    if (!existsSync(target)) broken.push(`${href}: no such file`);
    else if (fragment && !fragmentsOf(target).includes(fragment)) broken.push(`${href}: no such heading`);
  }
  return broken;
}

test('a link that leads nowhere is seen', () => {
  const text = '[a](docs/none.md) [b](docs/gpu.md#none) [c](src) [d](https://example.com) [e](#the-api)';
  expect(brokenLinks('README.md', text)).toEqual([
    'docs/none.md: no such file',
    'docs/gpu.md#none: no such heading',
  ]);
});

test.each(documents)('%s: every link leads somewhere', (document) => {
  expect(brokenLinks(document, readFileSync(document, 'utf8'))).toEqual([]);
});

test('the docs name no command that there is not', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  for (const document of documents) {
    for (const [, name] of readFileSync(document, 'utf8').matchAll(/npm run ([\w:]+)/g)) {
      expect({ document, name, exists: name! in scripts }).toEqual({ document, name, exists: true });
    }
  }
});

test('docs/architecture.md names no file that there is not', () => {
  const files = ['src', 'converters', 'configs', 'test'].flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((path) => join(folder, String(path))),
  );
  const text = readFileSync('docs/architecture.md', 'utf8');
  const named = [...text.matchAll(/[\w./-]+\.ts\b/g)].map(([name]) => name.replace(/^\.\.\//, ''));
  expect(named.length).toBeGreaterThan(40);
  const missing = named.filter(
    (name) => !/FORMAT|NAME/.test(name) && !files.some((file) => `/${file}`.endsWith(`/${name}`)),
  );
  expect(missing).toEqual([]);
});
