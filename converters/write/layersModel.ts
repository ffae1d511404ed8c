import { checkArguments } from '../../src/checkArguments.js';
import { checkOptions } from '../../src/checkOptions.js';
import { modelMetadata } from '../../src/families/metadata.js';
import type { WeightReader } from '../../src/families/types.js';
import type { VitConfig } from '../../src/families/vit/config.js';
import { topology } from '../../src/families/vit/topology.js';
import { savedWeightName, type WeightSpec, weightSpecs } from '../../src/families/vit/weights.js';
import type { Preprocessing } from '../../src/image/types.js';
import { sizeOf } from '../../src/shape.js';
import { bytesPerValue, encodeWeight, type Quantization, type WeightDtype } from './encodeWeight.js';
import type { OutputSink } from './sink.js';

/** Size of a shard in bytes, tfjs' own default: browsers cache files of this size. */
const SHARD_BYTES = 4 * 1024 * 1024;

/** A model to be written. */
export interface WritableModel {
  readonly config: VitConfig;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  readonly readWeight: WeightReader;
}

interface ManifestWeight {
  name: string;
  shape: number[];
  dtype: 'float32';
  quantization?: Quantization;
}

/**
 * Writes a tfjs layers model: model.json and group1-shard*of*.bin. Weights are read, encoded and written one at a
 * time. The same model gives the same bytes.
 */
export async function writeLayersModel(
  model: WritableModel,
  sink: OutputSink,
  options: { dtype?: WeightDtype; onProgress?: (fraction: number) => void } = {},
): Promise<void> {
  checkArguments('writeLayersModel', { model: ['conversion', model], sink: ['sink', sink] });
  checkOptions('writeLayersModel', options, { dtype: 'text', onProgress: 'function' });
  const dtype = options.dtype ?? 'float32';
  const specs = weightSpecs(model.config);
  const stored = (codes?: boolean) => (codes ? 'codes' : dtype);
  const bytesOf = ({ shape, codes }: WeightSpec) =>
    bytesPerValue(stored(codes), shape.length) * sizeOf(shape);
  const total = specs.reduce((sum, spec) => sum + bytesOf(spec), 0);
  const shards = Math.ceil(total / SHARD_BYTES);
  const manifest: ManifestWeight[] = [];

  async function* encoded(): AsyncGenerator<Uint8Array> {
    let done = 0;
    for (const spec of specs) {
      const { name, shape, codes } = spec;
      const values = await model.readWeight(name);
      const { bytes, quantization } = encodeWeight(name, values, shape.length, stored(codes));
      manifest.push({
        name: savedWeightName(name),
        shape: [...shape],
        dtype: 'float32',
        ...(quantization ? { quantization } : {}),
      });
      yield bytes;
      done += bytesOf(spec);
      options.onProgress?.(done / total);
    }
  }

  const bytes = encoded();
  const rest = { chunk: new Uint8Array() };
  const paths = Array.from({ length: shards }, (_, i) => `group1-shard${i + 1}of${shards}.bin`);
  for (const path of paths) await sink.write(path, takeBytes(bytes, SHARD_BYTES, rest));
  // The last weight's bytes may end with the last shard: let the generator close its books.
  await bytes.next();
  await sink.write('model.json', [new TextEncoder().encode(modelJson(model, paths, manifest))]);
}

/** The next `count` bytes of a stream, or what is left of it; what was read beyond them stays in `rest`. */
async function* takeBytes(
  stream: AsyncGenerator<Uint8Array>,
  count: number,
  rest: { chunk: Uint8Array },
): AsyncGenerator<Uint8Array> {
  let missing = count;
  while (missing > 0) {
    if (rest.chunk.length === 0) {
      const next = await stream.next();
      if (next.done) return;
      rest.chunk = next.value;
    }
    const part = rest.chunk.subarray(0, missing);
    rest.chunk = rest.chunk.subarray(part.length);
    missing -= part.length;
    yield part;
  }
}

function modelJson(model: WritableModel, paths: string[], weights: ManifestWeight[]): string {
  return JSON.stringify({
    format: 'layers-model',
    generatedBy: 'deit-tfjs',
    convertedBy: null,
    modelTopology: modelTopology(model.config),
    weightsManifest: [{ paths, weights }],
    userDefinedMetadata: { deit: modelMetadata(model) },
  });
}

/** The model as tfjs saves it: keys in snake case. */
export function modelTopology(config: VitConfig): Record<string, unknown> {
  return {
    class_name: 'Model',
    config: toSnakeCase(topology(config)),
    keras_version: 'tfjs-layers 4.22.0',
    backend: 'tensor_flow.js',
  };
}

function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    toSnakeCase(inner),
  ]);
  return Object.fromEntries(entries);
}
