/**
 * A jest test sequencer: the files that take longest first, so that no worker is alone with one at the end. Jest has no
 * times of its own in a fresh clone, and goes by the files' sizes there.
 */
import { createRequire } from 'node:module';
import { sep } from 'node:path';

// Its types are those of its CommonJS form.
const { default: TestSequencer } = createRequire(import.meta.url)(
  '@jest/test-sequencer',
) as typeof import('@jest/test-sequencer');

type Test = Parameters<InstanceType<typeof TestSequencer>['sort']>[0][number];

/** The slowest files and folders below dist/test, the slowest first. */
const SLOWEST = [
  'bundlers/',
  'node/queue/queue',
  'browser/webPageVisitor',
  'node/webgpu/devices',
  'node/webgpu/webgpu',
  'browser/webPage',
  'browser/train',
  'browser/restricted',
  'node/webgpu/',
  'families/vit/variants',
  'node/pjrt/',
  'browser/backends',
  'cli/train',
  'cli/',
  'browser/',
  'train/engineSteps',
  'node/train/run',
  'node/prepareImage',
  'package/',
  'engines/',
  'node/',
  'train/',
];

/** Where a test file stands among the slowest. */
function rank(path: string): number {
  const name = path.split(`${sep}dist${sep}test${sep}`).at(-1)!.replaceAll(sep, '/');
  const at = SLOWEST.findIndex((prefix) => name.startsWith(prefix));
  return at < 0 ? SLOWEST.length : at;
}

export default class SlowestFirst extends TestSequencer {
  override sort(tests: Test[]): Test[] {
    return tests.toSorted((a, b) => rank(a.path) - rank(b.path) || a.path.localeCompare(b.path));
  }
}
