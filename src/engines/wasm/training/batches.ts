/** What an engine that trains takes, and how it goes through batches, on WASM or on a GPU. */
import { UserError } from '../../../errors.js';
import { sizeOf } from '../../../shape.js';
import type { Operand, Places, Recording, Shape } from './record.js';
import { record, type TrainingForward } from './recording.js';
import type { TrainingRow } from './weightSpace.js';

/** A model to be trained. */
export interface TrainedModel {
  /** What the loss reads. */
  readonly forward: TrainingForward;
  /** How many of its first columns the loss reads; all by default. */
  readonly lossColumns?: number;
  /** What the model answers. */
  readonly predict: TrainingForward;
  readonly weights: readonly TrainingRow[];
  /** Names of the weights that learn; with none, an engine on WASM answers alone and holds nothing for steps. */
  readonly trainable: ReadonlySet<string>;
  readonly inputShape: readonly [height: number, width: number, channels: number];
  /** Whether there is a running mean of the weights. */
  readonly ema: boolean;
  /** In place of an engine's own bytes of what goes through at once; for tests. */
  readonly keptBytes?: number;
}

/** Images that are answered at once, at most. */
export const MOST_ANSWERED = 64;

/**
 * Records a model's passes for a number of images: `training` for the loss, with the way back; `answer` as at inference.
 *
 * @param training whether the first has a way back at all
 */
export function passesOf(
  { forward, lossColumns, predict, trainable, inputShape }: TrainedModel,
  places: Places,
  shape: Shape,
  training = true,
): Record<'training' | 'answer', (batch: number) => Recording> {
  const common = { imageShape: inputShape, places, shape, trainable };
  return {
    training: (batch) => record(forward, { ...common, batch, training, lossColumns }),
    answer: (batch) => record(predict, { ...common, batch, training: false }),
  };
}

/** The operands that hold what is given before the forward pass or between the passes, or are read after it. */
export function givenOperands({ images, output, outputGradient, dropPaths }: Recording): Operand[] {
  return [images, output.operand, outputGradient, ...dropPaths.map(({ factors }) => factors)];
}

/** A batch in parts of at most `most` images, as equal as they can be: the size of the first. */
export function equalPart(batch: number, most: number): number {
  return Math.ceil(batch / Math.ceil(batch / most));
}

/** Throws a UserError if images [batch, H, W, C] are not as many as is said. */
export function checkImages(
  inputShape: readonly [number, number, number],
  images: Float32Array,
  batch: number,
): void {
  if (Number.isInteger(batch) && batch > 0 && images.length === batch * sizeOf(inputShape)) return;
  throw new UserError(
    `the training engine takes [batch, ${inputShape.join(', ')}] numbers, got ${images.length} for a batch of ${batch}`,
  );
}

/** Runs one thing at a time: a backward pass reads what the forward pass left. After `end` it runs nothing more. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();
  private ended = false;

  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(() => {
      if (this.ended) throw new UserError('the training engine was disposed of');
      return work();
    });
    this.last = done.catch(() => {});
    return done;
  }

  end(): void {
    this.ended = true;
  }
}
