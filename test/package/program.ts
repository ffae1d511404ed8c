/** TypeScript programs that use this package as an installed one, in a folder of their own. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const NODE = { module: 'NodeNext', lib: ['ES2023'], types: ['node'] };
export const BUNDLER = { module: 'ESNext', moduleResolution: 'bundler', lib: ['ES2023', 'DOM'], types: [] };

export class ProgramFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'deit-program-'));

  constructor() {
    mkdirSync(join(this.path, 'node_modules/@types'), { recursive: true });
    symlinkSync(resolve('.'), join(this.path, 'node_modules/deit-tfjs'));
    symlinkSync(resolve('node_modules/@types/node'), join(this.path, 'node_modules/@types/node'));
    writeFileSync(join(this.path, 'package.json'), '{"type": "module"}');
  }

  /** What the compiler says of a program; nothing if it is right, and then program.js is there. */
  async compile(source: string, options: object): Promise<string> {
    writeFileSync(join(this.path, 'program.ts'), source);
    const compilerOptions = { target: 'ES2022', strict: true, skipLibCheck: true, ...options };
    writeFileSync(
      join(this.path, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['program.ts'] }),
    );
    try {
      await run(resolve('node_modules/.bin/tsc'), ['-p', '.'], { cwd: this.path });
      return '';
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }

  /** Runs program.js; gives the lines that it printed. */
  async run(): Promise<string[]> {
    const { stdout } = await run(process.execPath, ['program.js'], { cwd: this.path });
    return stdout.trim().split('\n');
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}
