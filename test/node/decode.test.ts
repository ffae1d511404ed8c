import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { UserError } from '../../src/errors.js';
import { crc32 } from '../../src/image/formats/crc32.js';
import { decodeImage, MAX_FILE_BYTES, MAX_PIXELS } from '../../src/node/decode.js';
import { shorten } from '../../src/text.js';
import { fixture, sha256 } from '../image/images.js';

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
  'lab.tif': /cannot be decoded: a TIFF in CIELAB, which is not read; save it as PNG$/,
  'ycbcr-44.tif': /cannot be decoded: a TIFF in YCbCr of this kind, which is not read/,
  'jpeg-planes-lab.tif': /a TIFF in CIELAB/,
  'jpeg-planes-extra.tif': /a TIFF with extra planes of no meaning/,
  'planes16.tif': /cannot be decoded: a TIFF in planes of this kind, which is not read/,
};

/** The error of a decoding that must fail, checked to be one line that begins with the file's name. */
async function failure(input: string | Uint8Array, name?: string): Promise<string> {
  const error = await decodeImage(input, name).then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error!.message.startsWith(`${name ?? (typeof input === 'string' ? input : 'image')}: `)).toBe(true);
  expect(error!.message).not.toContain('\n');
  return error!.message;
}

test('every image of the fixtures has its entry', () => {
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
  expect(await failure(pathOf(name))).toMatch(/cannot be decoded: |more than \d+ pixels/);
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

test('a GIF cut anywhere within its pixels is refused, a PNG up to its last row', async () => {
  const gif = readFileSync(pathOf('plain.gif'));
  for (const kept of [13, 40, 100, gif.length >> 1, gif.length - 20]) await failure(gif.subarray(0, kept));
  const png = readFileSync(pathOf('filters-8-2.png'));
  for (const kept of [8, 20, 33, 100, png.length >> 1, png.length - 70]) await failure(png.subarray(0, kept));
});

test('the largest image is refused by every reader before it takes memory', async () => {
  const claims: [string, (bytes: Buffer) => void][] = [
    ['24-bit.bmp', (bytes) => bytes.writeUInt32LE(2 ** 30, 18)],
    ['filters-8-2.png', (bytes) => bytes.writeUInt32BE(0x7fffffff, 16)],
    ['offset.gif', (bytes) => bytes.writeUInt32LE(0xffffffff, 6)],
  ];
  for (const [file, claim] of claims) {
    const bytes = Buffer.from(readFileSync(pathOf(file)));
    claim(bytes);
    if (file.endsWith('png')) bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
    expect(await failure(new Uint8Array(bytes), 'bomb')).toMatch(`bomb: more than ${MAX_PIXELS} pixels`);
  }
  expect(await failure(Buffer.from('P6 100000 100000 255\n'), 'bomb')).toMatch(/more than/);
});

test('what is no image of a val set is refused by its first bytes', async () => {
  const found = async (text: string) => failure(Buffer.from(text, 'latin1'), 'x.jpg');
  expect(await found('')).toMatch(/found an empty file/);
  expect(await found('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')).toMatch(
    /SVG drawing/,
  );
  expect(await found('<?xml version="1.0"?>\n<!-- x --><svg width="9"></svg>')).toMatch(/SVG drawing/);
  expect(await found('%PDF-1.7\n')).toMatch(/PDF document/);
  expect(await found('<!DOCTYPE html><html>')).toMatch(/HTML/);
  expect(await found('PK\x03\x04')).toMatch(/zip archive/);
  for (const brand of ['avif', 'avis', 'heic', 'heix', 'hevc', 'mif1', 'msf1']) {
    expect(await found(`\0\0\0\x1cftyp${brand}`)).toMatch(/HEIF or AVIF/);
  }
  for (const brand of ['isom', 'mp42', 'qt  ', 'M4V ']) {
    expect(await found(`\0\0\0\x1cftyp${brand}`)).toMatch(/a video \(MP4, QuickTime\)/);
  }
  expect(await found('\0\0\x01\0\x01\0')).toMatch(/an icon \(ICO\)/);
  expect(await found('just text')).toMatch(/begins with the bytes 6a757374/);
});

test('an image over the pixel limit is refused before it is decoded', async () => {
  const claimed = Uint8Array.from(readFileSync(pathOf('photo.jpg')));
  const frame = Buffer.from(claimed.buffer).indexOf(Buffer.from([0xff, 0xc0]));
  claimed.set([0xfe, 0xdc, 0xfe, 0xdc], frame + 5); // height and width 65244
  expect(await failure(claimed, 'bomb.jpg')).toMatch(`bomb.jpg: more than ${MAX_PIXELS} pixels`);
});

test('folders, pipes, absent and oversized files are refused without being read', async () => {
  expect(await failure(folder)).toMatch(/is a folder/);
  expect(await failure(join(folder, 'none.jpg'))).toMatch(/no such file/);
  const text = 'A'.repeat(5000);
  const base64 = await failure(text, shorten(text));
  expect(base64).toMatch(/5000 characters\): longer than a path can be; an image’s bytes as base64 stand/);
  expect(base64.length).toBeLessThan(400);
  const pipe = join(folder, 'pipe.jpg');
  execFileSync('mkfifo', [pipe]);
  expect(await failure(pipe)).toMatch(/not a regular file/);
  const large = join(folder, 'large.jpg');
  writeFileSync(large, readFileSync(pathOf('rgb.jpg')));
  truncateSync(large, MAX_FILE_BYTES + 1); // sparse: takes no room on the disk
  expect(await failure(large)).toMatch(/images of at most \d+ bytes are read/);
});
