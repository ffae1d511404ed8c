import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertWithFacts } from '../../converters/convertWithFacts.js';
import { bytesSource, parseCheckpoint } from '../../converters/formats/index.js';

/**
 * Maps the bytes of a checkpoint to a vision transformer.
 *
 * @param name where a Uint8Array's bytes come from, for errors
 * @throws UserError that says what they hold, if it is none
 */
export async function convertBytes(
  bytes: Uint8Array | ArrayBuffer | Blob,
  options: ConvertOptions,
  name?: string,
): Promise<Conversion> {
  const named = name !== undefined && bytes instanceof Uint8Array;
  return convertWithFacts(await parseCheckpoint(named ? bytesSource(bytes, name) : bytes), options);
}
