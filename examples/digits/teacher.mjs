/** The convnet that teaches, trained by deit-tfjs' own trainer on whatever backend runs. */
import * as tfl from '@tensorflow/tfjs-layers';
import * as deit from 'deit-tfjs/node';

/** float32 [B, 28, 28, 3] → logits [B, 10]. */
export function makeTeacher(seed) {
  let layers = 0;
  const kernelInitializer = () => tfl.initializers.heNormal({ seed: 1000 * seed + ++layers });
  const stage = (filters, kernelSize, strides, rest = {}) => [
    tfl.layers.conv2d({
      filters,
      kernelSize,
      strides,
      padding: 'same',
      useBias: false,
      kernelInitializer: kernelInitializer(),
      ...rest,
    }),
    // Over the channels of each pixel: tfjs' batch norm takes several times as long to train on WASM.
    new deit.layers.LayerNorm({ epsilon: 1e-5 }),
    tfl.layers.reLU(),
  ];
  return tfl.sequential({
    name: 'digits_convnet',
    layers: [
      ...stage(16, 5, 2, { inputShape: [28, 28, 3] }),
      ...stage(32, 3, 2),
      ...stage(48, 3, 1),
      ...stage(64, 3, 2),
      tfl.layers.flatten(),
      tfl.layers.dense({ units: 10, kernelInitializer: kernelInitializer() }),
    ],
  });
}

/** Trains it and saves it as a tfjs layers model. Gives its accuracy on the validation pictures. */
export async function trainTeacher(config, folder) {
  const preprocessing = deit.preprocessingFor(config.preset, [28, 28]);
  const { augment, seed, workers } = config;
  const data = await deit.openTrainData({ data: config.data, augment, preprocessing, seed, workers });
  const val = await deit.openEvalData({ data: config.val, preprocessing, workers });
  const model = makeTeacher(seed);
  const setup = { config, student: deit.studentOfLayersModel(model), imgSize: [28, 28], data, val };
  const trainer = new deit.Trainer(setup);
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
    await deit.saveLayersModel(model, folder);
    return accuracy;
  } finally {
    trainer.dispose();
    model.dispose();
    await data.close();
    await val.close();
  }
}
