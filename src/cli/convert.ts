import { stat } from 'node:fs/promises';
import type { Conversion, ConvertReport } from '../../converters/convert.js';
import type { WeightDtype } from '../../converters/write/encodeWeight.js';
import { writeLayersModel } from '../../converters/write/layersModel.js';
import type { OutputSink } from '../../converters/write/sink.js';
import { UserError } from '../errors.js';
import { modelMetadata } from '../families/metadata.js';
import { countParameters } from '../families/vit/flops.js';
import { quantize } from '../families/vit/quantize.js';
import { CONVERSION_FILE } from '../models/layersModelFolder.js';
import { writeFolder } from '../node/folderSink.js';
import { openCheckpoint } from '../node/openCheckpoint.js';
import { megabytes } from '../node/partialFile.js';
import { readLines } from '../node/readLines.js';
import { defineCommand } from './command.js';
import {
  CONVERSION_NUMBERS,
  type ConversionArgs,
  checkpointOptions,
  conversionArgs,
} from './conversionOptions.js';
import { hubMessages } from './downloadProgress.js';
import { checkpointPositional, jsonOption } from './options.js';
import { print, printJson } from './print.js';
import { startProgress } from './progress.js';
import { catchInterrupt } from './signals.js';
import { checkNumbers, parseImgSize } from './usage.js';

/** Classes of a head that is made: five times those of ImageNet-21k. */
const MAX_CLASSES = 100_000;

interface Args extends ConversionArgs {
  checkpoint: string;
  outdir: string;
  model: string;
  imgSize?: string;
  numClasses?: number;
  dtype: WeightDtype;
  quantize?: 'int8';
  format: 'layers' | 'saved-model';
  labels?: string;
  json: boolean;
}

/** `deit-convert`: a PyTorch checkpoint in, a tfjs layers model or a TensorFlow SavedModel out. */
export const convertCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('checkpoint', checkpointPositional)
      .positional('outdir', { type: 'string', demandOption: true, describe: 'folder to make or replace' })
      .option('model', {
        type: 'string',
        default: 'auto',
        describe: 'model that it must be; auto: found by its shapes',
      })
      .option('img-size', {
        type: 'string',
        describe: 'input size in pixels, N or HEIGHTxWIDTH; position embeddings are resampled',
      })
      .option('num-classes', {
        type: 'number',
        describe: 'a head of another size is replaced by a fresh one; 0 drops it',
      })
      .option('dtype', {
        choices: ['float32', 'float16', 'uint8'] as const,
        default: 'float32' as const,
        describe: 'how weights are stored',
      })
      .option('quantize', {
        choices: ['int8'] as const,
        describe: '8-bit matrices with a scale for each column, multiplied as whole numbers on wasm',
      })
      .option('format', {
        choices: ['layers', 'saved-model'] as const,
        default: 'layers' as const,
        describe: 'tfjs layers model, or TensorFlow SavedModel',
      })
      .options(checkpointOptions)
      .option('labels', { type: 'string', describe: 'file with the names of the classes, one a line' })
      .options(jsonOption('print the report as one JSON object'))
      .check((args) => checkNumbers(args, { 'num-classes': [0, MAX_CLASSES], ...CONVERSION_NUMBERS })),
  examples: [
    ['$0 deit_tiny_patch16_224-a1311bcf.pth deit-tiny', 'the official tiny model'],
    ['$0 model.pth out --img-size 384 --dtype float16', 'for larger images, half the size'],
  ],
  handler: async (args) => {
    const imgSize = args.imgSize === undefined ? undefined : parseImgSize(args.imgSize);
    if (args.format === 'saved-model' && args.dtype !== 'float32') {
      throw new UserError(`a SavedModel holds float32 weights; leave out --dtype ${args.dtype}`);
    }
    if (args.format === 'saved-model' && args.quantize) {
      throw new UserError('a SavedModel holds float32 weights; leave out --quantize');
    }
    const labels =
      args.labels === undefined ? undefined : (await readLines(args.labels)).map((label) => label.trim());
    const { model, numClasses } = args;
    const options = { model, imgSize, numClasses, labels, ...conversionArgs(args) };
    const opened = await openCheckpoint(args.checkpoint, options, hubMessages());
    const interruption = catchInterrupt();
    try {
      await writeFolder(
        args.outdir,
        (sink) => writeModel(args.quantize ? quantize(opened.source) : opened.source, sink, args),
        interruption.signal,
      );
      const { report } = opened.source;
      const file = await stat(report.source).catch(() => undefined); // on the hub there is none
      printReport(report, file?.size, args);
    } finally {
      interruption.release();
      await opened.close();
    }
  },
});

async function writeModel(source: Conversion, sink: OutputSink, { dtype, format }: Args): Promise<void> {
  const total = (4 * countParameters(source.config)) / 1e6;
  const progress = startProgress({ label: 'convert', total, unit: 'MB' });
  try {
    if (format === 'layers') {
      await sink.write(CONVERSION_FILE, [new TextEncoder().encode(JSON.stringify(source.report))]);
      await writeLayersModel(source, sink, {
        dtype,
        onProgress: (fraction) => progress.update(total * fraction),
      });
    } else {
      const { writeSavedModel } = await import('../../converters/write/savedModel/index.js');
      await writeSavedModel(source.config, source.readWeight, sink);
      // TensorFlow leaves assets.extra alone: it is there for what a tool keeps beside its graph.
      const metadata = JSON.stringify(modelMetadata(source));
      await sink.write('assets.extra/deit.json', [new TextEncoder().encode(metadata)]);
    }
  } finally {
    progress.stop();
  }
}

function printReport(
  report: ConvertReport,
  bytes: number | undefined,
  { outdir, dtype, quantize, format, json }: Args,
): void {
  if (json) return void printJson({ ...report, outdir, dtype, quantize, outputFormat: format });
  const list = (names: readonly string[]) => {
    const shown = names.slice(0, 4).join(', ');
    return names.length > 4 ? `${shown}, … (${names.length})` : shown;
  };
  const lines = [
    `${report.source} (${report.format}, ${bytes === undefined ? '' : `${megabytes(bytes)} MB, `}${report.naming} naming${report.prefix ? ` under "${report.prefix}"` : ''})`,
    `  model      ${report.model}, ${report.parameters.toLocaleString('en-US')} parameters, ${report.numHeads} heads`,
    `  mapped     ${report.mapped} tensors`,
    ...report.resampled.map((line) => `  resampled  ${line}`),
    ...(report.initialized.length > 0 ? [`  fresh      ${list(report.initialized)}`] : []),
    ...(report.dropped.length > 0 ? [`  dropped    ${list(report.dropped)}`] : []),
    ...(report.leftOver.length > 0 ? [`  left over  ${list(report.leftOver)}`] : []),
    ...report.assumptions.map(({ field, value, why }) => `  assumed    ${field} ${value}: ${why}`),
    `  written    ${outdir} (${format === 'layers' ? `tfjs layers model, ${dtype}${quantize ? `, blocks ${quantize}` : ''}` : 'TensorFlow SavedModel'})`,
  ];
  print(lines.join('\n'));
}
