import { checkArguments } from '../checkArguments.js';
import { mixBatch } from '../data/augment/mix.js';
import type { EvalLoader, TrainBatch, TrainLoader } from '../data/loader.js';
import { UserError } from '../errors.js';
import { evaluate } from '../evaluate/evaluate.js';
import { checkBatch, checkClasses } from './checkSetup.js';
import type { TrainConfig } from './config.js';
import { EngineSteps } from './engineSteps.js';
import { cosineWithWarmup, epochTime } from './schedule.js';
import { STREAMS, seedFrom } from './seeds.js';
import { type Best, type Position, type Snapshot, takeSnapshot, writeSnapshot } from './snapshot.js';
import type { StepEngine } from './stepEngine.js';
import type { StepRunner } from './stepRunner.js';
import type { Student } from './student.js';
import type { Teacher } from './teacher.js';
import { TfjsSteps } from './tfjsSteps.js';

/** What a training run works on. The caller owns and frees it. */
export interface TrainSetup {
  readonly config: Pick<
    TrainConfig,
    | 'optimizer'
    | 'schedule'
    | 'distillation'
    | 'mix'
    | 'labelSmoothing'
    | 'batchSize'
    | 'accumulate'
    | 'emaDecay'
    | 'evalBatchSize'
    | 'saveEverySteps'
    | 'seed'
  >;
  readonly student: Student;
  /**
   * Computes the steps in place of the student's backend, and holds the weights meanwhile: the student's own are those of
   * the last epoch's end, of the run's end, or of Trainer.writeWeights.
   */
  readonly engine?: StepEngine;
  /** Input size, [height, width]. */
  readonly imgSize: readonly [number, number];
  /** Checked by fitTeacher; needed unless distillation is `none`. */
  readonly teacher?: Teacher;
  readonly data: TrainLoader;
  readonly val: EvalLoader;
}

/** What a step did. */
export interface StepRecord {
  readonly step: number;
  readonly epoch: number;
  /** Batches of the epoch that are done. */
  readonly batch: number;
  readonly loss: number;
  readonly base: number;
  readonly teacher: number | undefined;
  readonly learningRate: number;
  /** Norm of the gradients before clipping. */
  readonly gradNorm: number;
  readonly images: number;
}

/** Accuracy on the validation images: percent, percent, nats. */
export interface EpochAccuracy {
  readonly top1: number;
  readonly top5: number;
  readonly loss: number;
}

/** What an epoch came to. */
export interface EpochRecord {
  readonly epoch: number;
  readonly step: number;
  /** Mean training loss of its steps. */
  readonly trainLoss: number;
  readonly learningRate: number;
  readonly val: EpochAccuracy;
  /** Of the weights' running mean, if there is one. */
  readonly ema: EpochAccuracy | undefined;
  /** Whether this is the best epoch so far by top-1, of the weights or of their mean. */
  readonly best: boolean;
}

/** What the surroundings do. All are awaited. */
export interface TrainHooks {
  onStep?(record: StepRecord): void | Promise<void>;
  /** Called in evaluation with the number of images done. */
  onEvaluate?(done: number, total: number): void;
  onEpoch?(record: EpochRecord): void | Promise<void>;
  /** The student's weights, or their mean, are the best so far: called with them in place. */
  saveBest?(record: EpochRecord): Promise<void>;
  /** A checkpoint is due. */
  save?(snapshot: Snapshot): Promise<void>;
  /** Asked after every step: true saves and ends the run. */
  shouldStop?(): boolean;
}

/** `stopped`: on request, with a checkpoint saved. */
export type TrainEnd = 'done' | 'stopped';

/** Learning rate in an epoch, or at a step. */
export function learningRateAt(
  config: TrainSetup['config'],
  position: Position,
  stepsPerEpoch: number,
): number {
  const { optimizer, schedule, batchSize, accumulate } = config;
  const { epochs, warmupEpochs, minLr, warmupLr, per } = schedule;
  const scale = optimizer.lrBatch === null ? 1 : (batchSize * accumulate) / optimizer.lrBatch;
  const time = per === 'epoch' ? epochTime(position.epoch) : position.step / stepsPerEpoch;
  const lr = optimizer.lr * scale;
  return cosineWithWarmup({ duration: epochs, lr, minLr, warmup: warmupEpochs, warmupLr }, time);
}

/**
 * Trains a student. Every random choice is seeded by (seed, purpose, place in the run), so a run that goes on from a
 * snapshot gives the same numbers to the bit as one that was never broken off.
 */
export class Trainer {
  readonly stepsPerEpoch: number;
  private readonly steps: StepRunner;
  private position: Position = { epoch: 0, batch: 0, step: 0, lossSum: 0 };
  private best: Best | null = null;
  /** The error of an image that could not be read: weights and optimiser are those of the last step. */
  private unread: unknown;

  constructor(private readonly setup: TrainSetup) {
    checkArguments('Trainer', { setup: ['trainSetup', setup] });
    const { config, student, data } = setup;
    checkClasses(setup);
    const batches = data.batchesPerEpoch(config.batchSize);
    this.stepsPerEpoch = Math.floor(batches / config.accumulate);
    if (this.stepsPerEpoch < 1) {
      throw new UserError(
        `${data.name}: ${data.length} images are fewer than the ${config.batchSize * config.accumulate} of one step; ` +
          'lower batchSize or accumulate',
      );
    }
    if (student.trainable.length === 0) throw new UserError('no weight is left to train');
    this.steps = setup.engine ? new EngineSteps(setup, setup.engine) : new TfjsSteps(setup);
  }

  /** Where the run stands. */
  get at(): Position {
    return this.position;
  }

  /** Best epoch so far. */
  get bestSoFar(): Best | null {
    return this.best;
  }

  /** Goes on from a snapshot of a run with the same configuration and data. */
  restore(snapshot: Snapshot): void {
    writeSnapshot(snapshot, this.steps);
    this.position = snapshot.position;
    this.best = snapshot.best;
  }

  snapshot(): Promise<Snapshot> {
    return takeSnapshot(this.steps, this.position, this.best);
  }

  /** Trains to the end, or until hooks.shouldStop; a checkpoint is saved either way. */
  async run(hooks: TrainHooks = {}): Promise<TrainEnd> {
    const { epochs } = this.setup.config.schedule;
    const stopHere = async () => {
      if (!hooks.shouldStop?.()) return false;
      await hooks.save?.(await this.snapshot());
      return true;
    };
    try {
      if (await stopHere()) return 'stopped';
      while (this.position.epoch < epochs) {
        if (!(await this.trainEpoch(hooks))) return 'stopped';
        if (!(await this.endEpoch(hooks))) return 'stopped';
      }
      return 'done';
    } catch (error) {
      throw error === this.unread ? await this.savedAt(error as Error, hooks) : error;
    } finally {
      this.writeWeights();
    }
  }

  /** An image that cannot be read takes nothing of what is done: that is saved, and the error says so. */
  private async savedAt(error: Error, hooks: TrainHooks): Promise<Error> {
    if (!hooks.save || !(error instanceof UserError)) return error;
    try {
      await hooks.save(await this.snapshot());
    } catch {
      return error; // that it cannot be saved either helps nobody
    }
    return new UserError(`${error.message}; the run is saved up to here: replace the image, then --resume`, {
      cause: error,
    });
  }

  /** Brings the student's weights up to date, where an engine holds those that are trained. */
  writeWeights(): void {
    this.steps.writeWeights();
  }

  dispose(): void {
    this.steps.dispose();
  }

  /** What is left of the epoch's steps; false if it was stopped. */
  private async trainEpoch(hooks: TrainHooks): Promise<boolean> {
    const { config, data } = this.setup;
    const { epoch, batch: start } = this.position;
    const last = this.stepsPerEpoch * config.accumulate;
    if (start >= last) return true;
    const options = { batchSize: config.batchSize, start };
    const batches = data.batches(epoch, options)[Symbol.asyncIterator]();
    try {
      while (this.position.batch < last) {
        // Apart from the call: without an onStep its argument would not be evaluated.
        const record = await this.step(batches);
        await hooks.onStep?.(record);
        if (hooks.shouldStop?.()) {
          await hooks.save?.(await this.snapshot());
          return false;
        }
        const due = config.saveEverySteps !== null && this.position.step % config.saveEverySteps === 0;
        // At the end of an epoch the checkpoint comes after its evaluation.
        if (due && this.position.batch < last) await hooks.save?.(await this.snapshot());
      }
    } finally {
      await batches.return?.();
    }
    return true;
  }

  private async step(batches: AsyncIterator<TrainBatch>): Promise<StepRecord> {
    const { config, data } = this.setup;
    const { epoch, batch: first, step, lossSum } = this.position;
    const learningRate = learningRateAt(config, this.position, this.stepsPerEpoch);
    const sums = { loss: 0, base: 0, teacher: 0, images: 0 };
    try {
      for (let i = 0; i < config.accumulate; i++) {
        const next = await batches.next().catch((error) => {
          this.unread = error;
          throw error;
        });
        if (next.done) {
          const told = data.batchesPerEpoch(config.batchSize);
          throw new UserError(
            `${data.name} ended at batch ${first + i} of epoch ${epoch}; its batchesPerEpoch says ${told}`,
          );
        }
        const part = await this.forwardAndBack(next.value, first + i);
        sums.loss += part.loss / config.accumulate;
        sums.base += part.base / config.accumulate;
        sums.teacher += (part.teacher ?? 0) / config.accumulate;
        sums.images += next.value.indices.length;
      }
    } catch (error) {
      this.steps.drop();
      throw error;
    }
    const gradNorm = await this.steps.gradientNorm();
    if (!Number.isFinite(gradNorm)) {
      this.steps.drop();
      throw new UserError(
        `step ${step} (epoch ${epoch}, batch ${first}): the gradients are not finite (norm ${gradNorm}), though the ` +
          `loss is ${sums.loss}; ${ADVICE}`,
      );
    }
    await this.steps.update({ count: step + 1, learningRate });
    const batch = first + config.accumulate;
    this.position = { epoch, batch, step: step + 1, lossSum: lossSum + sums.loss };
    const { loss, base, images } = sums;
    const teacher = config.distillation.type === 'none' ? undefined : sums.teacher;
    return { step: step + 1, epoch, batch, loss, base, teacher, learningRate, gradNorm, images };
  }

  /** Gradients of one batch; its losses are read, and must be finite. */
  private async forwardAndBack(samples: TrainBatch, batch: number) {
    const { config, imgSize, teacher, data } = this.setup;
    const { epoch, step } = this.position;
    const numClasses = data.classNames.length;
    checkBatch(samples, { imgSize, numClasses }, `${data.name}: batch ${batch} of epoch ${epoch}`);
    const mixing = { ...config.mix, numClasses, smoothing: config.labelSmoothing };
    const mixed = mixBatch(samples, imgSize, mixing, seedFrom(config.seed, STREAMS.mix, epoch, batch));
    let masks = 0;
    const losses = await this.steps.add({
      ...mixed,
      count: samples.labels.length,
      teacher: config.distillation.type === 'none' ? undefined : teacher,
      dropPathSeed: () => seedFrom(config.seed, STREAMS.dropPath, epoch, batch, masks++),
    });
    const { loss, base, teacher: taught } = losses;
    if (!Number.isFinite(loss)) {
      throw new UserError(
        `step ${step} (epoch ${epoch}, batch ${batch}): the loss is ${loss} (labels ${base}` +
          `${taught === undefined ? '' : `, teacher ${taught}`}); images of the batch: ` +
          `${described(data, samples.indices)}; ${ADVICE}`,
      );
    }
    return losses;
  }

  /** Evaluates, keeps the best, saves; false if it was stopped before that was done. */
  private async endEpoch(hooks: TrainHooks): Promise<boolean> {
    const { config } = this.setup;
    const { epoch, step, lossSum } = this.position;
    const hasEma = config.emaDecay !== null;
    const val = await this.evaluate(hooks);
    const ema = val && hasEma ? await this.steps.withEma(() => this.evaluate(hooks)) : undefined;
    if (!val || (hasEma && !ema)) {
      await hooks.save?.(await this.snapshot());
      return false;
    }
    const ofMean = ema !== undefined && ema.top1 > val.top1;
    const top1 = ofMean ? ema.top1 : val.top1;
    const best = this.best === null || top1 > this.best.top1;
    const learningRate = learningRateAt(config, { ...this.position, step: step - 1 }, this.stepsPerEpoch);
    const trainLoss = lossSum / this.stepsPerEpoch;
    const record: EpochRecord = { epoch, step, trainLoss, learningRate, val, ema, best };
    if (best) {
      this.best = { epoch, top1, ema: ofMean };
      const save = async () => {
        this.writeWeights();
        await hooks.saveBest?.(record);
      };
      await (ofMean ? this.steps.withEma(save) : save());
    }
    this.writeWeights();
    await hooks.onEpoch?.(record);
    this.position = { epoch: epoch + 1, batch: 0, step, lossSum: 0 };
    await hooks.save?.(await this.snapshot());
    return !hooks.shouldStop?.() || epoch + 1 === config.schedule.epochs;
  }

  /** Accuracy on the validation images, or undefined if the run is to stop. */
  private async evaluate(hooks: TrainHooks): Promise<EpochAccuracy | undefined> {
    const { val, imgSize, config } = this.setup;
    let done = 0;
    let stopped = false;
    const { top1, top5, loss } = await evaluate({ ...this.steps.classifier, config: { imgSize } }, val, {
      batchSize: config.evalBatchSize,
      onPrediction: () => void done++,
      onFailure: (_index, message) => {
        this.unread = new UserError(message);
        throw this.unread;
      },
      onBatch: () => {
        hooks.onEvaluate?.(done, val.length);
        stopped = hooks.shouldStop?.() ?? false;
        return !stopped;
      },
    });
    if (!stopped && done !== val.length)
      throw new UserError(`${val.name}: gives ${done} images, and promises ${val.length}`);
    return stopped ? undefined : { top1: top1!, top5: top5!, loss: loss! };
  }
}

const ADVICE =
  'nothing of this step was kept, and --resume would end here again: begin anew with a lower optimizer.lr or with ' +
  'optimizer.clipGrad (init.from takes the best epoch so far)';

/** How many images an error names. */
const NAMED = 4;

function described(data: TrainLoader, indices: Int32Array): string {
  const names = [...indices.subarray(0, NAMED)].map((index) => data.describe(index));
  return names.join(', ') + (indices.length > NAMED ? ` and ${indices.length - NAMED} more` : '');
}
