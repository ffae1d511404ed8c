import { expect, test } from '@jest/globals';
import { bytesSource, type Checkpoint, parseCheckpoint } from '../../../converters/formats/index.js';
import { openFileSource } from '../../../src/node/fileSource.js';
import { type Expected, expectedContents, fixtureBytes, fixtureNames, fixturePath } from './fixtures.js';

async function contents(checkpoint: Checkpoint): Promise<Expected> {
  const found: Expected = { tensors: {}, metadata: { ...checkpoint.metadata } };
  for (const [name, tensor] of checkpoint.tensors) {
    const values = [...(await tensor.read())].map((value) =>
      Number.isFinite(value) ? value : pythonName(value),
    );
    found.tensors[name] = { dtype: tensor.dtype, shape: [...tensor.shape], values };
  }
  return found;
}

function pythonName(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}

/** Own properties in a fixed order, so that a key `__proto__` counts. */
function sorted(record: object): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

const expected = expectedContents();

test.each(Object.keys(expected))('%s holds what PyTorch reads from it', async (file) => {
  const found = await contents(await parseCheckpoint(fixtureBytes(file)));
  const { tensors, metadata } = expected[file]!;
  expect(sorted(found.tensors)).toEqual(sorted(tensors));
  expect(sorted(found.metadata)).toEqual(sorted(metadata));
});

test('a file, a Blob, an ArrayBuffer and a view within a buffer give the same', async () => {
  const file = 'views.zip.pth';
  const bytes = fixtureBytes(file);
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  const source = await openFileSource(fixturePath(file));
  const inputs = [source, new Blob([bytes.slice()]), bytes.slice().buffer, shifted.subarray(3)];
  for (const input of inputs) {
    expect((await contents(await parseCheckpoint(input))).tensors).toEqual(expected[file]!.tensors);
  }
  await source.close();
});

test('reading a tensor reads its own bytes and no more', async () => {
  const inner = bytesSource(fixtureBytes('bare.zip.pth'), 'x.pth');
  let read = 0;
  const counting = {
    ...inner,
    read: (offset: number, length: number) => {
      read += length;
      return inner.read(offset, length);
    },
  };
  const { tensors } = await parseCheckpoint(counting);
  read = 0;
  await tensors.get('0.weight')!.read();
  expect(read).toBe(12 * 4);
});

test('values handed out are the reader’s own: changing them changes neither the file nor a second reading', async () => {
  const bytes = fixtureBytes('single.legacy.pth');
  const tensor = (await parseCheckpoint(bytes)).tensors.get('tensor')!;
  (await tensor.read()).fill(7);
  expect([...(await tensor.read())]).toEqual([0, 1, 2]);
});

test('keys named __proto__ and constructor pollute nothing', async () => {
  await parseCheckpoint(fixtureBytes('training.zip.pth'));
  expect('polluted' in {}).toBe(false);
});

test('a pickled module is refused with its class and the way out', async () => {
  await expect(parseCheckpoint(bytesSource(fixtureBytes('module.pth'), 'module.pth'))).rejects.toThrow(
    /^module\.pth: its tensors lie in a pickled object of torch\.nn\.modules\.linear\.Linear, .*state_dict/,
  );
});

test('every fixture that expected.json leaves out is one that must be refused', () => {
  expect(fixtureNames().filter((file) => expected[file] === undefined)).toEqual(['module.pth']);
});
