/**
 * A contender in a process of its own: threads of one runtime that wait for work in a loop take time from the next, and
 * memory can be told apart.
 *
 *     node child.mjs '{"module": "ours.mjs", "folder": …, …}'
 *
 * First line of stdout: {load: ms from before the runtime's import to the first logits, peak: MB}, or {error}. Then each
 * line of stdin, {batch, runs}, is answered by {wall, processor: ms of each run, logits: of the last, peak}.
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { peakMegabytes } from './peakMemory.mjs';
import { processorClock, wallClock } from './race.mjs';

// Runtimes log to stdout; the answers keep it.
const say = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);
const answer = (value) => say(`${JSON.stringify(value)}\n`);

const options = JSON.parse(process.argv[2]);
const { open, layout = 'pixels' } = await import(`../contenders/${options.module}`);
const bytes = await readFile(`${options.folder}/${layout}.f32`);
const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const length = options.size * options.size * 3;

let contender;
try {
  const start = wallClock();
  contender = await open(options);
  await contender.run(pixels.subarray(0, length), 1);
  answer({ load: wallClock() - start, peak: peakMegabytes() });
} catch (error) {
  answer({ error: String(error instanceof Error ? error.message : error).split('\n')[0] });
  process.exit(1);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { batch, runs } = JSON.parse(line);
  const part = pixels.subarray(0, batch * length);
  const wall = [];
  const processor = [];
  let logits;
  for (let i = 0; i < runs; i++) {
    const begun = [wallClock(), processorClock()];
    logits = await contender.run(part, batch);
    wall.push(wallClock() - begun[0]);
    processor.push(processorClock() - begun[1]);
  }
  answer({ wall, processor, logits: [...logits], peak: peakMegabytes() });
}
process.exit(0);
