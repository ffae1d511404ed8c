import {
  createTrainingEngine,
  type TrainingEngine,
  type TrainingEngineOptions,
} from '../engines/wasm/training/index.js';
import { forward, headLogits } from '../families/vit/forward.js';
import { weightSpecs } from '../families/vit/weights.js';
import type { Distillation } from './loss.js';
import type { Student } from './student.js';

/** What an engine needs of the machine. */
export type EngineMachine = Pick<TrainingEngineOptions, 'threads' | 'startWorker' | 'compile' | 'simd'>;

/** The training engine with a student's weights. Throws Untrainable for a student that it cannot train. */
export function openVitEngine(
  student: Student,
  run: { readonly distillation: Distillation['type']; readonly ema: boolean },
  machine: EngineMachine,
): TrainingEngine {
  const { config, joint } = student.family!;
  const headAlone = run.distillation === 'none' && !joint;
  const engine = createTrainingEngine({
    forward: (ops, images) =>
      joint ? forward(ops, config, images, { outputTokensOnly: true }) : headLogits(ops, config, images),
    lossColumns: headAlone ? config.numClasses : undefined,
    predict: (ops, images) => forward(ops, config, images, { outputTokensOnly: true }),
    weights: weightSpecs(config),
    trainable: new Set(student.trainable),
    inputShape: [...config.imgSize, config.inChans],
    ema: run.ema,
    ...machine,
  });
  for (const [name, weight] of student.weights) {
    const values = student.onBackend(() => weight.read().dataSync<'float32'>());
    engine.write('weights', name, values);
    if (run.ema) engine.write('ema', name, values);
  }
  return engine;
}
