import * as tf from '@tensorflow/tfjs-core';
import type { BufferName } from '../engines/wasm/training/index.js';
import { setWeight } from '../models/weights.js';
import { dropPathFactors } from '../ops/dropPath.js';
import { sizeOf } from '../shape.js';
import { logitGradients } from './logitGradients.js';
import type { StepEngine, WeightExchange } from './stepEngine.js';
import type { HeldTensor, Losses, StepBatch, StepRunner } from './stepRunner.js';
import type { Student } from './student.js';
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
  private readonly exchange: WeightExchange;

  constructor(
    private readonly setup: TrainSetup,
    private readonly engine: StepEngine,
  ) {
    const { student, config } = setup;
    this.hasEma = config.emaDecay !== null;
    this.exchange = engine.exchange ?? byMemory(engine);
    this.exchange.take(student);
    if (this.hasEma) engine.copy('weights', 'ema', student.trainable);
    for (const name of student.trainable) {
      const zeros = new Float32Array(sizeOf(student.weights.get(name)!.shape as number[]));
      for (const slot of ['mean', 'square'] as const) engine.write(slot, name, zeros);
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
    const { distillation, accumulate } = this.setup.config;
    const classes = targets.length / count;
    const sums = { base: 0, teacher: 0 };
    // Before the student's forward pass, not beside it: each takes every thread.
    const taught = await teacher?.predictPixels?.(pixels, count);
    let asked: Promise<Float32Array> | undefined;
    const rowsOf = (rows: Float32Array, first: number, part: number) =>
      rows.subarray(first * classes, (first + part) * classes);
    await engine.gradients({
      images: pixels,
      batch: count,
      dropPath: engine.dropRates.map((rate) => dropPathFactors(count, rate, dropPathSeed())),
      adds: this.batches > 0,
      meanwhile: () => {
        if (!teacher || taught) return;
        asked = this.ask(teacher, pixels, count);
        // It is awaited once the student's logits are there, if they ever are.
        asked.catch(() => {});
      },
      lossGradient: async (logits, first, part) => {
        const teaching = taught ?? (await asked);
        const rows = {
          logits,
          width: engine.width,
          targets: rowsOf(targets, first, part),
          teacherLogits: teaching && rowsOf(teaching, first, part),
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
    this.exchange.give(this.setup.student);
  }

  async withEma<T>(run: () => Promise<T>): Promise<T> {
    const { engine } = this;
    const { trainable } = this.setup.student;
    // Between steps the gradients are of no use: their buffer holds the weights meanwhile.
    engine.copy('weights', 'gradients', trainable);
    engine.copy('ema', 'weights', trainable);
    try {
      return await run();
    } finally {
      engine.copy('gradients', 'weights', trainable);
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

  private async ask(teacher: Teacher, pixels: Float32Array, count: number): Promise<Float32Array> {
    const { student, imgSize } = this.setup;
    const logits = student.onBackend(() =>
      tf.tidy(() => teacher.predict(tf.tensor4d(pixels, [count, ...imgSize, 3]))),
    );
    try {
      // A copy: some backends give a view of their own memory.
      return Float32Array.from(await logits.data<'float32'>());
    } finally {
      logits.dispose();
    }
  }
}

/** By the main memory, for engines that compute there. */
function byMemory(engine: StepEngine): WeightExchange {
  return {
    take(student) {
      for (const [name, weight] of student.weights) {
        const values = student.onBackend(() => weight.read().dataSync<'float32'>());
        engine.write('weights', name, values);
      }
    },
    give(student: Student) {
      student.onBackend(() => {
        for (const name of [...student.trainable, ...(engine.running ?? [])]) {
          setWeight(student.weights.get(name)!, engine.read('weights', name) as Float32Array);
        }
      });
    },
  };
}
