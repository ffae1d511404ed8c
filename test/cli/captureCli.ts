/** Runs a command line in this process: a process of its own takes half a second to start, and most tests need none. */
import { jest } from '@jest/globals';
import { commands as allCommands } from '../../src/cli/commands.js';
import { runCli } from '../../src/cli/runCli.js';

export interface CliOutcome {
  readonly code: number;
  /** What it printed on stdout and on stderr, as a process would have. */
  readonly out: string;
  readonly err: string;
}

let last: Promise<unknown> = Promise.resolve();

/** Those that are begun at once run one after the other: what is printed meanwhile counts as the command's. */
export function captureCli(
  program: string,
  commands: Parameters<typeof runCli>[1],
  ...args: string[]
): Promise<CliOutcome> {
  const turn = last.then(() => runNow(program, commands, args));
  last = turn.catch(() => {});
  return turn;
}

async function runNow(
  program: string,
  commands: Parameters<typeof runCli>[1],
  args: string[],
): Promise<CliOutcome> {
  let [out, err] = ['', ''];
  const log = jest.spyOn(console, 'log').mockImplementation((text) => {
    out += `${text}\n`;
  });
  const error = jest.spyOn(console, 'error').mockImplementation((text) => {
    err += `${text}\n`;
  });
  try {
    const code = await runCli(program, commands, args);
    return { code, out, err };
  } finally {
    log.mockRestore();
    error.mockRestore();
  }
}

export function deit(...args: string[]): Promise<CliOutcome> {
  return captureCli('deit', allCommands, ...args);
}
