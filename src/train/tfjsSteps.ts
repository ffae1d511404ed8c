import * as tf from '@tensorflow/tfjs-core';
import { setWeight } from '../models/weights.js';
import { initialEma, updateEma, withEma } from './ema.js';
import { adamW, type ByWeight, globalNorm, type OptimizerState } from './optimizer/index.js';
import { applyGradients, computeGradients, disposeGradients, initialState } from './step.js';
import type { HeldTensor, Losses, StepBatch, StepRunner } from './stepRunner.js';
import type { TrainSetup } from './trainer.js';

/** Steps by tfjs' gradients, on the student's backend. */
export class TfjsSteps implements StepRunner {
  private readonly optimizer;
  private optimizerState: OptimizerState;
  private ema: ByWeight | undefined;
  /** The gradients of a step: their sum, and once that is complete their mean. */
  private gradients: ByWeight | undefined;

  constructor(private readonly setup: TrainSetup) {
    const { config, student } = setup;
    this.optimizer = adamW(config.optimizer, student.decays);
    this.optimizerState = initialState(this.optimizer, student);
    this.ema = config.emaDecay === null ? undefined : initialEma(student);
  }

  get classifier() {
    return this.setup.student;
  }

  async add({ pixels, targets, count, teacher, dropPathSeed }: StepBatch): Promise<Losses> {
    const { config, student, imgSize } = this.setup;
    const taughtRows = await teacher?.predictPixels?.(pixels, count);
    const inputs = student.onBackend(() => {
      const images = tf.tensor4d(pixels, [count, ...imgSize, 3]);
      const classes = targets.length / count;
      return {
        images,
        targets: tf.tensor2d(targets, [count, classes]),
        teacherLogits: taughtRows ? tf.tensor2d(taughtRows, [count, classes]) : teacher?.predict(images),
      };
    });
    const { images, targets: given, teacherLogits } = inputs;
    const found = computeGradients(student, inputs, config.distillation, dropPathSeed);
    const scalars = [found.total, found.base, found.teacher];
    const [loss, base, taught] = await Promise.all(
      scalars.map(async (scalar) => (await scalar?.data())?.[0]),
    );
    disposeGradients({ ...found, byWeight: {} });
    tf.dispose(teacherLogits ? [images, given, teacherLogits] : [images, given]);
    const sum = this.gradients;
    this.gradients = student.onBackend(() => accumulate(sum, found.byWeight));
    return { loss: loss!, base: base!, teacher: taught };
  }

  async gradientNorm(): Promise<number> {
    const { config, student } = this.setup;
    this.gradients = student.onBackend(() => averaged(this.gradients!, config.accumulate));
    const norm = student.onBackend(() => globalNorm(this.gradients!));
    const value = (await norm.data())[0]!;
    norm.dispose();
    return value;
  }

  async update(at: { count: number; learningRate: number }): Promise<void> {
    const { config, student } = this.setup;
    const state = this.optimizerState;
    this.optimizerState = applyGradients(student, this.optimizer, this.gradients!, { state, ...at });
    this.drop();
    if (this.ema) this.ema = updateEma(this.ema, student, config.emaDecay!);
  }

  drop(): void {
    tf.dispose(this.gradients ?? {});
    this.gradients = undefined;
  }

  writeWeights(): void {
    // The student's own are what is trained.
  }

  withEma<T>(run: () => Promise<T>): Promise<T> {
    return withEma(this.ema!, this.setup.student, run);
  }

  *tensors(): Generator<HeldTensor> {
    const { student } = this.setup;
    const held = (name: string, tensor: tf.Tensor): HeldTensor => ({
      name,
      shape: tensor.shape,
      // A copy: some backends give a view of their own memory.
      read: async () => Float32Array.from(await tensor.data()),
    });
    for (const [name, weight] of student.weights) yield held(`weights/${name}`, weight.read());
    for (const [slot, byWeight] of Object.entries(this.optimizerState)) {
      for (const [name, tensor] of Object.entries(byWeight)) yield held(`optimizer/${slot}/${name}`, tensor);
    }
    for (const [name, tensor] of Object.entries(this.ema ?? {})) yield held(`ema/${name}`, tensor);
  }

  restore(read: (name: string) => Float32Array): void {
    const { student } = this.setup;
    const replace = (prefix: string, byWeight: ByWeight) => {
      for (const [name, old] of Object.entries(byWeight)) {
        byWeight[name] = tf.tensor(read(`${prefix}/${name}`), old.shape, 'float32');
        old.dispose();
      }
    };
    student.onBackend(() => {
      for (const [name, weight] of student.weights) setWeight(weight, read(`weights/${name}`));
      for (const [slot, byWeight] of Object.entries(this.optimizerState)) {
        replace(`optimizer/${slot}`, byWeight);
      }
      if (this.ema) replace('ema', this.ema);
    });
  }

  dispose(): void {
    this.drop();
    for (const slot of Object.values(this.optimizerState)) tf.dispose(slot);
    if (this.ema) tf.dispose(this.ema);
    this.optimizerState = {};
    this.ema = undefined;
  }
}

function accumulate(sum: ByWeight | undefined, part: ByWeight): ByWeight {
  if (!sum) return part;
  const next: ByWeight = {};
  for (const [name, gradient] of Object.entries(part)) {
    next[name] = tf.add(sum[name]!, gradient);
    tf.dispose([sum[name], gradient]);
  }
  return next;
}

function averaged(sum: ByWeight, count: number): ByWeight {
  if (count === 1) return sum;
  const mean: ByWeight = {};
  for (const [name, gradient] of Object.entries(sum)) {
    mean[name] = tf.div(gradient, count);
    gradient.dispose();
  }
  return mean;
}
