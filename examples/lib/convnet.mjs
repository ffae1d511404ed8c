/** Convnets that teach, trained by deit-tfjs' own trainer on whatever backend runs. */
import * as tfl from '@tensorflow/tfjs-layers';
import * as deit from 'deit-tfjs/node';

/**
 * Convolutions, each followed by a norm over the channels of each pixel and ReLU, then one linear layer.
 *
 * @param inputShape [H, W, 3]
 * @param stages filters, kernel size and stride of each convolution
 * @param seed of the initial weights
 * @returns float32 [B, H, W, 3] → logits [B, units]
 */
export function makeConvnet({ name, inputShape, stages, units, seed }) {
  let layers = 0;
  const kernelInitializer = () => tfl.initializers.heNormal({ seed: 1000 * seed + ++layers });
  const stage = ([filters, kernelSize, strides], first) => [
    tfl.layers.conv2d({
      filters,
      kernelSize,
      strides,
      padding: 'same',
      useBias: false,
      kernelInitializer: kernelInitializer(),
      ...(first ? { inputShape } : {}),
    }),
    // Over the channels of each pixel: tfjs' batch norm takes several times as long to train on WASM.
    new deit.layers.LayerNorm({ epsilon: 1e-5 }),
    tfl.layers.reLU(),
  ];
  return tfl.sequential({
    name,
    layers: [
      ...stages.flatMap((shape, i) => stage(shape, i === 0)),
      tfl.layers.flatten(),
      tfl.layers.dense({ units, kernelInitializer: kernelInitializer() }),
    ],
  });
}

/**
 * Trains a convnet on a student's data, by the student's recipe, and saves it as a tfjs layers model.
 *
 * @param recipe the fields of `deit train` for the student
 * @param teacher name, epochs, and stages: filters, kernel size and stride of each convolution
 * @param path of the data
 * @param output the folder of the model
 * @returns its accuracy on the validation images
 */
export async function trainConvnet(recipe, { name, epochs, stages }, path, output) {
  const config = deit.resolveTrainConfig({
    ...recipe,
    data: { ...recipe.data, path },
    val: { ...recipe.val, path },
    distillation: { type: 'none' },
    schedule: { ...recipe.schedule, epochs },
    output,
  });
  await deit.useBackend(config.backend);
  const { augment, seed, workers } = config;
  /** @type {[number, number]} */
  const imgSize = [recipe.model.imgSize, recipe.model.imgSize];
  const preprocessing = deit.preprocessingFor(config.preset, imgSize);
  const data = await deit.openTrainData({ data: config.data, augment, preprocessing, seed, workers });
  const val = await deit.openEvalData({ data: config.val, preprocessing, workers });
  const units = data.classNames.length;
  const model = makeConvnet({ name, inputShape: [...imgSize, 3], stages, units, seed });
  const student = deit.studentOfLayersModel(model);
  const threads = config.threads ?? undefined;
  const engine =
    config.backend === 'wasm' ? await deit.openTrainingEngine(student, config, threads) : undefined;
  const trainer = new deit.Trainer({ config, student, engine, imgSize, data, val });
  let accuracy;
  try {
    await trainer.run({
      onEpoch: ({ epoch, trainLoss, val }) => {
        accuracy = val;
        console.error(
          `teacher, epoch ${epoch + 1}: loss ${trainLoss.toFixed(4)}, top-1 ${val.top1.toFixed(2)} %`,
        );
      },
    });
    await deit.saveLayersModel(model, output);
    return accuracy;
  } finally {
    trainer.dispose();
    engine?.dispose();
    model.dispose();
    await data.close();
    await val.close();
  }
}
