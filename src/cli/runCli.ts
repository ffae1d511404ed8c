import { existsSync } from 'node:fs';
import type { Argv } from 'yargs';
import yargs from '#yargs';
import { DeviceLost } from '../deviceLost.js';
import { UserError } from '../errors.js';
import { packageVersion } from '../node/version.js';
import { nearest, oneLine, printable, shortenWords } from '../text.js';
import { addCommand, type CommandEntry, commandName, PARSER } from './command.js';
import { say } from './print.js';
import { forgetSignals, signalCode } from './signals.js';
import { UsageError } from './usage.js';
import { usageText } from './usageText.js';

/** Prints a script for the shell, which then completes commands and options. */
const COMPLETION = 'completion';

/**
 * Runs a command line. Results go to stdout, everything else to stderr.
 *
 * @param commands the program's commands, or the one that it is
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 128 and a signal's number where one left the work unfinished
 */
export async function runCli(
  program: string,
  commands: readonly CommandEntry[] | CommandEntry,
  argv: string[],
): Promise<number> {
  // A reader that has seen enough (deit … | head) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    say(`${program}: stdout: ${reasonOf(error)}`, 'error');
    process.exit(1);
  });
  // What is told of progress must not end a run whose log nobody reads any more, as where its terminal is gone.
  process.stderr.off('error', passOver).on('error', passOver);
  forgetSignals();
  try {
    await (await parser(program, commands, argv)).parseAsync();
    return 0;
  } catch (error) {
    const named = 'usage' in commands ? undefined : namedIn(commands, argv);
    report(program, named && commandName(named), error as Error, argv.includes('--debug'));
    return error instanceof UsageError ? 2 : (signalCode() ?? 1);
  }
}

function passOver(): void {}

async function parser(
  program: string,
  commands: readonly CommandEntry[] | CommandEntry,
  argv: string[],
): Promise<Argv> {
  const entries = 'usage' in commands ? [commands] : commands;
  const cli = yargs(withMarks(argv))
    .scriptName(program)
    .parserConfiguration(PARSER)
    .help('help')
    .alias('h', 'help')
    .version(packageVersion())
    .alias('v', 'version')
    .option('debug', { type: 'boolean', default: false, describe: 'show the stack of an error' })
    .strict()
    .middleware(withoutMarks, true)
    .check((args) => checkGivenOnce(args, listsOf(entries)))
    .exitProcess(false)
    .showHelpOnFail(false)
    .wrap(Math.min(110, process.stderr.columns ?? 100))
    .fail((message, error) => {
      const text = withNearest(usageText(message, usageOf(entries, argv)), cli, entries);
      throw error ?? new UsageError(text + fileHint(argv));
    });
  if ('usage' in commands) return addOnly(cli, commands);
  for (const entry of entries) await addNamed(cli, entry, argv);
  return cli
    .completion(COMPLETION, 'Print a script for bash or zsh that completes commands and options')
    .demandCommand(1, 'say which command');
}

/** Adds the only command of a program that has no list of commands. */
async function addOnly(cli: Argv, entry: CommandEntry): Promise<Argv> {
  const usage = entry.usage.replace(commandName(entry), () => '$0');
  return addCommand(cli, usage, entry.describe, await entry.load(), '');
}

/** Adds a command: with its options if the command line may name it, else with one line for the help. */
async function addNamed(cli: Argv, entry: CommandEntry, argv: readonly string[]): Promise<void> {
  const name = commandName(entry);
  if (argv.includes(name)) addCommand(cli, entry.usage, entry.describe, await entry.load(), name);
  else cli.command(entry.usage, entry.describe);
}

/** The command that a command line names: in front of it stand but options without a value. */
function namedIn(entries: readonly CommandEntry[], argv: readonly string[]): CommandEntry | undefined {
  const first = argv.find((argument) => !argument.startsWith('-'));
  return entries.find((entry) => commandName(entry) === first);
}

/** The usage of the command that a command line names, or of the only one. */
function usageOf(entries: readonly CommandEntry[], argv: readonly string[]): string | undefined {
  return (entries.length === 1 ? entries[0] : namedIn(entries, argv))?.usage;
}

/** Stands before arguments that yargs would take for options; no argument has a NUL in it. */
const MARK = '\0';

/**
 * yargs drops a `-` (stdin) among positional arguments, reads those behind `--` as options if they begin with a dash, and
 * does not count the others: what is text is marked before it sees it, and the `--` taken out.
 */
function withMarks(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  const marked = argv.map((argument, i) => {
    const isText = argument === '-' || (end >= 0 && i > end && argument.startsWith('-'));
    return isText ? MARK + argument : argument;
  });
  return end < 0 ? marked : marked.toSpliced(end, 1);
}

function withoutMarks(args: Record<string, unknown>): void {
  const plain = (value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? value.slice(MARK.length) : value;
  for (const [name, value] of Object.entries(args)) {
    args[name] = Array.isArray(value) ? value.map(plain) : plain(value);
  }
}

/** Names of the positional arguments that take several values: `<images...>`. */
function listsOf(commands: readonly CommandEntry[]): Set<string> {
  const patterns = commands.flatMap(({ usage }) => [...usage.matchAll(/[<[]([\w-]+)\.{2,3}[>\]]/g)]);
  return new Set(patterns.map(([, name]) => name!));
}

/** Of an option given twice one would be passed over in silence: it is wrong usage. */
function checkGivenOnce(args: Record<string, unknown>, lists: ReadonlySet<string>): true {
  for (const [name, value] of Object.entries(args)) {
    if (!Array.isArray(value) || name === '_' || name === '--' || lists.has(name)) continue;
    throw new UsageError(`--${name} is given ${value.length} times; give it once`);
  }
  return true;
}

/** The message about an unknown name, with the nearest known names. */
function withNearest(message: string, cli: Argv, commands: readonly CommandEntry[]): string {
  const [, what, list] = /^Unknown (argument|command)s?: (.*)$/s.exec(message) ?? [];
  if (list === undefined) return message;
  const names = asTyped(list.split(', '));
  const [unknown] = names as [string];
  const near = [
    ...fieldsNamed(unknown, optionNames(cli)).map((name) => `--${name}`),
    ...nearest(unknown, optionNames(cli)).map((name) => `--${name}`),
    ...nearest(unknown, [...commands.map(commandName), COMPLETION]),
  ];
  const told = `Unknown ${what}${names.length > 1 ? 's' : ''}: ${names.join(', ')}`;
  return near.length === 0 ? told : `${told}; did you mean ${near.slice(0, 2).join(' or ')}?`;
}

/** Options of `deit train` by the last part of their path: `--schedule.epochs` for `--epochs`. */
function fieldsNamed(last: string, options: readonly string[]): string[] {
  return options.filter((name) => name.endsWith(`.${last}`));
}

/** What to write where a file's name was taken for an option. */
function fileHint(argv: readonly string[]): string {
  const options = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const file = options.find((name) => name.startsWith('-') && existsSync(name));
  return file === undefined ? '' : `; write ./${file} for the file ${file}, or put it behind --`;
}

/** Without yargs' second names: `classMap` for `class-map`. */
function asTyped(names: readonly string[]): string[] {
  const camelCase = (name: string) => name.replace(/-+(\w)/g, (_, letter: string) => letter.toUpperCase());
  const second = new Set(names.filter((name) => name.includes('-')).map(camelCase));
  return names.filter((name) => !second.has(name));
}

/** The options of the command that is parsed; yargs tells them, though its types do not. */
function optionNames(cli: Argv): string[] {
  const options = (cli as Argv & { getOptions?(): { key: Record<string, unknown> } }).getOptions?.();
  return Object.keys(options?.key ?? {}).filter((name) => name.length > 1);
}

/** Why what was printed did not arrive. */
function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return code === 'ENOSPC' ? 'the disk that it is written to is full' : `cannot be written to (${message})`;
}

function messageOf(error: Error): string {
  // Of a program that has a model: the command line loads one each time.
  if (error instanceof DeviceLost) {
    const again = error.outOfMemory ? 'in smaller batches' : 'again';
    return `${error.what}; run the command ${again}, or with another --backend`;
  }
  return error.message || String(error);
}

/** @param command of the program's commands the one whose help tells its options */
function report(program: string, command: string | undefined, error: Error, debug: boolean): void {
  const line = shortenWords(oneLine(messageOf(error)));
  const help = command === undefined ? program : `${program} ${command}`;
  if (error instanceof UsageError) say(`${program}: ${line}; see ${help} --help`, 'error');
  else if (error instanceof UserError) say(`${program}: ${line}`, 'error');
  else say(`${program}: ${error.name}: ${line}${debug ? '' : ' (a defect; --debug shows where)'}`, 'error');
  if (debug) console.error(printable(error.stack ?? ''));
}
