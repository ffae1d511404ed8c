/** What yargs says of wrong usage, as one sentence that names what is missing or what there is to choose from. */
import { nearest, shorten } from '../text.js';

/**
 * @param usage of the command, as `eval <model> <val-dir>`; undefined where the command line names none
 */
export function usageText(message: string, usage: string | undefined): string {
  return missingPositionals(message, usage) ?? missingOptions(message) ?? wrongChoice(message) ?? message;
}

function missingPositionals(message: string, usage: string | undefined): string | undefined {
  const [, got] = /^Not enough non-option arguments: got (\d+)/.exec(message) ?? [];
  const missing = usage?.match(/<[^>]+>/g)?.slice(Number(got));
  if (got === undefined || !missing?.length) return undefined;
  return `${missing.join(' and ')} ${areMissing(missing)}; expected: ${usage}`;
}

function missingOptions(message: string): string | undefined {
  const [, list] = /^Missing required arguments?: (.*)$/s.exec(message) ?? [];
  const names = list?.split(', ').map((name) => `--${name}`);
  return names && `${names.join(' and ')} ${areMissing(names)}`;
}

const areMissing = ({ length }: readonly string[]) => (length === 1 ? 'is missing' : 'are missing');

function wrongChoice(message: string): string | undefined {
  const [, name, given, list] =
    /^Invalid values:\s+Argument: (\S+), Given: "(.*)", Choices: (.*)$/s.exec(message) ?? [];
  if (given === undefined || list === undefined) return undefined;
  const choices = [...list.matchAll(/"([^"]*)"/g)].map(([, choice]) => choice!);
  const near = nearest(given, choices);
  const hint = near.length === 0 ? '' : `did you mean ${near.join(' or ')}? `;
  return `--${name} cannot be ${shorten(given, 40)}; ${hint}there ${choices.length === 1 ? 'is' : 'are'} ${choices.join(', ')}`;
}
