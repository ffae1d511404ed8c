import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRead, convertWithFacts } from '../../converters/convertWithFacts.js';
import { openWeights, readFolder } from '../../converters/folders/readFolder.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import type { Checkpoint } from '../../converters/formats/types.js';
import { UserError } from '../errors.js';
import { countParameters } from '../families/vit/flops.js';
import type { FolderFiles } from '../hub/folderFiles.js';
import { isHubName } from '../hub/hubName.js';
import type { Preprocessing } from '../image/types.js';
import { openFileSource } from '../node/fileSource.js';
import { openHub } from '../node/hub/openHub.js';
import { openLocalFolder } from '../node/localFolder.js';
import { describesFile, isForeignFolder } from '../node/openFolder.js';
import { oneLine, shorten } from '../text.js';
import { groupTensors, type TensorGroup } from './groupTensors.js';
import type { Command } from './main.js';
import { print, printJson, say } from './print.js';
import { formatTable } from './table.js';

/** Lines of metadata and of names that are printed; --json has them all. */
const MAX_LINES = 20;

interface Args {
  checkpoint: string;
  root?: string;
  json: boolean;
}

/** What a checkpoint holds, and what it would become: a conversion, or the reason why there is none. */
interface Inspected {
  readonly checkpoint: Checkpoint;
  readonly conversion: Conversion | undefined;
  readonly refusal: string | undefined;
}

/** `deit inspect`: what is in a checkpoint and what it would become; no weights are read. */
export const inspectCommand: Command = {
  command: 'inspect <checkpoint>',
  describe: 'Print what is in a checkpoint, what it would become, and what would be assumed',
  builder: (yargs) =>
    yargs
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe: 'file, Hugging Face or timm folder, hf:OWNER/NAME',
      })
      .option('root', { type: 'string', describe: 'which of several models: what stands before its names' })
      .option('json', { type: 'boolean', default: false, describe: 'print one JSON object' })
      .epilogue('The exit status is 0 for every file that can be read, one that cannot be converted too.')
      .example('$0 inspect checkpoint.pth', 'its tensors, and the model that deit-convert makes of them')
      .example('$0 inspect hf:google/vit-base-patch16-224', 'a model on the hub'),
  handler: async (raw) => {
    const { checkpoint, root, json } = raw as unknown as Args;
    const inspected = await inspect(checkpoint, root === undefined ? {} : { root });
    if (json) return void printJson(asJson(inspected));
    print(asText(inspected));
  },
};

/** Reads the tensors' names and shapes and whatever lies beside them, and tries the conversion. */
async function inspect(path: string, options: ConvertOptions): Promise<Inspected> {
  if (isHubName(path)) return inspectFolder(await openHub(path, { onNotice: say }), options);
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
    return { checkpoint, conversion: await convert(), refusal: undefined };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { checkpoint, conversion: undefined, refusal: error.message };
  }
}

function asJson({ checkpoint, conversion, refusal }: Inspected) {
  const tensors = [...checkpoint.tensors.values()].map(({ name, shape, dtype, unreadable }) => ({
    name,
    shape,
    dtype,
    unreadable,
  }));
  const { name, format, metadata } = checkpoint;
  const held = { source: name, format, metadata, tensors };
  if (!conversion) return { ...held, converts: false, refusal };
  const { config, preprocessing, labels, report } = conversion;
  const { naming, prefix, models, dropped, leftOver, assumptions } = report;
  const becomes = { config, preprocessing, labels, naming, prefix, models, dropped, leftOver, assumptions };
  return { ...held, converts: true, ...becomes };
}

function asText(inspected: Inspected): string {
  const { checkpoint, conversion, refusal } = inspected;
  const lines = [
    `${oneLine(checkpoint.name)} (${checkpoint.format}, ${checkpoint.tensors.size} tensors)`,
    '',
    formatTable(['tensor', 'shape', 'dtype', ''], groupTensors(checkpoint.tensors.values()).map(tensorRow)),
    ...metadataLines(checkpoint),
    '',
    ...(conversion ? conversionLines(conversion) : [`cannot be converted: ${refusal}`]),
  ];
  return lines.join('\n');
}

function tensorRow({ name, shape, dtype, count }: TensorGroup): string[] {
  return [oneLine(name), `[${shape.join(', ')}]`, dtype, count > 1 ? `×${count}` : ''];
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
  const [taken, ...others] = report.models;
  const classes =
    config.numClasses === 0
      ? 'none: the output is what a head would read'
      : `${config.numClasses}${labels ? `, ${oneLine(labels.slice(0, 2).join('; '))} …` : ', without names'}`;
  return [
    'would become',
    `  model       ${report.model}, ${countParameters(config).toLocaleString('en-US')} parameters`,
    `  taken       ${taken ? JSON.stringify(taken.root) : ''} in the names of ${report.naming}`,
    ...others.map(({ root, naming }) => `  also there  ${JSON.stringify(root)} (${naming}); --root takes it`),
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
  const shown = names.slice(0, MAX_LINES).map(oneLine).join(', ');
  const more = names.length > MAX_LINES ? `, … (${names.length}; --json has them all)` : '';
  return [`  ${label.padEnd(10)}  ${shown}${more}`];
}
