/**
 * Kills a training run with SIGKILL at random moments and resumes it, until it is done; its results must be those of an
 * unbroken run to the bit.
 *
 *     npm run build && node dist/test/reliability/killedTraining.js [KILLS [SEED]]      (10 by default, some two minutes)
 */
import { access, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Random } from '../../src/random.js';
import { writeDigits } from '../node/train/digitsFolder.js';
import { startDeit } from './deit.js';

/** Files that must come out alike. */
const RESULTS = ['last.safetensors', 'best.safetensors', 'checkpoint.safetensors', 'metrics.jsonl'];

/** A run of a few seconds with every random choice that there is. */
const FIELDS: Record<string, string> = {
  'data.format': 'mnist',
  'val.format': 'mnist',
  'model.imgSize': '28',
  'model.patchSize': '7',
  'model.embedDim': '32',
  'model.depth': '3',
  'model.numHeads': '2',
  'model.dropPathRate': '0.2',
  'augment.affine.degrees': '10',
  'optimizer.clipGrad': '1',
  'schedule.warmupEpochs': '1',
  emaDecay: '0.9',
  batchSize: '8',
  accumulate: '2',
  saveEverySteps: '2',
  workers: '1',
};

export interface KilledTraining {
  readonly kills: number;
  /** Kills before the first checkpoint was there. */
  readonly early: number;
  /** Names of results that differ from the unbroken run's: none. */
  readonly different: string[];
  /** Seconds after its start at which each process was killed. */
  readonly after: number[];
}

/**
 * @param random numbers on [0, 1): when to kill, as a part of a whole run
 * @param epochs length of the run; starting the process is a second of it
 */
export async function killTraining(
  kills: number,
  random: () => number,
  epochs: number,
): Promise<KilledTraining> {
  const digits = await writeDigits(320, 40);
  const folder = await mkdtemp(join(tmpdir(), 'deit-killed-'));
  const args = Object.entries({
    ...FIELDS,
    'schedule.epochs': String(epochs),
    'data.path': digits,
    'val.path': digits,
  });
  const train = (output: string, resume: boolean) =>
    startDeit(
      'train',
      join(folder, 'config.json'),
      ...args.flatMap(([field, value]) => [`--${field}`, value]),
      '--output',
      join(folder, output),
      ...(resume ? ['--resume'] : []),
    );
  await writeFile(join(folder, 'config.json'), '{}');
  const start = performance.now();
  const whole = await train('whole', false).ended;
  let seconds = (performance.now() - start) / 1000;
  if (whole.code !== 0) throw new Error(whole.err);

  const after: number[] = [];
  const different: string[] = [];
  const compare = async (output: string) => {
    for (const name of RESULTS) {
      const read = (run: string) => readFile(join(folder, run, name));
      const [a, b] = await Promise.all([read('whole'), read(output)]);
      if (!a.equals(b)) different.push(`${output}/${name}`);
    }
  };
  let early = 0;
  let number = 1;
  let resume = false;
  while (after.length < kills) {
    const output = `killed-${number}`;
    const begun = performance.now();
    const run = train(output, resume);
    const moment = random() * seconds;
    const ended = await Promise.race([run.ended, sleep(1000 * moment)]);
    resume = !ended;
    if (ended) {
      // Done before its moment came: compared, and another is begun for the kills that are left.
      if (ended.code !== 0) throw new Error(ended.err);
      await compare(output);
      seconds = Math.min(seconds, (performance.now() - begun) / 1000);
      number++;
      continue;
    }
    run.child.kill('SIGKILL');
    await run.ended;
    if (!(await exists(join(folder, output, 'checkpoint.safetensors')))) early++;
    after.push(moment);
  }
  const last = await train(`killed-${number}`, resume).ended;
  if (last.code !== 0) throw new Error(last.err);
  await compare(`killed-${number}`);
  return { kills, early, different, after };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const kills = Number(process.argv[2] ?? 10);
  const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
  const random = Random.fromSeed(seed);
  const { early, different, after } = await killTraining(kills, () => random.uniform(), 20);
  console.log(
    `killed ${kills} times (seed ${seed}), after ${after.map((s) => s.toFixed(2)).join(', ')} s (${early} before the first checkpoint): ` +
      (different.length === 0
        ? 'every result equals the unbroken run’s'
        : `different: ${different.join(', ')}`),
  );
  process.exitCode = different.length === 0 ? 0 : 1;
}
