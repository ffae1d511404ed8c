/** A forward pass as a program on WebAssembly memory of its own, run by several threads. */
import { UserError } from '../../errors.js';
import type { WeightReader } from '../../families/types.js';
import type { Ops } from '../../ops/interface.js';
import { sizeOf } from '../../shape.js';
import { CallQueue, type Part } from './callQueue.js';
import { CONTROL, CONTROL_BYTES, MOST_THREADS } from './control.js';
import { layOut, type Program } from './layOut.js';
import { createMemory } from './memory.js';
import { type CompileOptimized, compileEngine, instantiate, tilesOf } from './module.js';
import { isMatrix, readBack } from './readBack.js';
import { record, type Value } from './record.js';
import { type StartWorker, Team } from './team.js';
import { WeightLayout, type WeightRow } from './weightLayout.js';
import { loadWeights } from './weights.js';

/** From images [B, H, W, C] to one row an image, e.g. logits [B, classes]. */
export type EngineForward = (ops: Ops<Value>, images: Value) => Value;

export interface WasmEngineOptions {
  /** The family's forward pass. */
  readonly forward: EngineForward;
  /** Further outputs of the same weights by name, e.g. embeddings. */
  readonly outputs?: Readonly<Record<string, EngineForward>>;
  /** The weights that the forward pass names, with their shapes in tfjs' layout. */
  readonly weights: readonly WeightRow[];
  /** Is asked for each weight once, in the order of the table. */
  readonly readWeight: WeightReader;
  /** Height and width in pixels, and channels. */
  readonly inputShape: readonly [height: number, width: number, channels: number];
  /** How many threads compute at once. */
  readonly threads: number;
  /** How to start a worker; without it, everything is computed in the calling thread. */
  readonly startWorker?: StartWorker;
  /**
   * How long workers may take to start, in milliseconds: they are started with the engine then, and it does without those
   * that are late. By default they start with the first call.
   */
  readonly startLimit?: number;
  /** Whether the memory is shared with workers, as by default; without it, everything is computed in the calling thread. */
  readonly shared?: boolean;
  /** How to compile with full optimisation and 256-bit operations; without it, the engine has 128-bit ones. */
  readonly compile?: CompileOptimized;
  /** Whether 256-bit operations are tried without it, since V8 may have been started with its flag for them. */
  readonly tryWide?: boolean;
  /** The most that the kernels may use of SIMD; for tests. */
  readonly simd?: 'simd' | 'relaxed';
  /** Is told how much of the weights is read. */
  readonly onProgress?: (fraction: number) => void;
  /** Ends the loading. */
  readonly signal?: AbortSignal;
}

export interface RunOptions {
  /** Ends the call, with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Name of one of the further outputs; by default the forward pass's own. */
  readonly output?: string;
}

export interface WasmEngine {
  /**
   * Computes while the caller waits.
   *
   * @param images float32 [batch, H, W, C]
   * @returns float32 [batch, width of a row of the output]
   */
  predict(images: Float32Array, batch: number): Float32Array;
  /**
   * The same without blocking the caller's event loop. Calls that come together are computed together. The images must
   * not be changed before the answer is there.
   */
  run(images: Float32Array, batch: number, options?: RunOptions): Promise<Float32Array>;
  /** A weight as it was read: float32 in tfjs' layout. */
  weight(name: string): Float32Array;
  /** Ends the threads and frees the memory; calls that wait end with a UserError. */
  dispose(): void;
  /** Width of a row of the output. */
  readonly width: number;
  /** What computes, e.g. `own engine, 256-bit SIMD, 2 threads`. */
  readonly description: string;
  /** Whether workers compute; without them the calling thread does, in slices. */
  readonly hasWorkers: boolean;
  /** Bytes of WebAssembly memory. */
  readonly memoryBytes: number;
}

/** Rows of tokens that are computed at once: more would gain nothing and fill memory with activations. */
const MOST_ROWS = 1600;
/** Images at once, whatever their size. */
const LEAST_IMAGES = 8;
const MOST_IMAGES = 256;

/**
 * Compiles the kernels, records the forward pass, and reads the weights into memory, where each is held once.
 *
 * @throws UserError if there is no room or no SIMD, or a weight is missing or has another shape than its layer needs
 */
export async function createWasmEngine(options: WasmEngineOptions): Promise<WasmEngine> {
  const { forward, outputs = {}, inputShape, threads, shared = true } = options;
  const startWorker = shared ? options.startWorker : undefined;
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new UserError(`threads must be a whole number from 1 to ${MOST_THREADS}, got ${threads}`);
  }
  const threadsInUse = startWorker ? threads : 1;
  const memory = createMemory(shared);
  const { module, bits } = await compileEngine(options);
  const kernels = instantiate(module, memory.memory);
  const tiles = tilesOf(kernels);
  const layout = new WeightLayout(options.weights, CONTROL + CONTROL_BYTES, tiles);
  // The first recordings give the weights their places; those that follow are laid out behind them.
  const rowsOf = [forward, ...Object.values(outputs)].map((each) => {
    const { steps } = record(each, inputShape, 1, layout, tiles);
    return Math.max(...steps.map(({ over }) => ('rows' in over ? over.rows : 1)));
  });
  const imageSize = sizeOf(inputShape);
  const rows = Math.max(...rowsOf);
  const team = new Team({ module, memory, kernels, threads: threadsInUse, startWorker });
  const { startLimit } = options;
  const workers = startWorker && startLimit !== undefined ? await team.start(startLimit) : threadsInUse;
  const sliced = !startWorker || workers === 0;
  let disposed: UserError | undefined;
  let current: CallQueue | undefined;
  let last: Promise<unknown> = Promise.resolve();
  /** The team runs one program at a time, and each output has a queue of its own. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const ended = last.then(work);
    last = ended.catch(() => {});
    return ended;
  };

  /** One output: its programs by their batch, and the calls that wait for it. */
  const open = (forward: EngineForward) => {
    const programs = new Map<number, Program>();
    const programOf = (batch: number): Program => {
      const known = programs.get(batch);
      if (known) return known;
      const recorded = record(forward, inputShape, batch, layout, tiles);
      const program = layOut(recorded, tiles, layout.end, threadsInUse, sliced);
      programs.set(batch, program);
      return program;
    };
    const { width } = programOf(1);
    let most = Math.min(MOST_IMAGES, Math.max(LEAST_IMAGES, Math.floor(MOST_ROWS / rows)));
    // Beside the largest models there is room for the activations of fewer.
    while (most > 1 && programOf(most).end > memory.mostBytes) most = Math.floor(most / 2);
    const runOf = (parts: readonly Part[]) => {
      const batch = parts.reduce((sum, { count }) => sum + count, 0);
      const program = programOf(batch);
      memory.reserve(program.end);
      return {
        program,
        prepare() {
          let to = program.images;
          for (const { call, first, count } of parts) {
            const images = call.images.subarray(first * imageSize, (first + count) * imageSize);
            memory.floats(to, images.length).set(images);
            to += images.byteLength;
          }
        },
        collect() {
          let row = 0;
          for (const { call, first, count } of parts) {
            for (let i = 0; i < count; i++, row++) {
              const from = memory.floats(program.output + row * program.stride * 4, width);
              call.output.set(from, (first + i) * width);
            }
          }
        },
      };
    };
    const queue: CallQueue = new CallQueue({
      most,
      imageSize,
      width,
      run: (parts) =>
        inTurn(async () => {
          if (parts.every(({ call }) => call.ended)) return; // aborted before its turn came
          current = queue;
          await team.run(runOf(parts));
        }),
      stop: () => {
        if (current === queue) team.stop();
      },
    });
    const predict = (images: Float32Array, batch: number) => {
      const output = new Float32Array(batch * width);
      for (let first = 0; first < batch; first += most) {
        const call = { images, output } as Part['call'];
        team.runNow(runOf([{ call, first, count: Math.min(most, batch - first) }]));
      }
      return output;
    };
    return { width, queue, predict, end: programOf(1).end };
  };
  let main: ReturnType<typeof open>;
  const others = new Map<string, ReturnType<typeof open>>();
  const outputOf = (name: string | undefined) => {
    if (name === undefined) return main;
    const forward = outputs[name];
    if (!forward) throw new UserError(`the WASM engine has no output ${name}`);
    const opened = others.get(name) ?? open(forward);
    others.set(name, opened);
    return opened;
  };
  // What readBack cannot take from the memory: vectors, tokens and position embeddings, a hundredth of all.
  const kept = new Map<string, Float32Array>();
  const read = async (name: string) => {
    options.signal?.throwIfAborted();
    const values = await options.readWeight(name);
    if (!isMatrix(layout, name)) kept.set(name, values.slice());
    return values;
  };
  try {
    main = open(forward);
    memory.reserve(main.end);
    await loadWeights(layout, memory, kernels, read, options.onProgress);
  } catch (error) {
    team.dispose();
    throw error;
  }

  const check = (images: Float32Array, batch: number) => {
    if (disposed) throw disposed;
    if (!Number.isInteger(batch) || batch < 0 || images.length !== batch * imageSize) {
      throw new UserError(
        `the WASM engine takes [batch, ${inputShape.join(', ')}] numbers, got ${images.length} for a batch of ${batch}`,
      );
    }
  };

  return {
    predict(images, batch) {
      check(images, batch);
      return main.predict(images, batch);
    },
    async run(images, batch, { signal, output } = {}) {
      check(images, batch);
      return outputOf(output).queue.add(images, batch, signal);
    },
    dispose() {
      if (disposed) return;
      disposed = new UserError('the model was disposed of');
      for (const { queue } of [main, ...others.values()]) queue.close(disposed);
      team.dispose();
    },
    weight: (name) => readBack(layout, memory, tiles, kept, name),
    width: main.width,
    description: `own engine, ${bits}-bit SIMD, ${workers > 1 ? `${workers} threads` : '1 thread'}`,
    hasWorkers: !sliced,
    get memoryBytes() {
      return memory.memory.buffer.byteLength;
    },
  };
}
