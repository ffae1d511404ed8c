import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import type { VitConfig } from '../families/vit/config.js';
import { ImageClassifier, type ModelExtras, type RunOptions } from './imageClassifier.js';
import type { LoadOptions, ModelSource } from './loadSource.js';
import { backendFor, readySource, weightProgress } from './loadSource.js';
import { type EngineHost, type OpenedEngine, type OutputName, openWasmEngine } from './wasmEngine.js';
import { checkWasmRoom } from './wasmRoom.js';

/** Images of a list that are prepared together; the engine forms batches of its own. */
const BATCH = 8;

/** A vision transformer on the WASM engine alone, without tfjs: what it computes are plain arrays. */
export class WasmModel extends ImageClassifier {
  private disposed = false;

  /** @param opened the engine with the model's weights; owned by the model */
  constructor(
    config: VitConfig,
    extras: ModelExtras,
    private readonly opened: OpenedEngine,
  ) {
    super(config, extras);
  }

  override get backend(): string {
    return 'wasm';
  }

  /** What computes, e.g. `own engine, 128-bit SIMD, 2 threads`. */
  get description(): string {
    return this.opened.description;
  }

  protected override checkUsable(): void {
    if (this.disposed) throw new UserError(`${this.config.name}: the model was disposed of; load it again`);
  }

  protected override get batchSize(): number {
    return BATCH;
  }

  override predictPixels(
    images: Float32Array,
    batch: number,
    options: RunOptions = {},
  ): Promise<Float32Array> {
    return this.run('predictPixels', images, batch, options);
  }

  override embedPixels(images: Float32Array, batch: number, options: RunOptions = {}): Promise<Float32Array> {
    return this.run('embedPixels', images, batch, options, 'embedding');
  }

  /**
   * Both heads' logits of a model with two, for pixels that are ready; of a model with one those that predictPixels gives.
   *
   * @param images float32 [batch, H, W, C], normalised, not to be changed before the answer is there
   * @returns float32 [batch, 2 · classes]: the class head's of an image, then the distillation head's
   */
  headPixels(images: Float32Array, batch: number, options: RunOptions = {}): Promise<Float32Array> {
    return this.run('headPixels', images, batch, options, 'heads');
  }

  /**
   * All that is shown of a forward pass, for pixels that are ready: see `inspect`.
   *
   * @param images float32 [batch, H, W, C], normalised, not to be changed before the answer is there
   * @returns the rows of inspectionForward, float32 [batch, n]
   */
  inspectPixels(images: Float32Array, batch: number, options: RunOptions = {}): Promise<Float32Array> {
    return this.run('inspectPixels', images, batch, options, 'inspection');
  }

  /** The engine, for withTensors of deit-tfjs. */
  get engine(): OpenedEngine {
    this.checkUsable();
    return this.opened;
  }

  /** A weight by its name, float32 in tfjs' layout. */
  weight(name: string): Float32Array {
    checkArguments('weight', { name: ['text', name] });
    this.checkUsable();
    return this.opened.engine.weight(name);
  }

  /** Ends the threads and frees the memory. A second call does nothing; any other use after it is a UserError. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.opened.engine.dispose();
  }

  private async run(
    method: string,
    images: Float32Array,
    batch: number,
    options: RunOptions,
    output?: OutputName,
  ): Promise<Float32Array> {
    this.checkUsable();
    this.checkPixels(method, images, batch, options);
    return this.opened.engine.run(images, batch, { ...options, output });
  }
}

/** Builds a model on the engine and fills in its weights; the backend is wasm. */
export async function loadOnEngine(
  given: ModelSource,
  options: LoadOptions,
  host: EngineHost,
): Promise<WasmModel> {
  const { threads, signal, device, dtype = 'float32' } = options;
  const backend = backendFor(options);
  if (backend !== 'wasm' && backend !== 'auto') {
    throw new UserError(
      `deit-tfjs/wasm has the backend wasm alone, not ${backend}; import deit-tfjs for the others`,
    );
  }
  if (dtype !== 'float32') throw new UserError(`wasm computes in float32, not in ${dtype}`);
  if (device !== undefined) throw new UserError('wasm has no devices to choose from');
  const source = await readySource(given, options);
  const { config, labels, preprocessing, assumptions, readWeight } = source;
  checkWasmRoom(config);
  const onProgress = weightProgress(source, options);
  const opened = await openWasmEngine({ config, readWeight, threads, signal, onProgress }, host);
  options.onBackend?.({ backend: 'wasm', description: `wasm: ${opened.description}`, passedOver: [] });
  return new WasmModel(config, { labels, preprocessing, assumptions }, opened);
}
