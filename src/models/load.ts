import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { bytesSource, type Checkpoint, parseCheckpoint } from '../../converters/formats/index.js';
import {
  attachRuntime,
  type BackendChoice,
  chooseBackend,
  engineFor,
  type StartedBackend,
} from '../backend.js';
import { currentBackendName, makeCurrent, onBackend } from '../boundBackend.js';
import { checkOptions, describeValue, type OptionKind } from '../checkOptions.js';
import { UserError } from '../errors.js';
import type { VitConfig } from '../families/vit/config.js';
import { countParameters } from '../families/vit/flops.js';
import { dequantize, quantize } from '../families/vit/quantize.js';
import { weightSpecs } from '../families/vit/weights.js';
import { type PreprocessingOptions, preprocessingFromOptions } from '../image/fromOptions.js';
import { hasQuantizedBlock } from '../ops/index.js';
import { addressKind, looksLikeCheckpoint } from './address.js';
import { buildModel, engineModel } from './create.js';
import { bytesOfDataUrl, isDataUrl } from './dataUrl.js';
import { type FetchFile, type FetchOptions, fetchFile, type Redirects } from './fetchFile.js';
import { finiteWeights } from './finiteWeights.js';
import { openLayersModelFolder, refuseConversion, type StoredModel } from './layersModelFolder.js';
import type { VisionTransformer } from './visionTransformer.js';
import { assignWeights } from './weights.js';

/** How far a load is. */
export interface LoadProgress {
  /** Bytes of weights that have arrived over the network, or that were read from a checkpoint's bytes. */
  readonly loadedBytes: number;
  /** Bytes of all weights, or of the checkpoint file. */
  readonly totalBytes: number;
}

export interface LoadOptions {
  /**
   * `auto` (by default), or a name of backendNames(), which is then used or is an error. The model stays on it. What is
   * current in tfjs stays so, unless nothing is.
   */
  backend?: string;
  /** Called with the fraction that is loaded, 0…1, and with the bytes behind it. */
  onProgress?: (fraction: number, progress: LoadProgress) => void;
  /** Aborts the load. */
  signal?: AbortSignal;
  /** Called once with what runs the model and why. */
  onBackend?: (choice: BackendChoice) => void;
  /**
   * `int8`: 8-bit weights and activations, on the wasm backend alone, which is then what `auto` takes. A model that was
   * converted so needs no asking.
   */
  quantize?: 'int8';
  /** Name of the preset by which images are prepared (presetNames), in place of the model's own. */
  preset?: string;
  /** Single settings of how images are prepared, over the preset's or the model's own. */
  preprocessing?: PreprocessingOptions;
  /** Of a checkpoint: attention heads of a block, where neither shapes nor its files tell. */
  numHeads?: number;
  /** Of a checkpoint that holds several models: what stands before the names of the one to take. */
  root?: string;
  /** Of a checkpoint: more of how it is converted (see convert). */
  convert?: ConvertOptions;
  /** Fetches the files behind a URL, e.g. with a cache or with headers; by default from the network. */
  fetchFile?: FetchFile;
  /** How many threads compute, on backends that let one choose; by default half of the processor's threads. */
  threads?: number;
  /** Whether a server may redirect to another host: `same-host` (by default: no), or `any`. */
  redirects?: Redirects;
}

const LOAD_OPTIONS: Record<keyof LoadOptions, OptionKind> = {
  backend: 'text',
  onProgress: 'function',
  signal: 'signal',
  onBackend: 'function',
  quantize: 'text',
  preset: 'text',
  preprocessing: 'object',
  numHeads: 'number',
  root: 'text',
  convert: 'object',
  fetchFile: 'function',
  redirects: 'text',
  threads: 'any',
};

/** Throws a UserError for an option that load does not have. `more` are those that a platform adds. */
export function checkLoadOptions(
  options: LoadOptions,
  more: Readonly<Record<string, OptionKind>> = {},
): void {
  checkOptions('load', options, { ...LOAD_OPTIONS, ...more });
  const { threads } = options;
  if (threads === undefined || (Number.isSafeInteger(threads) && threads >= 1)) return;
  throw new UserError(`load: threads is a whole number of at least 1, got ${describeValue(threads)}`);
}

/** The options of load that say how a checkpoint is converted. */
export function conversionOptions(options: LoadOptions): ConvertOptions {
  const { numHeads, root, convert = {} } = options;
  const preprocessing = { ...convert.preprocessing, ...preprocessingOptions(options) };
  return {
    ...convert,
    ...(numHeads === undefined ? {} : { numHeads }),
    ...(root === undefined ? {} : { root }),
    ...(Object.keys(preprocessing).length === 0 ? {} : { preprocessing }),
  };
}

function preprocessingOptions({ preset, preprocessing }: LoadOptions): PreprocessingOptions {
  return { ...preprocessing, ...(preset === undefined ? {} : { preset }) };
}

/** Of a converted folder, how images are prepared is all that these options can change. */
function prepared<S extends ModelSource>(source: S, options: LoadOptions): S {
  if (isConversion(source)) return source;
  refuseConversion(source.config.name, conversionOptions(options));
  const { preprocessing, config } = source;
  const asked = preprocessingFromOptions(preprocessing, config.imgSize, preprocessingOptions(options));
  return { ...source, preprocessing: asked };
}

function isConversion(source: ModelSource): source is Conversion {
  return 'report' in source;
}

/** What a model can be built from: a converted folder that was opened, or a checkpoint that was mapped. */
export type ModelSource = StoredModel | Conversion;

/**
 * Loads a model.
 *
 * @param source URL of a converted folder, of its model.json or of a checkpoint file, or the bytes of a checkpoint
 *   (.pth, .safetensors). deit-tfjs/node takes paths of either too.
 * @throws UserError if it is neither, or the backend cannot be used
 */
export async function load(
  source: string | URL | Uint8Array | ArrayBuffer | Blob,
  options: LoadOptions = {},
): Promise<VisionTransformer> {
  checkLoadOptions(options);
  if (typeof source !== 'string' && !(source instanceof URL)) checkSource(source);
  const starting = startBackendEarly(options);
  if (typeof source !== 'string' && !(source instanceof URL)) {
    const conversion = await convertCheckpoint(await parseCheckpoint(source), conversionOptions(options));
    return loadFrom(conversion, options, starting);
  }
  const url = String(source);
  const kind = addressKind(url);
  if (kind === 'checkpoint') return loadCheckpoint(url, options, starting);
  const progress = new ByteProgress(options.onProgress);
  const opened = await openUrl(url, { ...options, onBytes: (count) => progress.add(count) }).catch(
    async (error: unknown) => {
      const bytes = kind === 'unknown' && hasNoModelJson(error) && (await checkpointAt(url, options));
      if (bytes) return bytes;
      throw error;
    },
  );
  if (opened instanceof Uint8Array) return loadBytes(url, opened, options, starting);
  progress.start(opened.weightBytes);
  return loadFrom(opened, { ...options, onProgress: undefined }, starting);
}

/** Whether there is no model.json: no file there, or a web page. A file that is wrong is another matter. */
function hasNoModelJson(error: unknown): boolean {
  return (
    error instanceof UserError && /the server answered (404|403|410|with a web page)/.test(error.message)
  );
}

/** The bytes of the file behind an address that tells no kind, if it is a checkpoint. */
async function checkpointAt(url: string, options: LoadOptions): Promise<Uint8Array | undefined> {
  const bytes = await fetchCheckpoint(url, options).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    if (error instanceof UserError) return undefined; // the folder's error is the one to tell
    throw error;
  });
  return bytes && looksLikeCheckpoint(bytes) ? bytes : undefined;
}

/**
 * Builds a model on a backend and fills in its weights.
 *
 * @param starting that backend, where it was begun while the weights came (startBackendEarly)
 */
export async function loadFrom(
  given: ModelSource,
  options: LoadOptions = {},
  starting?: Promise<StartedBackend>,
): Promise<VisionTransformer> {
  options.signal?.throwIfAborted();
  if ('checkFiles' in given) await given.checkFiles?.();
  const opened = prepared(given, options);
  const { choice, bound } = await (starting ?? chooseBackend(backendFor(options)));
  if (currentBackendName() === undefined) makeCurrent(bound);
  const finite = { ...opened, readWeight: finiteWeights(opened.readWeight, opened.config.name) };
  const checked = isConversion(opened) ? finite : opened; // a folder's have been checked
  const wanted = options.quantize ? quantize(checked) : checked;
  const source = onBackend(bound, hasQuantizedBlock) ? wanted : dequantize(wanted);
  checkRoom(source.config, bound.name);
  const { labels, preprocessing, assumptions } = source;
  const extras = { labels, preprocessing, assumptions };
  const totalBytes = 'weightBytes' in source ? source.weightBytes : 4 * countParameters(source.config);
  const onFraction = (fraction: number) => {
    options.signal?.throwIfAborted();
    options.onProgress?.(fraction, { loadedBytes: Math.round(fraction * totalBytes), totalBytes });
  };
  const engine = engineFor(choice.backend, source.config);
  if (engine) {
    const { config, readWeight } = source;
    const { threads, signal } = options;
    const runtime = await engine({ config, readWeight, threads, signal, onProgress: onFraction });
    options.onBackend?.({ ...choice, description: `${choice.backend}: ${runtime.description}` });
    return onBackend(bound, () => engineModel(config, extras, runtime, choice.backend));
  }
  options.onBackend?.(choice);
  const model = onBackend(bound, () => buildModel(source.config, extras));
  try {
    const order = weightSpecs(source.config).map(({ name }) => name);
    await model.onBackend(() => assignWeights(model.layersModel, source.readWeight, onFraction, order));
    await attachRuntime(model, choice.backend);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** Starts the backend while the weights are on their way; that it fails is told by loadFrom. */
function startBackendEarly(options: LoadOptions): Promise<StartedBackend> {
  const starting = chooseBackend(backendFor(options));
  starting.catch(() => {});
  return starting;
}

/** Addresses of WASM reach this far, and it overwrites itself where there is no more room. */
const WASM_BYTES = 2 ** 32 - 2 ** 28;

function checkRoom(config: VitConfig, backend: string): void {
  const bytes = 4 * countParameters(config);
  if (backend !== 'wasm' || bytes <= WASM_BYTES) return;
  throw new UserError(
    `${config.name}: its weights take ${(bytes / 2 ** 30).toFixed(1)} GiB, and WASM has less than 4; load it on another backend`,
  );
}

function checkSource(source: unknown): void {
  // By tag: what comes out of another frame has classes of its own.
  const tag = Object.prototype.toString.call(source);
  if (/^\[object (Uint8Array|ArrayBuffer|Blob|File)\]$/.test(tag)) return;
  throw new UserError(
    `load takes an address, or the bytes of a checkpoint as Uint8Array, ArrayBuffer or Blob; got ${describeValue(source)}`,
  );
}

/**
 * The backend to use: what was asked for, `wasm` for quantized arithmetic.
 *
 * @throws UserError if another one was named with `quantize`
 */
export function backendFor({
  backend = 'auto',
  quantize,
}: Pick<LoadOptions, 'backend' | 'quantize'>): string {
  if (quantize === undefined) return backend;
  if (quantize !== 'int8') throw new UserError(`models are quantized to int8, not to "${quantize}"`);
  if (backend !== 'auto' && backend !== 'wasm') {
    throw new UserError(`int8 runs on the wasm backend alone, not on ${backend}; leave out one of the two`);
  }
  return 'wasm';
}

/** How a URL's files are fetched. */
export type OpenUrlOptions = Omit<FetchOptions, 'maxBytes'> & Pick<LoadOptions, 'fetchFile'>;

/** Opens a converted folder behind a URL, which may name its model.json. */
export async function openUrl(url: string, options: OpenUrlOptions = {}): Promise<StoredModel> {
  const { fetchFile: fetchFrom = fetchFile, signal, onBytes, redirects } = options;
  const [, path = '', query = ''] = /^([^?#]*)(\?[^#]*)?/.exec(url)!;
  const folder = path.replace(/(^|\/)model\.json$/, '$1').replace(/\/?$/, '/');
  return openLayersModelFolder({
    name: url,
    read: (file, maxBytes) =>
      fetchFrom(folder + file + query, {
        signal,
        maxBytes,
        redirects,
        onBytes: file === 'model.json' ? undefined : onBytes,
      }),
  });
}

/** A page fetches what tells a checkpoint's facts only where it has one. */
const importConversion = () => import('../../converters/convertWithFacts.js');

async function convertCheckpoint(checkpoint: Checkpoint, options?: ConvertOptions): Promise<Conversion> {
  const { convertWithFacts } = await importConversion();
  return convertWithFacts(checkpoint, options);
}

/** The download is what takes its time; filling in the weights follows at once. */
async function loadCheckpoint(
  url: string,
  options: LoadOptions,
  starting: Promise<StartedBackend>,
): Promise<VisionTransformer> {
  if (isDataUrl(url)) return loadBytes('the data: URL', bytesOfDataUrl(url), options, starting);
  const [bytes] = await Promise.all([fetchCheckpoint(url, options), importConversion()]);
  return loadBytes(url, bytes, options, starting);
}

async function fetchCheckpoint(
  url: string,
  { fetchFile: fetchFrom = fetchFile, signal, onProgress, redirects }: LoadOptions,
): Promise<Uint8Array> {
  let loadedBytes = 0;
  return fetchFrom(url, {
    signal,
    redirects,
    onBytes: (count, totalBytes = 0) => {
      loadedBytes += count;
      if (totalBytes > 0) onProgress?.(loadedBytes / totalBytes, { loadedBytes, totalBytes });
    },
  });
}

async function loadBytes(
  name: string,
  bytes: Uint8Array,
  options: LoadOptions,
  starting: Promise<StartedBackend>,
): Promise<VisionTransformer> {
  const { onProgress } = options;
  const checkpoint = await parseCheckpoint(bytesSource(bytes, name));
  const conversion = await convertCheckpoint(checkpoint, conversionOptions(options));
  const model = await loadFrom(conversion, { ...options, onProgress: undefined }, starting);
  onProgress?.(1, { loadedBytes: bytes.length, totalBytes: bytes.length });
  return model;
}

/** Counts the bytes of a folder's weights; their sum is known once its model.json was read. */
class ByteProgress {
  private loadedBytes = 0;
  private totalBytes = 0;

  constructor(private readonly report: LoadOptions['onProgress']) {}

  start(totalBytes: number): void {
    this.totalBytes = totalBytes;
    this.add(0);
  }

  add(count: number): void {
    this.loadedBytes += count;
    if (this.totalBytes === 0) return;
    const fraction = Math.min(1, this.loadedBytes / this.totalBytes);
    this.report?.(fraction, { loadedBytes: this.loadedBytes, totalBytes: this.totalBytes });
  }
}
