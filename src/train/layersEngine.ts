import type * as tfl from '@tensorflow/tfjs-layers';
import { createTrainingEngine, type TrainingEngine, Untrainable } from '../engines/wasm/training/index.js';
import { layersForward } from './layersForward.js';
import type { Student } from './student.js';
import type { EngineMachine } from './vitEngine.js';

/**
 * A training engine for a student that is a tf.LayersModel, e.g. a convnet: its weights are read by the Trainer.
 *
 * @param imgSize [height, width] of its images, for a model that takes any
 * @throws Untrainable, with the layer's name, for a model with a layer that the engine does not compute
 */
export function openLayersEngine(
  student: Student & { readonly layersModel: tfl.LayersModel },
  run: { readonly ema: boolean; readonly imgSize?: readonly [number, number] },
  machine: EngineMachine,
): Promise<TrainingEngine> {
  return openEngine(student.layersModel, new Set(student.trainable), student.decays, run, machine);
}

/** The answers alone of a tf.LayersModel; its weights are copied. */
export async function openLayersAnswers(
  model: tfl.LayersModel,
  imgSize: readonly [number, number],
  machine: EngineMachine,
): Promise<TrainingEngine> {
  const engine = await openEngine(model, new Set(), () => false, { ema: false, imgSize }, machine);
  for (const weight of model.weights) {
    engine.write('weights', weight.originalName, weight.read().dataSync<'float32'>());
  }
  return engine;
}

async function openEngine(
  model: tfl.LayersModel,
  trainable: ReadonlySet<string>,
  decays: (name: string) => boolean,
  { ema, imgSize }: { readonly ema: boolean; readonly imgSize?: readonly [number, number] },
  machine: EngineMachine,
): Promise<TrainingEngine> {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new Untrainable('a model of several inputs or outputs');
  }
  const [, height, width, channels] = model.inputs[0]!.shape;
  const size = height && width ? ([height, width] as const) : imgSize;
  if (!size || !channels) throw new Untrainable('a model that takes images of any size');
  const names = new Set(model.weights.map(({ originalName }) => originalName));
  if (names.size < model.weights.length) throw new Untrainable('weights of one name');
  return createTrainingEngine({
    forward: layersForward(model, size, trainable.size > 0),
    predict: layersForward(model, size, false),
    weights: model.weights.map(({ originalName, shape }) => ({
      name: originalName,
      shape: shape as number[],
      decays: decays(originalName),
    })),
    trainable,
    inputShape: [...size, channels],
    ema,
    ...machine,
  });
}
