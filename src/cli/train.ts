import type { Options } from 'yargs';
import { UserError } from '../errors.js';
import { readTrainConfig } from '../node/train/readConfig.js';
import { type RunResult, runTraining } from '../node/train/run.js';
import { storedConfig } from '../node/train/runFolder.js';
import { type Field, fieldsOf, nullableGroups, valueAt } from '../schema.js';
import { shorten } from '../text.js';
import { DEFAULT_CONFIG, trainSchema } from '../train/config.js';
import { resolveTrainConfig } from '../train/resolveConfig.js';
import { announceBackend } from './announceBackend.js';
import { defineCommand, PARSER } from './command.js';
import { jsonOption } from './options.js';
import { print, printJson } from './print.js';
import { catchInterrupt } from './signals.js';
import { startTrainProgress } from './trainProgress.js';
import { UsageError } from './usage.js';

/** Every field, and the groups that can be left out, by path: the command line has an option for each. */
const FIELDS = fieldsOf(trainSchema);
const GROUPS = nullableGroups(trainSchema);

interface Args {
  config?: string;
  resume: boolean;
  json: boolean;
  [field: string]: unknown;
}

/** `deit train`: a student, from scratch or from another model, under a teacher or without one. */
export const trainCommand = defineCommand({
  builder: (yargs) => {
    const declared = yargs
      .parserConfiguration({ ...PARSER, 'camel-case-expansion': false })
      .positional('config', {
        type: 'string',
        describe: 'configuration: a .json, .ts or .js file, or a name of configs/train',
      })
      .option('resume', { type: 'boolean', default: false, describe: 'go on with the run in --output' })
      .options(jsonOption('print the result as one JSON object'));
    declared.options(fieldOptions());
    return declared;
  },
  examples: [
    ['$0 digits --data.path mnist --val.path mnist --output run', 'a recipe of configs/train'],
    ['$0 my.json --optimizer.lr 1e-3 --output run2', 'any field may be given anew'],
    ['$0 --resume --output run', 'go on where it was broken off'],
  ],
  handler: async (args) => {
    const config = await configOf(args);
    await announceBackend(config.backend, { device: config.device ?? undefined, layers: true });
    const interruption = catchInterrupt(
      'stopping after this step; once more ends at once, from the last checkpoint',
    );
    const progress = startTrainProgress();
    try {
      const result = await runTraining(config, {
        resume: args.resume,
        shouldStop: () => interruption.signal.aborted,
        ...progress,
      });
      progress.stop();
      show(result, args.json);
    } finally {
      progress.stop();
      interruption.release();
    }
  },
});

/** An option for every field; each is a text here, parsed by parseField. */
function fieldOptions(): Record<string, Options> {
  const group = 'Fields of the configuration:';
  const ofField = ([path, { describe }]: [string, Field]): [string, Options] => [
    path,
    { type: 'string', requiresArg: true, group, describe: describe + defaultOf(path) },
  ];
  const ofGroup = (path: string): [string, Options] => [
    path,
    { choices: ['none'], group, describe: 'leave it out' },
  ];
  return Object.fromEntries([...Object.entries(FIELDS).map(ofField), ...GROUPS.map(ofGroup)]);
}

async function configOf(args: Args) {
  const fields: Record<string, unknown> = {};
  for (const [path, field] of Object.entries(FIELDS)) {
    if (args[path] !== undefined) fields[path] = parseField(path, field, args[path]);
  }
  for (const group of GROUPS) if (args[group] !== undefined) fields[group] = null;
  if (args.config !== undefined) {
    const { given, name } = await readTrainConfig(args.config);
    return resolveTrainConfig(given, fields, name);
  }
  if (!args.resume || typeof fields.output !== 'string') {
    throw new UsageError('give a configuration, or --resume with --output for a run that was begun');
  }
  return resolveTrainConfig(await storedConfig(fields.output), fields, fields.output);
}

function defaultOf(path: string): string {
  const value = valueAt(DEFAULT_CONFIG, path) ?? 'none';
  return value === '' ? '' : ` [${value}]`;
}

/** A field's value from the command line; what is of the wrong kind is wrong usage, what is out of range is found later. */
function parseField(path: string, field: Field, given: unknown): unknown {
  const wrong = () => new UsageError(`--${path} should be ${field.expected}, got ${shorten(String(given))}`);
  if (Array.isArray(given)) throw new UsageError(`--${path} is given ${given.length} times`);
  const text = String(given);
  if (field.nullable && (text === 'none' || text === 'null')) return null;
  const number = (part: string) => {
    const value = Number(part);
    if (part.trim() === '' || Number.isNaN(value)) throw wrong();
    return value;
  };
  switch (field.kind) {
    case 'text':
      return text;
    case 'flag':
      if (text !== 'true' && text !== 'false') throw wrong();
      return text === 'true';
    case 'range':
      return text.split(',').map(number);
    default:
      return number(text);
  }
}

function show(result: RunResult, json: boolean): void {
  if (json) printJson(result);
  const { end, epochs, steps, best, output } = result;
  if (end === 'stopped') {
    throw new UserError(
      `stopped and saved after step ${steps}; deit train --resume --output ${output} goes on from there`,
    );
  }
  if (json) return;
  print(
    `${epochs} epochs, ${steps} steps; best top-1 ${best!.top1.toFixed(3)} % after epoch ${best!.epoch + 1}` +
      `${best!.ema ? ', by the running mean' : ''}: ${output}/best, ${output}/best.safetensors`,
    'strong',
  );
}
