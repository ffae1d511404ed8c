/** The page's side: a model in a worker, called as one in the page. */
import type * as tf from '@tensorflow/tfjs-core';
import type { BackendChoice } from '../../backend.js';
import { checkArguments } from '../../checkArguments.js';
import { checkOptions } from '../../checkOptions.js';
import { UserError } from '../../errors.js';
import type { AttentionStack } from '../../explain/index.js';
import type { VitConfig } from '../../families/vit/config.js';
import { showFrozen } from '../../frozen.js';
import type { Preprocessing } from '../../image/types.js';
import { isTensor } from '../../isTensor.js';
import {
  type ClassifyInput,
  checkPixels,
  checkTopK,
  type Prediction,
  tensorToRgb,
} from '../../models/classify.js';
import { ofList } from '../../models/imageClassifier.js';
import type { ClassifyOptions, Embedding, FeatureOptions } from '../../models/visionTransformer.js';
import { assetsForWorker, baseUrl, setAssetFolder } from '../assets.js';
import { checkDrawable } from '../decode.js';
import { sendableImage } from '../imageInputs.js';
import { type BrowserLoadOptions, type BrowserModelSource, checkBrowserLoad } from '../loadSource.js';
import { WorkerCalls } from './calls.js';
import type {
  HeadLogits,
  ModelDescription,
  PlainFeatures,
  PlainTensor,
  Progress,
  SentError,
  SentImage,
  WorkerMethods,
} from './protocol.js';
import { startWorker } from './start.js';

export interface WorkerLoadOptions extends Omit<BrowserLoadOptions, 'fetchFile'> {
  /** The worker to use; it must run serveWorker(). By default a worker is started for the model. */
  worker?: Worker;
}

interface CallOptions {
  /** Gives the call up: its promise rejects at once. What the worker computes already, it computes to the end. */
  signal?: AbortSignal;
}

/**
 * Loads a model in a web worker, so that the page stays live while it computes. Takes what load takes.
 *
 * @throws UserError as load does, and if the worker cannot be started
 */
export async function loadInWorker(
  source: BrowserModelSource,
  options: WorkerLoadOptions = {},
): Promise<WorkerModel> {
  checkBrowserLoad(source, options, { worker: 'worker' });
  const { worker, signal, onProgress, onBackend, assetFolder, ...request } = options;
  signal?.throwIfAborted();
  if (assetFolder !== undefined) setAssetFolder(assetFolder);
  const started = worker ? { worker } : await startWorker();
  const calls = callsOf(started);
  // A worker's relative addresses begin at its script, not at the page.
  const sent = typeof source === 'string' || source instanceof URL ? new URL(source, baseUrl()).href : source;
  try {
    const sentRequest = { ...request, source: sent, assets: await assetsForWorker() };
    const description = await calls.call('load', [sentRequest], { signal, onProgress });
    onBackend?.(description.backend);
    return new WorkerModel(calls, description);
  } catch (error) {
    calls.end(disposed());
    throw error;
  }
}

/** A vision transformer in a web worker: the methods of VisionTransformer, with plain arrays for tensors. */
export class WorkerModel {
  declare readonly config: VitConfig;
  declare readonly labels: readonly string[] | undefined;
  declare readonly preprocessing: Preprocessing;
  /** What runs the model, and why. */
  declare readonly backend: BackendChoice;

  constructor(
    private readonly calls: Calls,
    description: ModelDescription,
  ) {
    const { config, labels, preprocessing, backend } = description;
    showFrozen<WorkerModel, Partial<WorkerModel>>(this, { config, labels, preprocessing, backend });
  }

  /** As VisionTransformer.classify. */
  async classify(image: ClassifyInput, options?: ClassifyOptions & CallOptions): Promise<Prediction[]>;
  async classify(
    images: readonly ClassifyInput[],
    options?: ClassifyOptions & CallOptions,
  ): Promise<Prediction[][]>;
  async classify(
    input: ClassifyInput | readonly ClassifyInput[],
    options: ClassifyOptions & CallOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    checkOptions('classify', options, { topK: 'any', signal: 'signal' });
    const { signal, topK } = options;
    if (topK !== undefined) checkTopK(topK);
    const one = (image: ClassifyInput) => this.onImage('classify', image, [{ topK }], signal);
    // A copy has a place for each image, those that were left out of a list too.
    if (!Array.isArray(input)) return one(input as ClassifyInput);
    return Promise.all(Array.from(input, (image: ClassifyInput, i) => ofList(one(image), i)));
  }

  /** The logits of an image, of a distilled model those of its two heads too. */
  async logits(input: ClassifyInput, options: CallOptions = {}): Promise<HeadLogits> {
    return this.onImage('logits', input, [], signalOf('logits', options));
  }

  /** As VisionTransformer.embed, of one image. */
  async embed(input: ClassifyInput, options: CallOptions = {}): Promise<Embedding> {
    return this.onImage('embed', input, [], signalOf('embed', options));
  }

  /** The attention weights of every block for an image, for attentionMap and rollout. */
  async attention(input: ClassifyInput, options: CallOptions = {}): Promise<AttentionStack> {
    return this.onImage('attention', input, [], signalOf('attention', options));
  }

  /** As VisionTransformer.predict. */
  async predict(x: PlainTensor | tf.Tensor4D, options: CallOptions = {}): Promise<PlainTensor> {
    const signal = signalOf('predict', options);
    return this.calls.call('predict', [await toPlain('predict', x)], { signal });
  }

  /** As VisionTransformer.features. */
  async features(
    x: PlainTensor | tf.Tensor4D,
    given: FeatureOptions & CallOptions = {},
  ): Promise<PlainFeatures> {
    checkOptions('features', given, { blocks: 'flag', attention: 'flag', signal: 'signal' });
    const { signal, ...options } = given;
    return this.calls.call('features', [await toPlain('features', x), options], { signal });
  }

  /** Ends the worker, and with it the model. Calls that have no answer yet reject. */
  dispose(): void {
    this.calls.end(disposed());
  }

  private async onImage<Name extends 'classify' | 'logits' | 'embed' | 'attention'>(
    method: Name,
    input: ClassifyInput,
    rest: unknown[],
    signal: AbortSignal | undefined,
  ): Promise<ReturnType<WorkerMethods[Name]>> {
    signal?.throwIfAborted();
    const { image, transfer } = await sendable(input);
    return this.calls.call(method, [image, ...rest], { signal, transfer });
  }
}

function signalOf(method: string, options: CallOptions): AbortSignal | undefined {
  checkOptions(method, options, { signal: 'signal' });
  return options.signal;
}

async function toPlain(method: string, x: PlainTensor | tf.Tensor4D): Promise<PlainTensor> {
  checkArguments(method, { x: ['plainTensor', x] });
  return isTensor(x) ? { data: await x.data<'float32'>(), shape: x.shape } : { data: x.data, shape: x.shape };
}

/** What only a page has (elements, tensors) as something that can be sent. */
async function sendable(input: ClassifyInput): Promise<{ image: SentImage; transfer: Transferable[] }> {
  if (isTensor(input)) {
    return { image: await tensorToRgb(input), transfer: [] };
  }
  const sent = await sendableImage(input);
  if (sent) return { image: sent, transfer: sent instanceof ImageBitmap ? [sent] : [] };
  if (input instanceof ImageBitmap) checkDrawable(input);
  if (input instanceof Blob || input instanceof ImageBitmap) return { image: input, transfer: [] };
  const { data, width, height } = checkPixels(input);
  return { image: { data, width, height }, transfer: [] };
}

type Calls = WorkerCalls<WorkerMethods, Progress, SentError>;

const disposed = () => new UserError('the model in the worker was disposed of; load it again');

/** Calls to a worker, which end once it has failed. */
function callsOf({ worker, explain }: { worker: Worker; explain?: () => Promise<string> }): Calls {
  const calls: Calls = new WorkerCalls(worker, errorFrom);
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    if (event.message || !explain) {
      const what = event.message || 'its script cannot be loaded';
      calls.end(new UserError(`the worker failed (${what}); load the model again`));
    } else {
      void explain().then((why) => calls.end(new UserError(`the worker does not start: ${why}`)));
    }
  });
  return calls;
}

function errorFrom({ name, message }: SentError): Error {
  if (name === 'UserError') return new UserError(message);
  if (name === 'AbortError') return new DOMException(message, name);
  return new Error(`in the worker: ${name}: ${message}`);
}
