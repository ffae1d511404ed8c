/** The tensors of the model's checkpoint; where the model came otherwise, its weights as it computes with them. */
import type { Deit } from './modelHost.js';
import type { Histogram, ModelData, TensorList } from './protocol.js';

type Model = Awaited<ReturnType<Deit['load']>>;

export interface TensorReader {
  readonly list: TensorList;
  /** float32, in row-major order; rejects where a tensor's type is not read. */
  read(name: string): Promise<Float32Array>;
}

export async function openTensors(deit: Deit, model: Model, data: ModelData): Promise<TensorReader> {
  const bytes = await checkpointBytes(deit, data);
  return bytes ? readerOf(deit, bytes) : weightsOf(model);
}

/** @throws UserError if it is no checkpoint */
export async function readerOf(deit: Deit, bytes: Blob | Uint8Array): Promise<TensorReader> {
  const { format, tensors } = await deit.parseCheckpoint(bytes);
  return {
    list: {
      of: `checkpoint (${format})`,
      tensors: [...tensors.values()].map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    },
    read: (name) => tensors.get(name)!.read(),
  };
}

/** The checkpoint of a file or of its address; none of a converted folder or of a name on the hub. */
async function checkpointBytes(deit: Deit, data: ModelData): Promise<Blob | Uint8Array | undefined> {
  if (data instanceof File) return data;
  if (typeof data !== 'string' || /^hf:/i.test(data)) return undefined;
  if (!/\.(pth|pt|bin|ckpt|safetensors|npz)([?#]|$)/i.test(data)) return undefined;
  return deit.cachedFetch()(data);
}

/** The names are those of the model's table of weights: tfjs puts `layer/` before them. */
function weightsOf(model: Model): TensorReader {
  const all = model.layersModel.layers.flatMap(({ weights }) => weights);
  const weights = new Map(all.map((weight) => [weight.originalName.replace(/^.*\//, ''), weight]));
  return {
    list: {
      of: 'model, as it computes',
      tensors: [...weights].map(([name, { shape, dtype }]) => ({ name, shape: shape as number[], dtype })),
    },
    read: async (name) => weights.get(name)!.read().data<'float32'>(),
  };
}

const BINS = 32;

/** How a tensor's values are spread; those that are not finite are counted apart. */
export function histogramOf(values: Float32Array): Histogram {
  let [min, max, sum, bad] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) {
      bad++;
      continue;
    }
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const count = values.length - bad;
  const mean = sum / count;
  const counts = new Uint32Array(BINS);
  const scale = max > min ? BINS / (max - min) : 0;
  let squares = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    squares += (value - mean) ** 2;
    counts[Math.min(BINS - 1, Math.floor((value - min) * scale))]!++;
  }
  return { min, max, mean, deviation: Math.sqrt(squares / count), bad, counts };
}
