import { UserError } from '../../src/errors.js';
import { preprocess, preprocessingFor } from '../../src/image/index.js';
import { decodeImage } from '../../src/node/decode.js';

const preprocessing = preprocessingFor('deit', [224, 224]);

/**
 * Decodes and prepares an image as `deit eval` does. Gives the message of the UserError that this ended in, or
 * undefined if it gave an image; throws if it ended in anything else.
 */
export async function imageOutcome(bytes: Uint8Array): Promise<string | undefined> {
  try {
    const image = await decodeImage(bytes, 'case.jpg');
    if (image.data.length !== 3 * image.width * image.height) {
      throw new Error(`${image.data.length} bytes for ${image.width} × ${image.height} pixels`);
    }
    const input = preprocess(image, preprocessing);
    if (!input.every(Number.isFinite)) throw new Error('values that are not finite');
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { message } = error;
    if (
      !message.startsWith('case.jpg: ') ||
      /[\n\r]|undefined|NaN|\[object/.test(message) ||
      message.length > 900
    ) {
      throw new Error(`not one clear line: ${JSON.stringify(message)}`);
    }
    return message;
  }
}
