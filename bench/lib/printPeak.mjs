/** `node --import THIS …`: says on stderr, at the end, `peak MEGABYTES processor SECONDS`. */
import { peakMegabytes } from './peakMemory.mjs';
import { processorClock } from './race.mjs';

process.on('exit', () =>
  process.stderr.write(`\npeak ${peakMegabytes()} processor ${processorClock() / 1000}\n`),
);
