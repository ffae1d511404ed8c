import { bytesSource, parseCheckpoint } from '../../../converters/formats/index.js';
import { UserError } from '../../../src/errors.js';

/** Longest message that still counts as one clear line. */
const MAX_MESSAGE = 900;

/**
 * Parses the bytes and reads every tensor. Gives the message of the UserError that this ended in, or undefined if it
 * ended in a result; throws if it ended in anything else, or the message is not one line about that file.
 */
export async function parseOutcome(bytes: Uint8Array): Promise<string | undefined> {
  try {
    const { tensors } = await parseCheckpoint(bytesSource(bytes, 'case.pth'));
    for (const tensor of tensors.values()) {
      const count = tensor.shape.reduce((product, size) => product * size, 1);
      const values = await tensor.read();
      if (!tensor.shape.includes(0) && values.length !== count) {
        throw new Error(`${tensor.name}: ${values.length} values of shape [${tensor.shape}]`);
      }
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const isClear =
      error.message.startsWith('case.pth: ') &&
      error.message.length <= MAX_MESSAGE &&
      !/[\n\r\u2028\u2029]/.test(error.message) &&
      !/undefined|NaN|\[object/.test(error.message);
    if (!isClear) throw new Error(`not one clear line: ${JSON.stringify(error.message)}`);
    return error.message;
  }
}
