/** The worker's side: one model, called from a page. */
import * as tf from '@tensorflow/tfjs-core';
import type { BackendChoice } from '../../backend.js';
import { checkArguments } from '../../checkArguments.js';
import { readValues } from '../../deviceLost.js';
import { UserError } from '../../errors.js';
import { attentionStack } from '../../explain/index.js';
import { preprocess } from '../../image/index.js';
import { toPixels, toRgb } from '../../models/classify.js';
import type { VisionTransformer } from '../../models/visionTransformer.js';
import { useSentAssets } from '../assets.js';
import { load } from '../load.js';
import type {
  FromWorker,
  HeadLogits,
  LoadRequest,
  PlainTensor,
  SentImage,
  ToWorker,
  WorkerMethods,
} from './protocol.js';

/** What a dedicated worker's global scope has; TypeScript's DOM types have it as Window. */
interface WorkerScope {
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWorker>) => void): void;
  postMessage(message: FromWorker, transfer: Transferable[]): void;
}

type Call = Extract<ToWorker, { method: string }>;
type Asynchronous = {
  [Name in keyof WorkerMethods]: (
    ...args: Parameters<WorkerMethods[Name]>
  ) => Promise<ReturnType<WorkerMethods[Name]>>;
};

/** Answers the calls of a page's WorkerModel. To be called once, at the worker's start. */
export function serveWorker(scope = globalThis as unknown as WorkerScope): void {
  checkArguments('serveWorker', { scope: ['workerScope', scope] });
  const aborts = new Map<number, AbortController>();
  let model: VisionTransformer | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  const answer = async (call: Call, signal: AbortSignal) => {
    const send = (message: FromWorker, transfer: Transferable[] = []) => scope.postMessage(message, transfer);
    try {
      signal.throwIfAborted();
      const methods: Asynchronous = {
        ...methodsOf(model),
        load: async (request) => {
          const loaded = await loadModel(request, signal, (...progress) => send({ id: call.id, progress }));
          model = loaded.model;
          return loaded.description;
        },
      };
      const method = methods[call.method] as (...args: readonly unknown[]) => Promise<unknown>;
      const value = await method(...call.args);
      send({ id: call.id, value }, buffersOf(value));
    } catch (error) {
      const { name, message } = error as Error;
      send({ id: call.id, error: { name, message } });
    } finally {
      aborts.delete(call.id);
    }
  };

  scope.addEventListener('message', ({ data }) => {
    if ('abort' in data) {
      aborts.get(data.id)?.abort();
      return;
    }
    const abort = new AbortController();
    aborts.set(data.id, abort);
    // One after the other: an image that is decoded must not wait with its tensors among another's.
    queue = queue.then(() => answer(data, abort.signal));
  });
}

async function loadModel(
  { source, assets, ...options }: LoadRequest,
  signal: AbortSignal,
  onProgress: (...progress: Extract<FromWorker, { progress: unknown }>['progress']) => void,
) {
  useSentAssets(assets);
  let backend: BackendChoice | undefined;
  const onBackend = (choice: BackendChoice) => {
    backend = choice;
  };
  const model = await load(source, { ...options, signal, onProgress, onBackend });
  const { config, labels, preprocessing } = model;
  return { model, description: { config, labels, preprocessing, backend: backend! } };
}

function methodsOf(model: VisionTransformer | undefined): Omit<Asynchronous, 'load'> {
  const loaded = () => {
    if (!model) throw new UserError('the worker has no model yet; wait for loadInWorker');
    return model;
  };
  return {
    classify: (image, options) => loaded().classify(image, options),
    attention: (image) => onImage(loaded(), image, (x) => attentionStack(loaded(), x)),
    logits: (image) => timedLogits(loaded(), image),
    embed: (image) => loaded().embed(image),
    predict: (x) => onTensor(loaded(), x, (tensor) => takePlain(loaded(), loaded().predict(tensor))),
    features: (x, options) =>
      onTensor(loaded(), x, async (tensor) => {
        const { tokens, blocks, attention } = loaded().features(tensor, options);
        const take = (each: tf.Tensor) => takePlain(loaded(), each);
        return {
          tokens: await take(tokens),
          blocks: await Promise.all(blocks.map(take)),
          attention: await Promise.all(attention.map(take)),
        };
      }),
  };
}

async function timedLogits(model: VisionTransformer, input: SentImage): Promise<HeadLogits> {
  const start = performance.now();
  const image = await toRgb(input);
  const decoded = performance.now();
  const data = preprocess(image, model.preprocessing);
  const prepared = performance.now();
  const logits = await logitsOf(model, data);
  const times = {
    decode: decoded - start,
    preprocess: prepared - decoded,
    model: performance.now() - prepared,
  };
  return { ...logits, times };
}

/** @param pixels float32 [H, W, C], normalised */
async function logitsOf(model: VisionTransformer, pixels: Float32Array): Promise<Omit<HeadLogits, 'times'>> {
  if (!model.predictHeads) return { logits: await model.predictPixels(pixels, 1) };
  const [head, headDist] = await headsOf(model, pixels);
  return { logits: head.map((value, i) => (value + headDist[i]!) / 2), head, headDist };
}

/** The logits of both heads: by the engine, or where it gives none by the layers. */
async function headsOf(
  model: VisionTransformer,
  pixels: Float32Array,
): Promise<[Float32Array, Float32Array]> {
  const both = await model.headPixels(pixels, 1);
  if (both) return [both.slice(0, both.length / 2), both.slice(both.length / 2)];
  const { imgSize, inChans } = model.config;
  return onTensor(model, { data: pixels, shape: [1, ...imgSize, inChans] }, async (x) => {
    const [head, headDist] = model.predictHeads!(x).map((each) => takePlain(model, each));
    return [(await head!).data, (await headDist!).data];
  });
}

/** An image as a batch of one, freed after use. */
async function onImage<T>(
  model: VisionTransformer,
  image: SentImage,
  use: (x: tf.Tensor4D) => Promise<T>,
): Promise<T> {
  const data = await toPixels(image, model.preprocessing);
  return onTensor(model, { data, shape: [1, ...model.preprocessing.crop, 3] }, use);
}

async function onTensor<T>(
  model: VisionTransformer,
  { data, shape }: PlainTensor,
  use: (x: tf.Tensor4D) => Promise<T>,
): Promise<T> {
  const sides = [...shape] as [number, number, number, number];
  const x = model.onBackend(() => tf.tensor<tf.Rank.R4>(data, sides));
  try {
    return await use(x);
  } finally {
    x.dispose();
  }
}

/** A tensor's values and shape; the tensor is freed. */
async function takePlain(model: VisionTransformer, tensor: tf.Tensor): Promise<PlainTensor> {
  try {
    return { data: await readValues(tensor, model.backend), shape: tensor.shape };
  } finally {
    tensor.dispose();
  }
}

/** The memory of all arrays in a value, to be handed over rather than copied. */
function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (value instanceof Float32Array) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) buffersOf(each, found);
  }
  return [...found];
}
