import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const IMPORT = /(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+\.js)['"]/g;

/**
 * Finds the test files that load a file: first the one that has its name, then those of its folder, then the others, each
 * by the number of imports between.
 */
export class TestFinder {
  private readonly imports = new Map<string, string[]>();
  private readonly tests: string[];

  /** @param folder of the compiled tests */
  constructor(folder: string) {
    this.tests = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.test.js'))
      .map((path) => join(folder, path))
      .sort();
  }

  testsOf(file: string): string[] {
    return this.tests
      .map((test) => ({ test, distance: this.distance(test, file) }))
      .filter(({ distance }) => distance !== undefined)
      .sort((a, b) => a.distance! - b.distance!)
      .sort((a, b) => nearness(b.test, file) - nearness(a.test, file))
      .map(({ test }) => test);
  }

  /** Breadth first, so that the first way found is the shortest. */
  private distance(from: string, to: string): number | undefined {
    const distances = new Map([[from, 0]]);
    for (const [file, distance] of distances) {
      if (file === to) return distance;
      for (const next of this.importsOf(file)) {
        if (!distances.has(next)) distances.set(next, distance + 1);
      }
    }
    return undefined;
  }

  private importsOf(file: string): string[] {
    let found = this.imports.get(file);
    if (!found) {
      const named = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, path]) => path!);
      // A text that looks like an import names no file.
      found = named.map((path) => resolve(dirname(file), path)).filter((path) => existsSync(path));
      this.imports.set(file, found);
    }
    return found;
  }
}

function nearness(test: string, file: string): number {
  if (isNamed(test, file)) return 2;
  return partOf(test) === partOf(file) ? 1 : 0;
}

/** The folder below dist, dist/src or dist/test: the tests' tree is that of the sources. */
function partOf(path: string): string {
  return dirname(path.slice(path.lastIndexOf('/dist/'))).replace(/^\/dist(\/(src|test))?/, '');
}

/** Whether a test file is named like the file that it tests. */
function isNamed(test: string, file: string): boolean {
  return basename(test, '.test.js') === basename(file, '.js');
}
