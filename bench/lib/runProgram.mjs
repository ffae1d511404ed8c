/** Runs a program to its end. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** To be given to `node --import` of a program for runProgram. */
export const PRINT_PEAK = new URL('./printPeak.mjs', import.meta.url).href;

/** deit-convert, as node's arguments. */
export const CONVERTER = [
  '--import',
  PRINT_PEAK,
  fileURLToPath(new URL('../../dist/converters/cli.js', import.meta.url)),
];

/**
 * @returns wall and processor time in s, peak memory in MB
 * @throws Error with the last line that it said, if it fails
 */
export async function runProgram(command, args) {
  const start = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  const [stderr, code] = await Promise.all([text(child.stderr), ended]);
  if (code !== 0) throw new Error(stderr.trim().split('\n').at(-1) ?? `exit code ${code}`);
  const seconds = (performance.now() - start) / 1000;
  const [, megabytes, processor] = /peak (\S+) processor (\S+)/.exec(stderr).map(Number);
  return { seconds, processor, megabytes };
}
