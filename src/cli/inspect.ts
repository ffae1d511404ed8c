import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRead, convertWithFacts } from '../../converters/convertWithFacts.js';
import { findVisionTransformer, type ModelInFile } from '../../converters/findModel.js';
import { openWeights, readFolder } from '../../converters/folders/readFolder.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import type { Checkpoint } from '../../converters/formats/types.js';
import { storedFacts } from '../../converters/storedFacts.js';
import { UserError } from '../errors.js';
import { countParameters } from '../families/vit/flops.js';
import type { FolderFiles } from '../hub/folderFiles.js';
import type { Preprocessing } from '../image/types.js';
import { openFileSource } from '../node/fileSource.js';
import { isForeignFolder } from '../node/foreignFolder.js';
import { isOnHub } from '../node/hub/environment.js';
import { openHub } from '../node/hub/openHub.js';
import { openLocalFolder } from '../node/localFolder.js';
import { describesFile } from '../node/openFolder.js';
import { oneLine, shorten } from '../text.js';
import { defineCommand } from './command.js';
import { hubMessages } from './downloadProgress.js';
import { groupTensors, type TensorGroup } from './groupTensors.js';
import { checkpointPositional, jsonOption } from './options.js';
import { print, printJson, say } from './print.js';
import { formatTable } from './table.js';
import { checkNumbers } from './usage.js';

/** Lines of metadata and of names that are printed; --json has them all. */
const MAX_LINES = 20;

/** As deit-convert has it. */
const MAX_HEADS = 1024;

/** What a checkpoint holds, and what it would become: a conversion, or the reason why there is none. */
interface Inspected {
  readonly checkpoint: Checkpoint;
  readonly conversion: Conversion | undefined;
  readonly refusal: string | undefined;
  /** Every model in the checkpoint, the one that is taken first; none where no model was found. */
  readonly models: readonly ModelInFile[];
}

/** `deit inspect`: what is in a checkpoint and what it would become; no weights are read. */
export const inspectCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('checkpoint', checkpointPositional)
      .option('root', { type: 'string', describe: 'which of several models: what stands before its names' })
      .option('num-heads', { type: 'number', describe: 'attention heads, where nothing else tells' })
      .options(jsonOption())
      .check((args) => checkNumbers(args, { 'num-heads': [1, MAX_HEADS] }))
      .epilogue('The exit status is 0 for every file that can be read, one that cannot be converted too.\n'),
  examples: [
    ['$0 checkpoint.pth', 'its tensors, and the model that deit-convert makes of them'],
    ['$0 hf:google/vit-base-patch16-224', 'a model on the hub'],
  ],
  handler: async ({ checkpoint, root, numHeads, json }) => {
    const inspected = await inspect(checkpoint, { root, numHeads });
    if (json) return void printJson(asJson(inspected));
    print(asText(inspected));
  },
});

/** Reads the tensors' names and shapes and whatever lies beside them, and tries the conversion. */
async function inspect(path: string, options: ConvertOptions): Promise<Inspected> {
  if (isOnHub(path)) return inspectFolder(await openHub(path, hubMessages()), options);
  if (basename(path) === 'model.json' || existsSync(join(path, 'model.json'))) {
    throw new UserError(`${path}: is converted already; deit summary prints its layers`);
  }
  if (isForeignFolder(path)) return inspectFolder(await openLocalFolder(path), options);
  if (await describesFile(path)) {
    const files = await openLocalFolder(dirname(path));
    return inspectFolder({ ...files, chosen: basename(path), close: () => files.close() }, options);
  }
  const file = await openFileSource(path);
  try {
    const checkpoint = await parseCheckpoint(file);
    return await attempt(checkpoint, () => convertWithFacts(checkpoint, options));
  } finally {
    await file.close();
  }
}

async function inspectFolder(files: FolderFiles, options: ConvertOptions): Promise<Inspected> {
  try {
    const checkpoint = await openWeights(files);
    return await attempt(checkpoint, async () => convertRead(await readFolder(files), options));
  } finally {
    for (const note of files.notes) say(note);
    await files.close();
  }
}

async function attempt(checkpoint: Checkpoint, convert: () => Promise<Conversion>): Promise<Inspected> {
  try {
    const conversion = await convert();
    return { checkpoint, conversion, refusal: undefined, models: conversion.report.models };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { checkpoint, conversion: undefined, refusal: error.message, models: modelsIn(checkpoint) };
  }
}

/** The models of a checkpoint that could not be converted, as far as they are found. */
function modelsIn(checkpoint: Checkpoint): readonly ModelInFile[] {
  try {
    return findVisionTransformer(checkpoint, { facts: storedFacts(checkpoint) }).models;
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}

function asJson({ checkpoint, conversion, refusal, models }: Inspected) {
  const tensors = [...checkpoint.tensors.values()].map(({ name, shape, dtype, unreadable }) => ({
    name,
    shape,
    dtype,
    unreadable,
  }));
  const { name, format, metadata } = checkpoint;
  const held = { source: name, format, metadata, tensors, models };
  if (!conversion) return { ...held, converts: false, refusal };
  const { config, preprocessing, labels, report } = conversion;
  const { naming, prefix, dropped, leftOver, assumptions } = report;
  const becomes = { config, preprocessing, labels, naming, prefix, dropped, leftOver, assumptions };
  return { ...held, converts: true, ...becomes };
}

function asText(inspected: Inspected): string {
  const { checkpoint, conversion, refusal, models } = inspected;
  const lines = [
    `${oneLine(checkpoint.name)} (${checkpoint.format}, ${checkpoint.tensors.size} tensors)`,
    '',
    formatTable(
      ['tensor', 'shape', 'dtype', 'times'],
      groupTensors(checkpoint.tensors.values()).map(tensorRow),
    ),
    ...metadataLines(checkpoint),
    '',
    ...models.map(({ root, naming }, i) => modelLine(root, naming, i > 0)),
    ...(conversion ? conversionLines(conversion) : [`cannot be converted: ${refusal}`]),
  ];
  return lines.join('\n');
}

function modelLine(root: string, naming: string, another: boolean): string {
  const where = root === '' ? '' : ` under ${JSON.stringify(root)}`;
  return `model found${where}, names of ${naming}${another ? '; not taken, --root takes it' : ''}`;
}

function tensorRow({ name, shape, dtype, count }: TensorGroup): string[] {
  return [oneLine(name), `[${shape.join(', ')}]`, dtype, `${count}`];
}

function metadataLines({ metadata }: Checkpoint): string[] {
  const entries = Object.entries(metadata);
  if (entries.length === 0) return [];
  const line = ([key, value]: [string, unknown]) => `  ${oneLine(key)}: ${shorten(oneLine(String(value)))}`;
  return ['', 'beside the tensors', ...atMost(entries.map(line))];
}

function atMost(lines: readonly string[]): string[] {
  if (lines.length <= MAX_LINES) return [...lines];
  return [...lines.slice(0, MAX_LINES), `  … and ${lines.length - MAX_LINES} more; --json has them all`];
}

function conversionLines({ config, preprocessing, labels, report }: Conversion): string[] {
  const classes =
    config.numClasses === 0
      ? 'none: the output is what a head would read'
      : `${config.numClasses}${labels ? `, ${oneLine(labels.slice(0, 2).join('; '))} …` : ', without names'}`;
  return [
    'would become',
    `  model       ${report.model}, ${countParameters(config).toLocaleString('en-US')} parameters`,
    `  network     ${fields(config)}`,
    `  images      ${imagesText(preprocessing)}`,
    `  classes     ${classes}`,
    ...report.assumptions.map(({ field, value, why }) => `  assumed     ${field} ${value}: ${why}`),
    ...namesLine('dropped', report.dropped),
    ...namesLine('left over', report.leftOver),
  ];
}

/** Every field that is not its default, on one line. */
function fields(config: Conversion['config']): string {
  const { name: _, dropPathRate: __, ...rest } = config;
  const text = (value: unknown) => (Array.isArray(value) ? value.join('×') : String(value));
  return Object.entries(rest)
    .map(([key, value]) => `${key} ${text(value)}`)
    .join(', ');
}

function imagesText({ preset, resize, interpolation, crop, mean, std }: Preprocessing): string {
  const { mode, ...sizes } = resize;
  const size = Object.values(sizes).join('×');
  return `${oneLine(preset)}: resize ${mode} ${size} ${interpolation ?? 'bicubic'}, crop ${crop.join('×')}, mean ${mean.join(' ')}, std ${std.join(' ')}`;
}

function namesLine(label: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const groups = groupTensors(names.map((name) => ({ name, shape: [], dtype: '' })));
  const shown = groups
    .slice(0, MAX_LINES)
    .map(({ name }) => oneLine(name))
    .join(', ');
  const more = groups.length > MAX_LINES ? `, … (${names.length}; --json has them all)` : '';
  return [`  ${label.padEnd(10)}  ${shown}${more}`];
}
