import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { op, safetensorsFile, tensorPickle, zipCheckpoint } from '../converters/formats/builders.js';
import { type ConvertTask, EXPORTS } from './convertOutcome.js';
import { mutated } from './mutate.js';

/** Seen from dist/test/fuzz. */
const MODELS = new URL('../../../test/fixtures/models/', import.meta.url);

export interface ConvertCase extends ConvertTask {
  readonly kind: 'model bytes' | 'model header' | 'model shapes' | 'model pickle';
}

/** Sound models, each of another naming, container or head. */
function models(): Uint8Array[] {
  return readdirSync(MODELS)
    .filter((file) => /\.(pth|safetensors)$/.test(file))
    .map((file) => new Uint8Array(readFileSync(new URL(file, MODELS))));
}

/** All cases, of up to `maxDepth` blocks; the same seed gives the same cases. */
export function convertCases(maxDepth = 400): fc.Arbitrary<ConvertCase> {
  const corpus = models();
  const kinds = fc.oneof(
    { weight: 3, arbitrary: mutated(fc.constantFrom(...corpus), corpus).map(asKind('model bytes')) },
    { weight: 3, arbitrary: changedHeader(corpus).map(asKind('model header')) },
    { weight: 3, arbitrary: shapes().map(asKind('model shapes')) },
    { weight: 1, arbitrary: repeated(maxDepth).map(asKind('model pickle')) },
  );
  const options = fc.record(
    {
      model: fc.constantFrom('auto', 'auto', 'deit_tiny_patch16_224'),
      imgSize: fc.constantFrom<readonly [number, number]>([32, 32], [48, 24], [7, 7], [224, 224]),
      numClasses: fc.constantFrom(0, 1, 7),
      numHeads: fc.constantFrom(1, 2, 3),
    },
    { requiredKeys: [] },
  );
  return fc
    .tuple(kinds, options, fc.constantFrom(...EXPORTS))
    .map(([{ kind, bytes }, given, output]) => ({ kind, bytes, options: given, output }));
}

function asKind(kind: ConvertCase['kind']) {
  return (bytes: Uint8Array) => ({ kind, bytes });
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The models in safetensors with tensors dropped, renamed, doubled under other names, or of other shapes and types. */
function changedHeader(corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const headers = corpus.filter((bytes) => bytes[8] === 0x7b).map(headerOf);
  const change = fc.record({
    how: fc.constantFrom('drop', 'rename', 'shape', 'dtype', 'wrap', 'number'),
    which: fc.nat(200),
    name: fc.constantFrom(
      'head.weight',
      'dist_token',
      'blocks.999.norm1.weight',
      '__proto__',
      'mask_token',
      'a',
    ),
    shape: fc.array(fc.constantFrom(0, 1, 2, 3, 64, 2 ** 31, 2 ** 53 - 1), { maxLength: 5 }),
    dtype: fc.constantFrom('F16', 'BF16', 'I32', 'F8_E4M3', 'C64', 'F4'),
  });
  return fc
    .tuple(fc.constantFrom(...headers), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([{ header, data }, changes]) => {
      let entries = Object.entries(header);
      for (const { how, which, name, shape, dtype } of changes) {
        const at = which % entries.length;
        const [old, entry] = entries[at]!;
        if (how === 'drop' && entries.length > 1) entries.splice(at, 1);
        else if (how === 'rename') entries[at] = [name, entry];
        else if (how === 'shape') entries[at] = [old, { ...entry, shape }];
        else if (how === 'dtype') entries[at] = [old, { ...entry, dtype }];
        else if (how === 'wrap') entries = entries.map(([inner, e]) => [`model.${inner}`, e]);
        else entries[at] = [old.replace(/\d+/, String(which)), entry];
      }
      // What was dropped, or is of another size, leaves no holes.
      const parts: Uint8Array[] = [];
      let end = 0;
      const placed = entries.map(([name, entry]): [string, Entry] => {
        const length = Math.min(1e6, bytesOf(entry));
        const [from] = entry.data_offsets;
        const part = new Uint8Array(length);
        part.set(data.subarray(from, from + length));
        parts.push(part);
        end += length;
        return [name, { ...entry, data_offsets: [end - length, end] }];
      });
      return safetensorsFile(JSON.stringify(Object.fromEntries(placed)), Buffer.concat(parts));
    });
}

const ITEM: Record<string, number> = { F32: 4, I32: 4, F16: 2, BF16: 2, F8_E4M3: 1, C64: 8, F4: 1 };

function bytesOf({ dtype, shape }: Entry): number {
  return shape.reduce((a, b) => a * b, 1) * (ITEM[dtype] ?? 4);
}

function headerOf(bytes: Uint8Array): { header: Record<string, Entry>; data: Uint8Array } {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { __metadata__: _, ...header } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, 8 + length)),
  ) as Record<string, Entry>;
  return { header, data: bytes.subarray(8 + length) };
}

interface Sizes {
  width: number;
  patch: number;
  chans: number;
  grid: number;
  depth: number;
  hidden: number;
  classes: number;
}

/** Whole models in timm's names, of small sizes, some of them none that a model can have. */
function shapes(): fc.Arbitrary<Uint8Array> {
  const size = fc.constantFrom(1, 2, 3, 4, 6, 8, 64);
  const odd = fc.oneof({ weight: 9, arbitrary: size }, { weight: 1, arbitrary: fc.constantFrom(0, 5, 7) });
  return fc
    .record<Sizes>({
      width: odd,
      patch: odd,
      chans: odd,
      grid: odd,
      depth: fc.nat(3),
      hidden: odd,
      classes: odd,
    })
    .map((sizes) => {
      let end = 0;
      const header: Record<string, Entry> = {};
      for (const [name, shape] of Object.entries(timmShapes(sizes))) {
        const bytes = bytesOf({ dtype: 'F32', shape, data_offsets: [0, 0] });
        header[name] = { dtype: 'F32', shape, data_offsets: [end, end + bytes] };
        end += bytes;
      }
      return safetensorsFile(header, new Uint8Array(end).fill(0x3d));
    });
}

function timmShapes({
  width: d,
  patch: p,
  chans,
  grid,
  depth,
  hidden,
  classes,
}: Sizes): Record<string, number[]> {
  const tensors: Record<string, number[]> = {
    cls_token: [1, 1, d],
    pos_embed: [1, 1 + grid * grid, d],
    'patch_embed.proj.weight': [d, chans, p, p],
    'patch_embed.proj.bias': [d],
    'norm.weight': [d],
    'norm.bias': [d],
    'head.weight': [classes, d],
    'head.bias': [classes],
  };
  for (let i = 0; i < depth; i++) {
    const add = (name: string, shape: number[]) => {
      tensors[`blocks.${i}.${name}`] = shape;
    };
    for (const norm of ['norm1', 'norm2']) for (const part of ['weight', 'bias']) add(`${norm}.${part}`, [d]);
    add('attn.qkv.weight', [3 * d, d]);
    add('attn.qkv.bias', [3 * d]);
    add('attn.proj.weight', [d, d]);
    add('attn.proj.bias', [d]);
    add('mlp.fc1.weight', [hidden, d]);
    add('mlp.fc1.bias', [hidden]);
    add('mlp.fc2.weight', [d, hidden]);
    add('mlp.fc2.bias', [d]);
  }
  return tensors;
}

/** Models of one stored element that strides of 0 repeat to any size, each tensor apart or all together. */
function repeated(maxDepth: number): fc.Arbitrary<Uint8Array> {
  const size = fc.constantFrom(0, 1, 64, 192, 2048);
  return fc
    .record<Sizes>({
      width: size,
      patch: fc.constantFrom(1, 16, 512, 2048),
      chans: fc.constantFrom(0, 1, 3),
      grid: fc.constantFrom(0, 1, 14, 1000, 2 ** 20),
      depth: fc.constantFrom(1, 2, 12, maxDepth),
      hidden: size,
      classes: fc.constantFrom(0, 1, 1000, 2 ** 24),
    })
    .map((sizes) => {
      const pairs = Object.entries(timmShapes(sizes)).flatMap(([name, shape]) => [
        op.text(name),
        tensorPickle({ shape, stride: shape.map(() => 0) }),
      ]);
      return zipCheckpoint(`${op.start}${op.dict(...pairs)}.`);
    });
}
