/** The model in the worker, by the library's public functions. */
import type { PatchMap, QueryToken } from '../../../src/explain/types.js';
import type { Preprocessing } from '../../../src/image/types.js';
import { decode, viewOf } from './decodeView.js';
import type {
  Description,
  Glance,
  Histogram,
  LoadRequest,
  Logits,
  LookOptions,
  Methods,
  ModelData,
  OwnClasses,
  PatchColors,
  RolloutRequest,
  Seen,
  SentError,
  TensorList,
  TokenMaps,
  TrainedClasses,
  View,
} from './protocol.js';
import { histogramOf, openTensors, readerOf, type TensorReader } from './tensorReader.js';
import { trainClasses } from './trainClasses.js';

/** The library as it is shipped. */
export type Deit = typeof import('../../../src/browser/index.js');
type Model = Awaited<ReturnType<Deit['load']>>;
type Inspection = Awaited<ReturnType<Deit['inspect']>>;

type Asynchronous = {
  [Name in Exclude<keyof Methods, 'load' | 'train' | 'inspect'>]: (
    ...args: Parameters<Methods[Name]>
  ) => Promise<ReturnType<Methods[Name]>> | ReturnType<Methods[Name]>;
};

export class ModelHost implements Asynchronous {
  private model: Model | undefined;
  private data: ModelData = '';
  private reader: TensorReader | undefined;
  private last: { readonly pixels: Float32Array; readonly inspection: Inspection } | undefined;

  constructor(private readonly deit: Deit) {}

  async load(
    data: ModelData,
    { backend, int8, hints }: LoadRequest,
    signal: AbortSignal,
    onProgress: (fraction: number, loaded: number, total: number) => void,
  ): Promise<Description> {
    const { deit } = this;
    await this.checkBackend(backend);
    let choice: Description['backend'] | undefined;
    this.model = await deit.load(data, {
      backend,
      ...(int8 ? { quantize: 'int8' as const } : {}),
      ...(hints ? { convert: hints } : {}),
      signal,
      onProgress: (fraction, { loadedBytes, totalBytes }) => onProgress(fraction, loadedBytes, totalBytes),
      hub: {
        // Its files come before the weights are filled in; the bar shows them one after the other.
        onProgress: ({ loadedBytes, totalBytes }) => {
          if (totalBytes) onProgress(loadedBytes / totalBytes, loadedBytes, totalBytes);
        },
      },
      onBackend: (given) => {
        choice = given;
      },
    });
    this.data = data;
    checkChannels(this.model);
    const { config, labels, preprocessing, assumptions } = this.model;
    return {
      config,
      parameters: deit.countParameters(config),
      labels,
      preprocessing,
      presets: deit.presetNames,
      backend: choice!,
      assumptions: assumptions.map(({ field, value, why }) => `${field} ${value}: ${why}`),
    };
  }

  /** A backend that is not available is another fault than a file that cannot be read. */
  private async checkBackend(name: string): Promise<void> {
    if (name === 'auto') return;
    try {
      await this.deit.useBackend(name);
    } catch (error) {
      const about: SentError['about'] = 'backend';
      throw Object.assign(error as Error, { about });
    }
  }

  async preview(image: Blob, upright: boolean): Promise<View> {
    const decoded = await decode(this.deit, image, upright);
    const view = await viewOf(undefined, decoded, undefined);
    decoded.bitmap.close();
    return view;
  }

  async look(image: Blob | ImageBitmap, { preset, upright, token }: LookOptions): Promise<Seen> {
    const { deit, loaded } = this;
    const preprocessing = this.preprocessingOf(preset);
    const start = performance.now();
    const decoded = await ofImage(decode(deit, image, upright));
    try {
      const rgb = await ofImage(deit.decodeImage(decoded.bitmap));
      const decodedAt = performance.now();
      const pixels = deit.preprocess(rgb, preprocessing);
      const preparedAt = performance.now();
      const inspection = await this.onPixels(pixels, (x) => deit.inspect(loaded, x));
      const model = performance.now() - preparedAt;
      this.last = { pixels, inspection };
      return {
        view: await viewOf(deit, decoded, preprocessing),
        grid: inspection.attention.grid,
        // Copies: what goes to the page is gone from here.
        logits: inspection.logits.slice(),
        heads: inspection.heads.map((head) => head.slice()),
        maps: this.maps(this.known(token)),
        times: { decode: decodedAt - start, preprocess: preparedAt - decodedAt, model },
        preprocessing,
      };
    } finally {
      decoded.bitmap.close();
    }
  }

  maps(token: QueryToken): TokenMaps {
    const { attention } = this.seen;
    const { layers, heads, grid } = attention;
    const patches = grid[0] * grid[1];
    const values = new Float32Array(layers.length * (heads + 1) * patches);
    let at = 0;
    for (const layer of layers.keys()) {
      for (const head of ['mean', ...Array(heads).keys()] as ('mean' | number)[]) {
        values.set(this.deit.attentionMap(attention, { layer, head, token }).data, at);
        at += patches;
      }
    }
    return { token, values };
  }

  rollout({ token, fusion, discardRatio }: RolloutRequest): PatchMap {
    return plain(this.deit.rollout(this.seen.attention, { token, fusion, discardRatio }));
  }

  async relevance(classIndex: number, token: 'cls' | 'dist'): Promise<PatchMap> {
    const { deit, loaded } = this;
    return plain(await this.onPixels(this.pixels, (x) => deit.relevance(loaded, x, { classIndex, token })));
  }

  similarity(patch: number): PatchMap {
    const { patches, attention } = this.seen;
    return this.deit.patchSimilarity(patches, attention.grid, patch);
  }

  colors(): PatchColors {
    const { patches, attention } = this.seen;
    return this.deit.patchColors(patches, attention.grid);
  }

  async erase(patches: readonly number[]): Promise<Logits> {
    const { config } = this.loaded;
    const [height, width] = config.imgSize;
    const [rows, columns] = this.seen.attention.grid;
    const pixels = this.pixels.slice();
    const [high, wide] = [height / rows, width / columns];
    for (const patch of patches) {
      const [top, left] = [Math.floor(patch / columns) * high, (patch % columns) * wide];
      // 0 is the mean colour: what was normalised away.
      for (let y = top; y < top + high; y++) {
        pixels.fill(0, 3 * (y * width + left), 3 * (y * width + left + wide));
      }
    }
    return this.logitsOf(pixels);
  }

  async scores(image: Blob, preset: string): Promise<Logits> {
    const rgb = await ofImage(this.deit.decodeImage(image));
    return this.logitsOf(this.deit.preprocess(rgb, this.preprocessingOf(preset)));
  }

  async glance(image: Blob, preset: string): Promise<Glance> {
    const { deit, loaded } = this;
    const preprocessing = this.preprocessingOf(preset);
    const decoded = await ofImage(decode(deit, image, false));
    try {
      const pixels = deit.preprocess(await ofImage(deit.decodeImage(decoded.bitmap)), preprocessing);
      const { attention } = await this.onPixels(pixels, (x) => deit.inspect(loaded, x));
      const token = attention.named?.cls === undefined ? 'mean' : 'cls';
      const map = plain(deit.attentionMap(attention, { token }));
      return { view: await viewOf(deit, decoded, preprocessing), map, token };
    } finally {
      decoded.bitmap.close();
    }
  }

  async headFeatures(image: Blob, preset: string, upright: boolean): Promise<Float32Array> {
    const { deit, loaded } = this;
    const decoded = await ofImage(decode(deit, image, upright));
    try {
      const rgb = await ofImage(deit.decodeImage(decoded.bitmap));
      return await deit.headFeatures(loaded, deit.preprocess(rgb, this.preprocessingOf(preset)));
    } finally {
      decoded.bitmap.close();
    }
  }

  train(
    classes: OwnClasses,
    signal: AbortSignal,
    onProgress: (fraction: number) => void,
  ): Promise<TrainedClasses> {
    const preprocessing = this.preprocessingOf(classes.preset);
    return trainClasses(this.deit, this.loaded, { ...classes, preprocessing }, { signal, onProgress });
  }

  async tensors(): Promise<TensorList> {
    this.reader ??= await openTensors(this.deit, this.loaded, this.data);
    return this.reader.list;
  }

  /** As tensors, of a file that need not be a model. */
  async inspect(file: File): Promise<TensorList> {
    this.reader = await readerOf(this.deit, file);
    return this.reader.list;
  }

  async histogram(tensor: string): Promise<Histogram> {
    if (!this.reader) throw new Error('the tensors have not been listed yet');
    return histogramOf(await this.reader.read(tensor));
  }

  /** Folders that cannot be told by their names are refused: an order may be another one. */
  match(folders: readonly string[]): { indices: readonly number[]; by: string } {
    const { config, labels } = this.loaded;
    const { numClasses } = config;
    const isIndex = (name: string) => /^(0|[1-9]\d*)$/.test(name) && Number(name) < numClasses;
    const given = this.deit.matchClasses(folders, { numClasses, labels });
    if (given.by !== 'order') return given;
    if (folders.every(isIndex)) return { indices: folders.map(Number), by: 'class index' };
    const odd = folders.find((name) => !isIndex(name));
    throw new this.deit.UserError(
      `the folder "${odd}" is none of the model’s ${numClasses} classes; name folders by label, by synset or by class index`,
    );
  }

  async time(): Promise<number> {
    const { imgSize, inChans } = this.loaded.config;
    const pixels = noise(imgSize[0] * imgSize[1] * inChans);
    const start = performance.now();
    await this.loaded.predictPixels(pixels, 1);
    return performance.now() - start;
  }

  /** By the engine, where one runs the model: nothing but the answer is wanted. */
  private async logitsOf(pixels: Float32Array): Promise<Logits> {
    const { loaded } = this;
    if (!loaded.predictHeads) return { logits: await loaded.predictPixels(pixels, 1), heads: [] };
    const both = await loaded.headPixels(pixels, 1);
    if (!both) {
      const { logits, heads } = await this.onPixels(pixels, (x) => this.deit.inspect(loaded, x));
      return { logits, heads };
    }
    const heads = [both.slice(0, both.length / 2), both.slice(both.length / 2)];
    return { logits: heads[0]!.map((value, i) => (value + heads[1]![i]!) / 2), heads };
  }

  /** Runs on a normalised image as a batch of one, which is freed. */
  private async onPixels<T>(
    pixels: Float32Array,
    use: (x: ReturnType<Deit['tf']['tensor4d']>) => Promise<T>,
  ): Promise<T> {
    const { imgSize, inChans } = this.loaded.config;
    const x = this.loaded.onBackend(() => this.deit.tf.tensor4d(pixels, [1, ...imgSize, inChans]));
    try {
      return await use(x);
    } finally {
      x.dispose();
    }
  }

  private preprocessingOf(preset: string): Preprocessing {
    const { config, preprocessing } = this.loaded;
    return preset === '' ? preprocessing : this.deit.preprocessingFor(preset, config.imgSize);
  }

  /** The token, or where the model has no such token the mean over all patches. */
  private known(token: QueryToken): QueryToken {
    const { named = {}, grid } = this.seen.attention;
    if (typeof token === 'number') return token < grid[0] * grid[1] ? token : 'mean';
    return token === 'mean' || named[token] !== undefined ? token : named.cls === undefined ? 'mean' : 'cls';
  }

  private get loaded(): Model {
    if (!this.model) throw new Error('the worker has no model yet');
    return this.model;
  }

  private get seen(): Inspection {
    if (!this.last) throw new Error('no image has been looked at yet');
    return this.last.inspection;
  }

  private get pixels(): Float32Array {
    if (!this.last) throw new Error('no image has been looked at yet');
    return this.last.pixels;
  }
}

/** Images are RGB here, as Pillow's `convert('RGB')` has them. */
function checkChannels({ config }: Model): void {
  if (config.inChans === 3) return;
  throw new Error(
    `${config.name} takes images of ${config.inChans} channel(s), and this page has images of 3 (RGB)`,
  );
}

/** What goes wrong here is the image's fault. */
function ofImage<T>(reading: Promise<T>): Promise<T> {
  return reading.catch((error: Error) => {
    const about: SentError['about'] = 'image';
    throw Object.assign(error, { about });
  });
}

/** A map whose memory is its own. */
function plain({ data, rows, cols }: PatchMap): PatchMap {
  return { data: data.slice(), rows, cols };
}

/** Values that are the same each time, of about the spread of a normalised image. */
function noise(length: number): Float32Array {
  let seed = 1;
  return Float32Array.from({ length }, () => {
    seed = (seed * 48271) % 2147483647;
    return (seed / 2147483647 - 0.5) * 4;
  });
}
