import { checkArguments } from '../../src/checkArguments.js';
import { isNpz, readNpy, readNpz } from './npz.js';
import { readSafetensors } from './safetensors.js';
import { type Container, sniffFormat } from './sniff.js';
import { blobSource, bytesSource } from './sources.js';
import { readLegacyCheckpoint } from './torch/legacyCheckpoint.js';
import { readZipCheckpoint } from './torch/zipCheckpoint.js';
import type { ByteSource, Checkpoint } from './types.js';
import { openZip } from './zipArchive.js';

const READERS: Readonly<Record<Container, (source: ByteSource) => Promise<Checkpoint>>> = {
  zip: readZip,
  legacy: readLegacyCheckpoint,
  safetensors: readSafetensors,
  npy: readNpy,
};

/**
 * Finds every tensor of a checkpoint: zip .pth (PyTorch 1.6 and later), legacy .pth, safetensors, .npz or .npy,
 * told apart by content. Values are read when a tensor's read() is called, so the source must stay open until then.
 *
 * Nothing in the file is executed or constructed: names that are not on a fixed list become placeholders, from which no
 * tensor is taken, and the limits of limits.ts bound time and memory for any input. A tensor whose values are not read
 * (complex, quantised, sparse …) is listed, and its read() rejects. Throws a UserError of one line that says what is
 * wrong and where.
 */
export async function parseCheckpoint(
  input: ByteSource | Uint8Array | ArrayBuffer | Blob,
): Promise<Checkpoint> {
  const source = toSource(input);
  return READERS[await sniffFormat(source)](source);
}

function toSource(input: ByteSource | Uint8Array | ArrayBuffer | Blob): ByteSource {
  if (input instanceof Uint8Array || input instanceof ArrayBuffer) return bytesSource(input);
  if (input instanceof Blob) return blobSource(input);
  checkArguments('parseCheckpoint', { input: ['byteSource', input] });
  return input;
}

async function readZip(source: ByteSource): Promise<Checkpoint> {
  const zip = await openZip(source);
  return isNpz(zip) ? readNpz(source, zip) : readZipCheckpoint(source, zip);
}
