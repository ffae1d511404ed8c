import { UserError } from './errors.js';

/**
 * The text of a file, without a byte order mark.
 *
 * @param name the file's, for errors
 * @throws UserError if it is not UTF-8: read as that, letters of another encoding would be others without a word
 */
export function decodeText(bytes: Uint8Array, name: string): string {
  const [first, second] = bytes;
  const is16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  try {
    if (is16) throw new TypeError('UTF-16');
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(
      `${name}: expected text in UTF-8, found ${is16 ? 'UTF-16' : 'other bytes'}; save it as UTF-8`,
    );
  }
}

/**
 * The lines of a text file, without the last line's end and a byte order mark: a line ends as on Unix, Windows or old Macs.
 *
 * @param name the file's, for errors
 * @throws as decodeText
 */
export function decodeLines(bytes: Uint8Array, name: string): string[] {
  return decodeText(bytes, name)
    .replace(/(\r\n|\n|\r)$/, '')
    .split(/\r\n|\n|\r/);
}
