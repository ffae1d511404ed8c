import {
  createTrainingEngine,
  type TrainingEngine,
  type TrainingEngineOptions,
  Untrainable,
} from '../engines/wasm/training/index.js';
import { forward, headLogits } from '../families/vit/forward.js';
import { weightSpecs } from '../families/vit/weights.js';
import type { Distillation } from './loss.js';
import type { Student } from './student.js';

/** What an engine needs of the machine. */
export type EngineMachine = Pick<
  TrainingEngineOptions,
  'threads' | 'startWorker' | 'compile' | 'simd' | 'keptBytes'
>;

/** A training engine for a student: its weights are read by the Trainer. Throws Untrainable where it cannot train it. */
export async function openVitEngine(
  student: Student,
  run: { readonly distillation: Distillation['type']; readonly ema: boolean },
  machine: EngineMachine,
): Promise<TrainingEngine> {
  if (!student.family) throw new Untrainable('a tf.LayersModel');
  const { config, joint } = student.family;
  const headAlone = run.distillation === 'none' && !joint;
  return createTrainingEngine({
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
}
