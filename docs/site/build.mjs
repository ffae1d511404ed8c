/**
 * Makes dist/site out of README.md, docs/*.md and the doc comments, by TypeDoc, and checks that each link within it leads
 * to a page and a heading that is there:
 *
 *     npm run docs
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const site = resolve(here, '../../dist/site');

const { status } = spawnSync(
  process.execPath,
  [join(here, 'node_modules/typedoc/bin/typedoc'), '--options', join(here, 'typedoc.json')],
  { cwd: here, stdio: 'inherit' },
);
if (status !== 0) process.exit(status ?? 1);

const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.html'),
);
/**
 * A folder of the repository has no page here: what was a link to it is its text. That it is there at all is seen to by
 * test/package/docs.test.ts.
 */
const TO_FOLDER = /<a href="((?:\.\.\/)*media\/[^"#]+)"[^>]*>(.*?)<\/a>/gs;
for (const page of pages) {
  const path = join(site, page);
  const text = readFileSync(path, 'utf8');
  const without = text.replace(TO_FOLDER, (link, href, label) =>
    existsSync(resolve(dirname(path), decodeURIComponent(href))) ? link : label,
  );
  if (without !== text) writeFileSync(path, without);
}
const idsOf = new Map();
for (const page of pages) {
  const text = readFileSync(join(site, page), 'utf8');
  idsOf.set(join(site, page), new Set([...text.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id)));
}

/** What is wrong with a link on a page, or undefined. */
function faultOf(page, href) {
  if (/^[a-z]+:/i.test(href)) return undefined; // of other sites
  const [path, fragment] = href.split('#');
  const target =
    path === '' ? join(site, page) : resolve(dirname(join(site, page)), decodeURIComponent(path));
  if (!existsSync(target)) return 'no such file';
  const ids = idsOf.get(target);
  if (fragment && ids && !ids.has(decodeURIComponent(fragment))) return 'no such heading';
  return undefined;
}

const faults = new Set();
let links = 0;
for (const page of pages) {
  const text = readFileSync(join(site, page), 'utf8');
  for (const [, href] of text.matchAll(/<a\s[^>]*href="([^"]+)"/g)) {
    links++;
    const fault = faultOf(page, href.replaceAll('&amp;', '&'));
    if (fault) faults.add(`${page}: ${href}: ${fault}`);
  }
}
for (const fault of faults) console.error(fault);
console.log(`${relative(process.cwd(), site)}: ${pages.length} pages, ${links} links, ${faults.size} broken`);
process.exitCode = faults.size > 0 ? 1 : 0;
