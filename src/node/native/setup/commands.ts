import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { UserError } from '../../../errors.js';

/** A program with the arguments that always come first, e.g. `python3 -m pip`. */
export type ProgramCall = readonly [program: string, ...args: string[]];

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the program. */
  readonly signal?: AbortSignal;
}

/** Lines of a failed program's output that its error shows. */
const SHOWN_LINES = 3;

/**
 * Runs a program to its end.
 *
 * @returns what it wrote to stdout
 * @throws UserError with the last lines of its output if it cannot be started or fails
 */
export function run(
  [program, ...first]: ProgramCall,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      all += text;
    });
    const name = [program, ...first, args[0] ?? ''].join(' ').trim();
    child.on('error', (error) => {
      reject(
        options.signal?.aborted ? error : new UserError(`${name}: cannot be started (${error.message})`),
      );
    });
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new UserError(`${name} failed (${signal ?? `exit code ${code}`}): ${lastLines(all)}`));
    });
  });
}

function lastLines(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(-SHOWN_LINES).join(' | ') || 'it said nothing';
}

/** The first of some programs that is on the PATH. */
export async function findProgram(
  names: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of (env.PATH ?? '').split(delimiter)) {
      if (folder !== '' && (await isExecutable(join(folder, name)))) return name;
    }
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
