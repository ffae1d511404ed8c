import {
  createTrainingEngine,
  type TrainingEngine,
  type TrainingEngineOptions,
  Untrainable,
} from '../engines/wasm/training/index.js';
import { forward, headLogits } from '../families/vit/forward.js';
import { weightSpecs } from '../families/vit/weights.js';
import type { Ops } from '../ops/interface.js';
import type { Distillation } from './loss.js';
import type { Student } from './student.js';

/** What an engine needs of the machine. */
export type EngineMachine = Pick<
  TrainingEngineOptions,
  'threads' | 'startWorker' | 'compile' | 'simd' | 'keptBytes'
>;

/** What of a run an engine has to know. */
export interface EngineRun {
  readonly distillation: Distillation['type'];
  readonly ema: boolean;
}

/** A forward pass in any engine's terms: from images [B, H, W, C] to one row an image. */
type Forward = <V>(ops: Ops<V>, images: V) => V;

/** What every engine takes of one of our vision transformers. */
export interface VitTraining extends Omit<TrainingEngineOptions, keyof EngineMachine> {
  readonly forward: Forward;
  readonly predict: Forward;
}

/** What every engine takes of a student. Throws Untrainable for one that is none of our vision transformers. */
export function vitTraining(student: Student, run: EngineRun): VitTraining {
  if (!student.family) throw new Untrainable('a tf.LayersModel');
  const { config, joint } = student.family;
  const headAlone = run.distillation === 'none' && !joint;
  return {
    forward: (ops, images) =>
      joint ? forward(ops, config, images, { outputTokensOnly: true }) : headLogits(ops, config, images),
    lossColumns: headAlone ? config.numClasses : undefined,
    predict: (ops, images) => forward(ops, config, images, { outputTokensOnly: true }),
    weights: weightSpecs(config),
    trainable: new Set(student.trainable),
    inputShape: [...config.imgSize, config.inChans],
    ema: run.ema,
  };
}

/** A training engine for a student: its weights are read by the Trainer. Throws Untrainable where it cannot train it. */
export async function openVitEngine(
  student: Student,
  run: EngineRun,
  machine: EngineMachine,
): Promise<TrainingEngine> {
  return createTrainingEngine({ ...vitTraining(student, run), ...machine });
}
