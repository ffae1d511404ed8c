/** What load takes, wherever it runs: addresses and bytes, opened as the source of a model. */
import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import type { BackendChoice } from '../backend.js';
import { checkArguments } from '../checkArguments.js';
import { checkOptions, describeValue, type OptionKind } from '../checkOptions.js';
import { COMPUTE_DTYPES, type ComputeDtype } from '../computeDtype.js';
import { UserError } from '../errors.js';
import { countParameters } from '../families/vit/flops.js';
import { quantize } from '../families/vit/quantize.js';
import { type PreprocessingOptions, preprocessingFromOptions } from '../image/fromOptions.js';
import { addressKind, looksLikeCheckpoint } from './address.js';
import { bytesOfDataUrl, isDataUrl } from './dataUrl.js';
import { type FetchFile, type FetchOptions, fetchFile, type Redirects } from './fetchFile.js';
import { finiteWeights } from './finiteWeights.js';
import { openLayersModelFolder, refuseConversion, type StoredModel } from './layersModelFolder.js';

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
  /** Called with what runs the model and why; again where a GPU of `auto` has no room for it, and the next takes it. */
  onBackend?: (choice: BackendChoice) => void;
  /**
   * `int8`: 8-bit weights and activations, on the wasm backend alone, which is then what `auto` takes. A model that was
   * converted so needs no asking.
   */
  quantize?: 'int8';
  /**
   * What the GPU computes products of, sums being float32: `float16` on webgpu, `tf32`, `bfloat16` or `float16` on xla.
   * By default float32, exactly, or what DEIT_WEBGPU_DTYPE and DEIT_XLA_DTYPE say. A backend without it is passed over by
   * `auto`, and named is an error. Layers (features, attention maps, training) compute in float32.
   */
  dtype?: ComputeDtype;
  /**
   * In Node, on xla and webgpu: which GPU computes, as part of its name in any case (`rtx 4090`), or its number as
   * `deit devices` counts. `auto` passes over a backend without it; named, that is an error. A process has one GPU on webgpu.
   */
  device?: string;
  /** Backends that `auto` passes over. */
  without?: readonly string[];
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
  /** How many threads compute, on backends that let one choose; by default a thread a physical core (docs/wasm.md). */
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
  dtype: 'text',
  device: 'text',
  without: 'texts',
  preset: 'text',
  preprocessing: 'object',
  numHeads: 'number',
  root: 'text',
  convert: 'object',
  fetchFile: 'function',
  redirects: 'redirects',
  threads: 'any',
};

/** Throws a UserError for an option that load does not have. `more` are those that a platform adds. */
export function checkLoadOptions(
  options: LoadOptions,
  more: Readonly<Record<string, OptionKind>> = {},
): void {
  checkOptions('load', options, { ...LOAD_OPTIONS, ...more });
  const { threads, dtype } = options;
  if (dtype !== undefined && !(COMPUTE_DTYPES as readonly string[]).includes(dtype)) {
    throw new UserError(`load: dtype may be ${COMPUTE_DTYPES.join(', ')}, got ${describeValue(dtype)}`);
  }
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
function preparedSource<S extends ModelSource>(source: S, options: LoadOptions): S {
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

/** Makes a model of a source, with load's options. */
export type Build<Model> = (source: ModelSource, options: LoadOptions) => Promise<Model>;

/**
 * Opens what load takes in every host, and has `build` make the model: an address, or the bytes of a checkpoint.
 */
export async function loadSource<Model>(
  source: string | URL | Uint8Array | ArrayBuffer | Blob,
  options: LoadOptions,
  build: Build<Model>,
): Promise<Model> {
  checkLoadOptions(options);
  if (typeof source !== 'string' && !(source instanceof URL)) {
    checkSource(source);
    return build(await convertBytes(source, options), options);
  }
  const url = String(source);
  const kind = addressKind(url);
  if (kind === 'checkpoint') return loadCheckpoint(url, options, build);
  const progress = new ByteProgress(options.onProgress);
  const opened = await openUrl(url, { ...options, onBytes: (count) => progress.add(count) }).catch(
    async (error: unknown) => {
      const bytes = kind === 'unknown' && hasNoModelJson(error) && (await checkpointAt(url, options));
      if (bytes) return bytes;
      throw error;
    },
  );
  if (opened instanceof Uint8Array) return loadBytes(url, opened, options, build);
  progress.start(opened.weightBytes);
  return build(opened, { ...options, onProgress: undefined });
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
 * A source as a model is built from: its files checked, images prepared as the options say, weights finite, and quantized
 * where that is asked for.
 */
export async function readySource(given: ModelSource, options: LoadOptions): Promise<ModelSource> {
  options.signal?.throwIfAborted();
  if ('checkFiles' in given) await given.checkFiles?.();
  const opened = preparedSource(given, options);
  const finite = { ...opened, readWeight: finiteWeights(opened.readWeight, opened.config.name) };
  const checked = isConversion(opened) ? finite : opened; // a folder's have been checked
  return options.quantize ? quantize(checked) : checked;
}

/** What load's onProgress is told of the fraction of a source's weights that is read. */
export function weightProgress(source: ModelSource, options: LoadOptions): (fraction: number) => void {
  const totalBytes = 'weightBytes' in source ? source.weightBytes : 4 * countParameters(source.config);
  return (fraction) => {
    options.signal?.throwIfAborted();
    options.onProgress?.(fraction, { loadedBytes: Math.round(fraction * totalBytes), totalBytes });
  };
}

/** Throws a UserError for what is no address and no bytes of a checkpoint. */
export function checkSource(source: unknown): void {
  // By tag: what comes out of another frame has classes of its own.
  const tag = Object.prototype.toString.call(source);
  if (/^\[object (Uint8Array|ArrayBuffer|Blob|File)\]$/.test(tag)) return;
  throw new UserError(
    `load takes an address, or the bytes of a checkpoint as Uint8Array, ArrayBuffer or Blob; got ${describeValue(source)}`,
  );
}

/** How a URL's files are fetched. */
export type OpenUrlOptions = Omit<FetchOptions, 'maxBytes'> & Pick<LoadOptions, 'fetchFile'>;

/** Opens a converted folder behind a URL, which may name its model.json. */
export async function openUrl(url: string, options: OpenUrlOptions = {}): Promise<StoredModel> {
  checkArguments('openUrl', { url: ['text', url], options: ['fields', options] });
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

/** Converts a checkpoint's bytes. What this takes is loaded only now: a converted folder needs nothing of it. */
async function convertBytes(
  bytes: Uint8Array | ArrayBuffer | Blob,
  options: LoadOptions,
  name?: string,
): Promise<Conversion> {
  const { convertBytes: convert } = await import('./convertBytes.js');
  return convert(bytes, conversionOptions(options), name);
}

/** The download is what takes its time; filling in the weights follows at once. */
async function loadCheckpoint<Model>(url: string, options: LoadOptions, build: Build<Model>): Promise<Model> {
  if (isDataUrl(url)) return loadBytes('the data: URL', bytesOfDataUrl(url), options, build);
  return loadBytes(url, await fetchCheckpoint(url, options), options, build);
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

async function loadBytes<Model>(
  name: string,
  bytes: Uint8Array,
  options: LoadOptions,
  build: Build<Model>,
): Promise<Model> {
  const { onProgress } = options;
  const conversion = await convertBytes(bytes, options, name);
  const model = await build(conversion, { ...options, onProgress: undefined });
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
