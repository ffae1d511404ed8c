import { UserError } from '../errors.js';
import { show } from '../text.js';
import type { StepRunner } from './stepRunner.js';

/** A place in a run. */
export interface Position {
  /** Epochs that are done. */
  readonly epoch: number;
  /** Batches of the epoch after them that are done. */
  readonly batch: number;
  /** Steps that are done, over all epochs. */
  readonly step: number;
  /** Sum of the epoch's losses so far. */
  readonly lossSum: number;
}

/** The best evaluation so far. */
export interface Best {
  readonly epoch: number;
  readonly top1: number;
  /** Whether it was the running mean of the weights. */
  readonly ema: boolean;
}

export interface SnapshotTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** All that a run needs to go on as if nothing had been. Its random choices are seeded by the position. */
export interface Snapshot {
  readonly position: Position;
  readonly best: Best | null;
  /** `weights/NAME`, `optimizer/SLOT/NAME`, `ema/NAME`. */
  readonly tensors: ReadonlyMap<string, SnapshotTensor>;
}

/** A value as a place in a run. Throws a UserError that names the field that is none. */
export function requirePosition(value: unknown): Position {
  const { epoch, batch, step, lossSum } = (value ?? {}) as Partial<Position>;
  const counts = Object.entries({ epoch, batch, step });
  for (const [name, count] of counts) {
    if (Number.isSafeInteger(count) && count! >= 0) continue;
    throw new UserError(`its ${name} is ${show(count)}, expected a whole number of at least 0`);
  }
  if (!Number.isFinite(lossSum)) throw new UserError(`its lossSum is ${show(lossSum)}, expected a number`);
  return { epoch: epoch!, batch: batch!, step: step!, lossSum: lossSum! };
}

/** A value as the best evaluation so far. Throws a UserError if it is none. */
export function requireBest(value: unknown): Best | null {
  if (value === null) return null;
  const { epoch, top1, ema } = (value ?? {}) as Partial<Best>;
  if (Number.isSafeInteger(epoch) && epoch! >= 0 && isPercent(top1) && typeof ema === 'boolean') {
    return { epoch: epoch!, top1, ema };
  }
  throw new UserError(`its best epoch is ${show(value)}, expected {epoch, top1, ema}`);
}

function isPercent(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 100;
}

export async function takeSnapshot(
  runner: Pick<StepRunner, 'tensors'>,
  position: Position,
  best: Best | null,
): Promise<Snapshot> {
  const tensors = new Map<string, SnapshotTensor>();
  for (const { name, shape, read } of runner.tensors()) tensors.set(name, { shape, values: await read() });
  return { position, best, tensors };
}

/** Puts a snapshot's values in place. Throws a UserError, with nothing changed, if it is of another run. */
export function writeSnapshot(snapshot: Snapshot, runner: Pick<StepRunner, 'tensors' | 'restore'>): void {
  requirePosition(snapshot.position);
  requireBest(snapshot.best);
  for (const { name, shape } of runner.tensors()) {
    const found = snapshot.tensors.get(name);
    if (!found) throw new UserError(`the checkpoint has no ${name}; it is of another run`);
    if (String(found.shape) !== String(shape)) {
      throw new UserError(
        `the checkpoint's ${name} has shape [${found.shape}], expected [${shape}]; it is of another run`,
      );
    }
    if (!found.values.every(Number.isFinite)) {
      throw new UserError(`the checkpoint's ${name} has values that are NaN or infinite; it is damaged`);
    }
  }
  runner.restore((name) => snapshot.tensors.get(name)!.values);
}
