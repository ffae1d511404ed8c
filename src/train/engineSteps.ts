import * as tf from '@tensorflow/tfjs-core';
import type { BufferName, TrainingEngine } from '../engines/wasm/training/index.js';
import { setWeight } from '../models/weights.js';
import { dropPathFactors } from '../ops/dropPath.js';
import { logitGradients } from './logitGradients.js';
import type { HeldTensor, Losses, StepBatch, StepRunner } from './stepRunner.js';
import type { Teacher } from './teacher.js';
import type { TrainSetup } from './trainer.js';

/**
 * Steps on the training engine, which holds the weights and what the optimiser remembers. The student's own weights are
 * those of the last writeWeights.
 */
export class EngineSteps implements StepRunner {
  /** Batches of the step so far. */
  private batches = 0;
  /** Norm of the step's gradients. */
  private norm = 0;
  private readonly hasEma: boolean;

  constructor(
    private readonly setup: TrainSetup,
    private readonly engine: TrainingEngine,
  ) {
    const { student, config } = setup;
    this.hasEma = config.emaDecay !== null;
    for (const [name, weight] of student.weights) {
      const values = student.onBackend(() => weight.read().dataSync<'float32'>());
      engine.write('weights', name, values);
    }
    for (const name of student.trainable) {
      const values = engine.read('weights', name);
      if (this.hasEma) engine.write('ema', name, values);
      for (const slot of ['mean', 'square'] as const) engine.write(slot, name, values.fill(0));
    }
  }

  readonly classifier = {
    predict: (x: tf.Tensor): tf.Tensor2D => {
      this.writeWeights();
      return this.setup.student.predict(x as tf.Tensor4D);
    },
    predictPixels: (images: Float32Array, batch: number) => this.engine.predict(images, batch),
    onBackend: <T>(run: () => T): T => this.setup.student.onBackend(run),
    hasRuntime: true,
  } as StepRunner['classifier'];

  async add({ pixels, targets, count, teacher, dropPathSeed }: StepBatch): Promise<Losses> {
    const { engine } = this;
    const { config, student } = this.setup;
    const { distillation, accumulate } = config;
    const classes = targets.length / count;
    const sums = { base: 0, teacher: 0 };
    // Before the student's forward pass, not beside it: each takes every thread.
    let taught = await teacher?.predictPixels?.(pixels, count);
    const rowsOf = (rows: Float32Array, first: number, part: number) =>
      rows.subarray(first * classes, (first + part) * classes);
    await engine.gradients({
      images: pixels,
      batch: count,
      dropPath: engine.dropRates.map((rate) =>
        student.onBackend(() => valuesOf(() => dropPathFactors(count, rate, dropPathSeed()))),
      ),
      adds: this.batches > 0,
      meanwhile: () => {
        if (teacher && !taught) taught = this.ask(teacher, pixels, count);
      },
      lossGradient: (logits, first, part) => {
        const rows = {
          logits,
          width: engine.width,
          targets: rowsOf(targets, first, part),
          teacherLogits: taught && rowsOf(taught, first, part),
          classes,
        };
        const { base, teacher, gradient } = logitGradients(rows, distillation, count);
        sums.base += base;
        sums.teacher += teacher;
        // A step's gradients are the mean over its batches.
        return accumulate === 1 ? gradient : gradient.map((value) => value / accumulate);
      },
    });
    this.batches += 1;
    const { type, alpha } = distillation;
    if (type === 'none') return { loss: sums.base, base: sums.base, teacher: undefined };
    return { loss: sums.base * (1 - alpha) + sums.teacher * alpha, ...sums };
  }

  async gradientNorm(): Promise<number> {
    this.norm = await this.engine.gradientNorm();
    return this.norm;
  }

  async update({ count, learningRate }: { count: number; learningRate: number }): Promise<void> {
    const { optimizer, emaDecay } = this.setup.config;
    const { beta1, beta2, eps, weightDecay, clipGrad } = optimizer;
    await this.engine.update({
      learningRate,
      // 1e-6 is PyTorch's guard against a norm of zero.
      clip: clipGrad === null ? 1 : Math.min(clipGrad / (this.norm + 1e-6), 1),
      beta1,
      beta2,
      meanCorrection: 1 - beta1 ** count,
      squareCorrection: Math.sqrt(1 - beta2 ** count),
      eps,
      weightDecay,
      emaDecay: emaDecay ?? 0,
    });
    this.drop();
  }

  drop(): void {
    this.batches = 0;
  }

  writeWeights(): void {
    const { student } = this.setup;
    student.onBackend(() => {
      for (const name of [...student.trainable, ...this.engine.running]) {
        setWeight(student.weights.get(name)!, this.engine.read('weights', name));
      }
    });
  }

  async withEma<T>(run: () => Promise<T>): Promise<T> {
    const { trainable } = this.setup.student;
    const held = new Map(trainable.map((name) => [name, this.engine.read('weights', name)]));
    try {
      for (const name of trainable) this.engine.write('weights', name, this.engine.read('ema', name));
      return await run();
    } finally {
      for (const [name, values] of held) this.engine.write('weights', name, values);
    }
  }

  *tensors(): Generator<HeldTensor> {
    for (const { name, weight, buffer } of this.held()) {
      const shape = this.setup.student.weights.get(weight)!.shape as number[];
      yield { name, shape, read: async () => this.engine.read(buffer, weight) };
    }
  }

  restore(read: (name: string) => Float32Array): void {
    for (const { name, weight, buffer } of this.held()) this.engine.write(buffer, weight, read(name));
    const { student } = this.setup;
    // The frozen ones too: they may be those of another start.
    student.onBackend(() => {
      for (const [name, weight] of student.weights) setWeight(weight, read(`weights/${name}`));
    });
  }

  dispose(): void {
    // The engine is its caller's.
  }

  /** What a snapshot has, by its names. */
  private *held(): Generator<{ name: string; weight: string; buffer: BufferName }> {
    const { weights, trainable } = this.setup.student;
    for (const weight of weights.keys()) yield { name: `weights/${weight}`, weight, buffer: 'weights' };
    for (const slot of ['mean', 'square'] as const) {
      for (const weight of trainable) yield { name: `optimizer/${slot}/${weight}`, weight, buffer: slot };
    }
    if (!this.hasEma) return;
    for (const weight of trainable) yield { name: `ema/${weight}`, weight, buffer: 'ema' };
  }

  private ask(teacher: Teacher, pixels: Float32Array, count: number): Float32Array {
    const { student, imgSize } = this.setup;
    return student.onBackend(() =>
      valuesOf(() => teacher.predict(tf.tensor4d(pixels, [count, ...imgSize, 3]))),
    );
  }
}

/** A copy of the values of a tensor, and nothing left of it. */
function valuesOf(make: () => tf.Tensor): Float32Array {
  let values = new Float32Array();
  tf.tidy(() => {
    values = Float32Array.from(make().dataSync<'float32'>());
  });
  return values;
}
