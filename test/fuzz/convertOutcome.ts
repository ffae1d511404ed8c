import { type ConvertOptions, convert } from '../../converters/convert.js';
import { bytesSource, parseCheckpoint } from '../../converters/formats/index.js';
import { writeLayersModel } from '../../converters/write/layersModel.js';
import { writeSavedModel } from '../../converters/write/savedModel/index.js';
import type { OutputSink } from '../../converters/write/sink.js';
import { stateDictChunks } from '../../converters/write/stateDict.js';
import { UserError } from '../../src/errors.js';
import { quantize } from '../../src/families/vit/quantize.js';

/** Longest message that still counts as one clear line. */
const MAX_MESSAGE = 900;

/** What is made of a model once it is converted. */
export type Export = 'float32' | 'float16' | 'uint8' | 'int8' | 'saved-model' | 'state-dict';

export const EXPORTS: readonly Export[] = [
  'float32',
  'float16',
  'uint8',
  'int8',
  'saved-model',
  'state-dict',
];

export interface ConvertTask {
  readonly bytes: Uint8Array;
  readonly options: ConvertOptions;
  readonly output: Export;
}

/** Takes all bytes and keeps none. */
async function drain(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

const nowhere: OutputSink = { write: (_path, chunks) => drain(chunks) };

/**
 * Parses, converts and exports to nowhere. Gives the message of the UserError that this ended in, or undefined if it
 * ended in a model; throws if it ended in anything else, or the message is not one line.
 */
export async function convertOutcome({ bytes, options, output }: ConvertTask): Promise<string | undefined> {
  try {
    const model = convert(await parseCheckpoint(bytesSource(bytes, 'case.pth')), options);
    if (output === 'saved-model') await writeSavedModel(model.config, model.readWeight, nowhere);
    else if (output === 'state-dict') await drain(stateDictChunks(model));
    else if (output === 'int8') await writeLayersModel(quantize(model), nowhere);
    else await writeLayersModel(model, nowhere, { dtype: output });
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const isClear =
      error.message.length <= MAX_MESSAGE &&
      !/[\n\r\u2028\u2029]/.test(error.message) &&
      !/undefined|\[object/.test(error.message);
    if (!isClear) throw new Error(`not one clear line: ${JSON.stringify(error.message)}`);
    return error.message;
  }
}
