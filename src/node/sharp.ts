import type sharp from 'sharp';
import { UserError } from '../errors.js';

export type Sharp = typeof sharp;

let loaded: Promise<Sharp> | undefined;

/**
 * sharp, which decodes images, loaded when the first image is read: what reads none works without its binary.
 *
 * @throws UserError if it cannot be loaded, e.g. since it was installed for another platform
 */
export function loadSharp(): Promise<Sharp> {
  loaded ??= import('sharp').then(
    ({ default: module }) => module,
    (error: Error) => {
      loaded = undefined;
      const [reason] = error.message.split('\n').filter((line) => line.trim() !== '');
      throw new UserError(
        `images cannot be read: sharp cannot be loaded (${reason?.trim()}); install it for this platform: npm install --include=optional sharp`,
        { cause: error },
      );
    },
  );
  return loaded;
}
