import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { UserError } from '../../src/errors.js';
import { decodeImage, MAX_FILE_BYTES, MAX_PIXELS } from '../../src/node/decode.js';
import { fixture, sha256 } from '../image/pictures.js';

interface PillowReads {
  readonly error?: true;
  readonly mode: string;
  readonly width: number;
  readonly height: number;
  readonly sha256: string;
}

const { files } = JSON.parse(readFileSync(fixture('images.json'), 'utf8')) as {
  files: Record<string, PillowReads>;
};
const folder = mkdtempSync(join(tmpdir(), 'deit-decode-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pathOf = (name: string) => fileURLToPath(fixture(`images/${name}`));

/** Files that Pillow reads and this project refuses, with a clear word. */
const refused: Record<string, RegExp> = {
  'rgb.bmp': /expected JPEG, PNG, WebP, GIF or TIFF, found a BMP picture$/,
  'float.tif': /pixels of kind b-w \(float\) are not read/,
};

/** The error of a decoding that must fail, checked to be one line that begins with the file's name. */
async function failure(input: string | Uint8Array, name?: string): Promise<string> {
  const error = await decodeImage(input, name).then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error!.message.startsWith(`${name ?? (typeof input === 'string' ? input : 'picture')}: `)).toBe(
    true,
  );
  expect(error!.message).not.toContain('\n');
  return error!.message;
}

test('every picture of the fixtures has its entry', () => {
  expect(readdirSync(pathOf('.')).sort()).toEqual(Object.keys(files).sort());
});

test.each(
  Object.entries(files).filter(([name, { error }]) => !error && !(name in refused)),
)('%s has the pixels of Pillow, by path and by bytes', async (name, expected) => {
  const bytes = readFileSync(pathOf(name));
  const before = sha256(bytes);
  for (const image of [await decodeImage(pathOf(name)), await decodeImage(bytes)]) {
    expect([image.width, image.height]).toEqual([expected.width, expected.height]);
    expect(sha256(image.data)).toBe(expected.sha256);
  }
  expect(sha256(bytes)).toBe(before);
});

test('an applied colour profile or orientation would show in the fixtures', async () => {
  const profiled = await sharp(pathOf('icc.jpg')).raw().toBuffer();
  expect(sha256(profiled)).not.toBe(files['icc.jpg']!.sha256);
  const turned = await sharp(pathOf('rotated.jpg')).autoOrient().raw().toBuffer({ resolveWithObject: true });
  expect(turned.info.width).toBe(files['rotated.jpg']!.height);
});

test.each(
  Object.entries(files).filter(([, { error }]) => error),
)('%s, which Pillow refuses, is refused', async (name) => {
  expect(await failure(pathOf(name))).toMatch(/cannot be decoded/);
});

test.each(Object.entries(refused))('%s is refused with what it is', async (name, message) => {
  expect(await failure(pathOf(name))).toMatch(message);
});

test('a JPEG cut anywhere is refused, as Pillow refuses it', async () => {
  const whole = readFileSync(pathOf('photo.jpg'));
  for (const kept of [1, 2, 3, 20, 300, whole.length >> 1, whole.length - 40, whole.length - 1]) {
    await failure(whole.subarray(0, kept));
  }
});

test('what is no picture of a val set is refused by its first bytes', async () => {
  const found = async (text: string) => failure(Buffer.from(text, 'latin1'), 'x.jpg');
  expect(await found('')).toMatch(/found an empty file/);
  expect(await found('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')).toMatch(
    /SVG drawing/,
  );
  expect(await found('<?xml version="1.0"?>\n<!-- x --><svg width="9"></svg>')).toMatch(/SVG drawing/);
  expect(await found('%PDF-1.7\n')).toMatch(/PDF document/);
  expect(await found('<!DOCTYPE html><html>')).toMatch(/HTML/);
  expect(await found('PK\x03\x04')).toMatch(/zip archive/);
  expect(await found('\0\0\0\x1cftypavif')).toMatch(/HEIF or AVIF/);
  expect(await found('just text')).toMatch(/begins with the bytes 6a757374/);
});

test('a picture over the pixel limit is refused before it is decoded', async () => {
  const claimed = Uint8Array.from(readFileSync(pathOf('photo.jpg')));
  const frame = Buffer.from(claimed.buffer).indexOf(Buffer.from([0xff, 0xc0]));
  claimed.set([0xfe, 0xdc, 0xfe, 0xdc], frame + 5); // height and width 65244
  expect(await failure(claimed, 'bomb.jpg')).toMatch(`bomb.jpg: more than ${MAX_PIXELS} pixels`);
});

test('folders, pipes, absent and oversized files are refused without being read', async () => {
  expect(await failure(folder)).toMatch(/is a folder/);
  expect(await failure(join(folder, 'none.jpg'))).toMatch(/no such file/);
  const pipe = join(folder, 'pipe.jpg');
  execFileSync('mkfifo', [pipe]);
  expect(await failure(pipe)).toMatch(/not a regular file/);
  const large = join(folder, 'large.jpg');
  writeFileSync(large, readFileSync(pathOf('rgb.jpg')));
  truncateSync(large, MAX_FILE_BYTES + 1); // sparse: takes no room on the disk
  expect(await failure(large)).toMatch(/pictures of at most \d+ bytes are read/);
});
