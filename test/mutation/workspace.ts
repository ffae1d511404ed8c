import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Folders that tests read beside what is compiled. */
const BESIDE = ['node_modules', 'test', 'src', 'configs', 'converters', 'examples'];

/** How a run of tests ended. */
export interface TestRun {
  readonly outcome: 'passed' | 'failed' | 'late';
  readonly seconds: number;
}

/** A copy of what is compiled, to break and to test. */
export class Workspace {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'deit-mutation-')));

  constructor() {
    cpSync('dist', join(this.folder, 'dist'), { recursive: true });
    cpSync('package.json', join(this.folder, 'package.json'));
    for (const name of BESIDE) symlinkSync(resolve(name), join(this.folder, name));
  }

  /** Path of a source file's compiled form, e.g. of `src/ops/gelu.ts`. */
  compiled(source: string): string {
    return join(this.folder, 'dist', source.replace(/\.ts$/, '.js'));
  }

  /** Runs tests while a file holds other text. */
  async testWith(file: string, text: string, tests: readonly string[], limit: number): Promise<TestRun> {
    const original = readFileSync(file);
    writeFileSync(file, text);
    try {
      return await this.test(tests, limit);
    } finally {
      writeFileSync(file, original);
    }
  }

  /** Runs test files one after another until one fails, for at most `limit` seconds. */
  test(tests: readonly string[], limit: number): Promise<TestRun> {
    const jest = join(this.folder, 'node_modules/jest/bin/jest.js');
    const sequencer = join(this.folder, 'dist/test/mutation/sequencer.js');
    const child = spawn(
      process.execPath,
      [
        '--experimental-vm-modules',
        '--no-warnings',
        jest,
        '--runInBand',
        '--bail',
        '--silent',
        `--testSequencer=${sequencer}`,
        '--runTestsByPath',
        ...tests,
      ],
      {
        cwd: this.folder,
        stdio: 'ignore',
        env: { ...process.env, DEIT_MUTATION_TESTS: JSON.stringify(tests) },
      },
    );
    const start = performance.now();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limit * 1000);
    return new Promise((done, fail) => {
      child.on('error', fail);
      child.on('exit', (code) => {
        clearTimeout(timer);
        const seconds = (performance.now() - start) / 1000;
        done({ outcome: late ? 'late' : code === 0 ? 'passed' : 'failed', seconds });
      });
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
