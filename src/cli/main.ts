import yargs, { type Argv, type CommandModule } from 'yargs';
import { UserError } from '../errors.js';
import { packageVersion } from '../node/version.js';

/** A command with its options' types forgotten, so that commands of all kinds fit in one list. */
// biome-ignore lint/suspicious/noExplicitAny: yargs' own type for a command of any options
export type Command = CommandModule<any, any>;

/** Wrong usage: an unknown option, a value of the wrong kind. Exit code 2. */
export class UsageError extends Error {}

/**
 * Runs a command line. Results go to stdout, everything else to stderr.
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage
 */
export async function main(program: string, commands: readonly Command[], argv: string[]): Promise<number> {
  // A reader that has seen enough (deit … | head) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    await parser(program, commands, argv).parseAsync();
    return 0;
  } catch (error) {
    report(program, error as Error, argv.includes('--debug'));
    return error instanceof UsageError ? 2 : 1;
  }
}

function parser(program: string, commands: readonly Command[], argv: string[]): Argv {
  let cli = yargs(argv)
    .scriptName(program)
    .version(packageVersion())
    .option('debug', { type: 'boolean', default: false, describe: 'show the stack of an error' })
    // Of an option given twice the last counts, as everywhere; yargs would make a list of it.
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .strict()
    .exitProcess(false)
    .showHelpOnFail(false)
    .wrap(Math.min(110, process.stderr.columns ?? 100))
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    });
  for (const command of commands) cli = cli.command(command);
  // A program of one command (deit-convert) has it as its default, which takes the place of a list of commands.
  const isDefault = commands.some(({ command }) => String(command).startsWith('$0'));
  return isDefault ? cli : cli.demandCommand(1, 'say which command');
}

function report(program: string, error: Error, debug: boolean): void {
  const line = error.message?.replace(/\s*\n\s*/g, ' ') || String(error);
  if (error instanceof UsageError) console.error(`${program}: ${line}; see ${program} --help`);
  else if (error instanceof UserError) console.error(`${program}: ${line}`);
  else console.error(`${program}: ${error.name}: ${line}${debug ? '' : ' (a defect; --debug shows where)'}`);
  if (debug) console.error(error.stack);
}

/** A check for whole-number options: yargs itself takes any text for a number and gives NaN. */
export function checkNumbers(args: Record<string, unknown>, least: Record<string, number>): true {
  for (const [name, minimum] of Object.entries(least)) {
    const value = args[name];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || (value as number) < minimum) {
      throw new UsageError(`--${name} must be a whole number of at least ${minimum}, got ${value}`);
    }
  }
  return true;
}

/** Parses `224` or `224x192` (height × width) pixels. */
export function parseImgSize(text: string): [number, number] {
  const [, height, width] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
  if (!height || Number(height) < 1 || (width && Number(width) < 1)) {
    throw new UsageError(`--img-size must be pixels as N or HEIGHTxWIDTH, got ${text}`);
  }
  return [Number(height), Number(width ?? height)];
}
