import type { ArgumentsCamelCase, Argv } from 'yargs';

/** An example of a command line, in which `$0` stands for the command, and what it does. */
type Example = readonly [line: string, what: string];

/** What a command does, of whatever options. */
export interface Command {
  // biome-ignore lint/suspicious/noExplicitAny: commands of any options fit in one list; defineCommand checks each
  readonly builder: (yargs: Argv) => Argv<any>;
  readonly examples: readonly Example[];
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly handler: (args: any) => void | Promise<void>;
}

/**
 * How a command line is read: `--json.jpg` is no `--json` with a field, `-v.jpg` no `-v` with others behind it. yargs would
 * take the names of files for options so.
 */
export const PARSER = { 'dot-notation': false, 'short-option-groups': false };

/** A command by its usage (`eval <model> <val-dir>`); what it does is loaded when a command line names it. */
export interface CommandEntry {
  readonly usage: string;
  readonly describe: string;
  readonly load: () => Command | Promise<Command>;
}

/** A command whose handler takes what its builder declares. */
export function defineCommand<T>(command: {
  builder: (yargs: Argv) => Argv<T>;
  examples: readonly Example[];
  handler: (args: ArgumentsCamelCase<T>) => void | Promise<void>;
}): Command {
  return command;
}

export function commandName({ usage }: CommandEntry): string {
  return usage.split(' ')[0]!;
}

/**
 * Declares a command.
 *
 * @param call what a user writes for it, after the program's name: `eval`, `cache list`, or nothing
 */
export function addCommand(
  yargs: Argv,
  usage: string,
  describe: string,
  command: Command,
  call: string,
): Argv {
  const name = call === '' ? '$0' : `$0 ${call}`;
  const build = (inner: Argv) => command.builder(inner).epilogue(exampleText(command.examples, name));
  return yargs.command(usage, describe, build, command.handler);
}

/** Examples as a shell takes them when they are copied: yargs' own would stand in a column, broken over several lines. */
function exampleText(examples: readonly Example[], name: string): string {
  const lines = examples.map(([line, what]) => `  # ${what}\n  ${line.replace('$0', () => name)}`);
  return `Examples:\n${lines.join('\n')}`;
}
