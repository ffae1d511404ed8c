import { UserError } from '../errors.js';

/**
 * Which device is asked for: by its number among `names`, counted from 0, or by part of its name, in any case and with
 * any signs between words (`rtx 4090` is in `NVIDIA GeForce RTX 4090`). Of several it is the first.
 *
 * @param backend the backend that has them, for the error
 * @returns its number
 * @throws UserError that lists what there is
 */
export function chooseDevice(asked: string, names: readonly string[], backend: string): number {
  const isIndex = /^\d+$/.test(asked.trim());
  if (isIndex && Number(asked) < names.length) return Number(asked);
  const wanted = plain(asked);
  const found = names.findIndex((name) => {
    const known = plain(name);
    // Of a model's number it is all: a fifth card that is not there is no 4090, nor is one of -1 or 0.5 an H100.
    if (/^[\d ]*$/.test(wanted)) return isIndex && known.split(' ').includes(wanted);
    return known.includes(wanted);
  });
  if (found >= 0) return found;
  const list = names.map((name, i) => `${i} ${name}`).join(', ');
  throw new UserError(`${backend} finds no device "${asked}"${list ? `; there are: ${list}` : ''}`);
}

/** Whether two names have the same letters and digits. */
export function isSameName(one: string, other: string): boolean {
  return plain(one) === plain(other);
}

/** A name's letters and digits, a space between words. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
