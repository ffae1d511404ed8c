import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { modelEntries } from '../../configs/models/index.js';
import { vitModels } from '../../configs/models/vit.js';
import { UserError } from '../errors.js';

/** Hexadecimal digits of a whole SHA-256. */
const WHOLE_DIGITS = 64;

/** Published beside the models' own checkpoints: the teacher of the paper's distillation. */
const OTHER_OFFICIAL = ['https://dl.fbaipublicfiles.com/deit/regnety_160-a5fe301d.pth'];

/** A file that its authors published: its URL and, if it is known, the whole SHA-256 in hexadecimal. */
export interface OfficialFile {
  readonly checkpoint?: string;
  readonly sha256?: string;
}

/** What a file's SHA-256 must be, or begin with, in hexadecimal, and by whose word. */
export interface KnownHash {
  readonly digits: string;
  /** For messages: `as its name says`. */
  readonly source: string;
}

/** SHA-256 of a file in hexadecimal; the file is streamed. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * What is known of the SHA-256 of a file of that name: the whole of it, if the table of official files has it, else the
 * first 8 digits, which stand in most official names (as torch.hub has them). Undefined for all other files: what they
 * end in may be a date, a commit or an epoch.
 */
export function officialHash(
  path: string,
  files: readonly OfficialFile[] = [...modelEntries, ...vitModels],
): KnownHash | undefined {
  const name = basename(path);
  const others = OTHER_OFFICIAL.map((checkpoint): OfficialFile => ({ checkpoint }));
  for (const { checkpoint, sha256 } of [...files, ...others]) {
    if (checkpoint === undefined || basename(new URL(checkpoint).pathname) !== name) continue;
    if (sha256 !== undefined) return { digits: sha256, source: 'as published' };
    const digits = /-([0-9a-f]{8,64})\.[^.]+$/.exec(name)?.[1];
    return digits === undefined ? undefined : { digits, source: 'as its name says' };
  }
  return undefined;
}

/**
 * Describes what a check of so many digits compared. Eight digits are 32 bits: they find damage, and a file that
 * was forged to have them can be made in minutes.
 */
export function describeCheck(digits: number): string {
  if (digits === 0) return 'no published SHA-256 is known to check it by';
  if (digits === WHOLE_DIGITS) return 'its SHA-256 is the published one';
  return `the first ${digits} hex digits of its SHA-256 are the published ones, which finds damage and not forgery`;
}

/** A sentence about a hash that is not the expected one. `what` is the file or its address. */
export function wrongHash(what: string, { digits, source }: KnownHash, found: string): string {
  const verb = digits.length === WHOLE_DIGITS ? 'be' : 'begin with';
  const shown = digits.length === WHOLE_DIGITS ? found : `${found.slice(0, digits.length)}…`;
  return `${what}: SHA-256 should ${verb} ${digits} ${source}, is ${shown}`;
}

/** Where the SHA-256 of a downloaded file is kept, in the form of sha256sum. */
function sumFile(path: string): string {
  return `${path}.sha256`;
}

/** Keeps the SHA-256 of a downloaded file beside it, so that damage is found later: `sha256sum -c FILE.sha256`. */
export async function keepSum(path: string, sha256: string): Promise<void> {
  await writeFile(sumFile(path), `${sha256}  ${basename(path)}\n`);
}

/** The SHA-256 that keepSum left for the file, or undefined. */
export async function keptSum(path: string): Promise<KnownHash | undefined> {
  const text = await readFile(sumFile(path), 'utf8').catch(() => '');
  const [, digits, name] = /^([0-9a-f]{64}) [ *](.+)\n?$/.exec(text) ?? [];
  if (digits === undefined || name !== basename(path)) return undefined;
  return { digits, source: `as ${sumFile(path)} has kept it` };
}

/**
 * Checks a file against what is known of its SHA-256: the sum that was kept when it was downloaded, else what the
 * table of official files says of its name. Other files are not read. Throws a UserError if it differs.
 */
export async function checkHashInName(path: string): Promise<void> {
  const expected = (await keptSum(path)) ?? officialHash(path);
  if (!expected) return;
  const found = await sha256File(path);
  if (!found.startsWith(expected.digits)) {
    throw new UserError(
      `${wrongHash(path, expected, found)}; the file is damaged or another one, download it again`,
    );
  }
}
