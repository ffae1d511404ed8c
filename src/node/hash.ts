import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { UserError } from '../errors.js';

/** SHA-256 of a file in hexadecimal; the file is streamed. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The digits of SHA-256 at the end of an official file's name, as torch.hub reads them, or undefined. */
export function hashPrefix(path: string): string | undefined {
  return /-([0-9a-f]{8,64})\.[^.]+$/.exec(basename(path))?.[1];
}

/** Checks a file against the hash in its own name, where it has one. Throws a UserError if it differs. */
export async function checkHashInName(path: string): Promise<void> {
  const expected = hashPrefix(path);
  if (!expected) return;
  const found = await sha256File(path);
  if (!found.startsWith(expected)) {
    throw new UserError(
      `${path}: SHA-256 should begin with ${expected} as its name says, is ${found.slice(0, expected.length)}…; ` +
        'the file is damaged or another one, download it again',
    );
  }
}
