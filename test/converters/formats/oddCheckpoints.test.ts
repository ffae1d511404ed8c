import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { bytesSource, type CheckpointTensor, parseCheckpoint } from '../../../converters/formats/index.js';

/** Seen from dist/test/converters/formats. See make_odd_checkpoints.py. */
const FOLDER = new URL('../../../../test/fixtures/odd/', import.meta.url);

interface OddTensor {
  dtype: string;
  shape: number[];
  /** Of the float32 values; null where read() must refuse. */
  hex: string | null;
}

interface Odd {
  tensors: Record<string, OddTensor>;
  metadata: Record<string, unknown>;
}

const expected: Record<string, Odd> = JSON.parse(readFileSync(new URL('expected.json', FOLDER), 'utf8'));

function open(file: string) {
  return parseCheckpoint(bytesSource(readFileSync(new URL(file, FOLDER)), file));
}

/** What read() gives, with every NaN alike, or the message with which it refuses. */
async function valuesOf(tensor: CheckpointTensor): Promise<Float32Array | string> {
  try {
    return await tensor.read();
  } catch (error) {
    return (error as Error).message;
  }
}

function floats(hex: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
  return new Float32Array(bytes.buffer);
}

test.each(Object.keys(expected))('%s holds what PyTorch or NumPy reads from it', async (file) => {
  const { tensors, metadata } = await open(file);
  const { tensors: judged, metadata: facts } = expected[file]!;
  for (const [name, { dtype, shape, hex }] of Object.entries(judged)) {
    const tensor = tensors.get(name);
    expect([name, tensor?.dtype, tensor?.shape]).toEqual([name, dtype, shape]);
    const values = await valuesOf(tensor!);
    if (hex !== null) expect([name, values]).toEqual([name, floats(hex)]);
    else
      expect(values).toMatch(
        new RegExp(`^${file}: tensor "${name}" cannot be read: .*${tensor!.unreadable}`),
      );
    expect(tensor!.unreadable === undefined).toBe(hex !== null);
  }
  const others = [...tensors.keys()].filter((name) => !Object.hasOwn(judged, name));
  for (const name of others) expect(await valuesOf(tensors.get(name)!)).toMatch(/cannot be read: it lies in/);
  for (const [path, value] of Object.entries(facts)) expect([path, metadata[path]]).toEqual([path, value]);
});

const withModules = ['module_with_weights.legacy.pth', 'module_with_weights.pth'];

test.each(
  withModules,
)('a pickled module beside a state_dict leaves the weights to be read, and its own tensors are listed: %s', async (file) => {
  const { tensors } = await open(file);
  expect(await valuesOf(tensors.get('state_dict.weight')!)).toBeInstanceOf(Float32Array);
  expect(await valuesOf(tensors.get('module._parameters.weight')!)).toMatch(
    /lies in a pickled object of torch\.nn\.modules\.linear\.Linear, which only Python could build/,
  );
});

test('NumPy arrays in place of tensors are said to be that', async () => {
  await expect(open('arrays_alone.pth')).rejects.toThrow(
    /^arrays_alone\.pth: its values are NumPy arrays \("model\.w"\), no tensors; save them with torch\.from_numpy/,
  );
});

test('every odd checkpoint is judged', () => {
  const files = readdirSync(FOLDER).filter((file) => !file.endsWith('.json'));
  expect(files.filter((file) => !Object.hasOwn(expected, file))).toEqual([
    'arrays_alone.pth',
    ...withModules,
  ]);
});
