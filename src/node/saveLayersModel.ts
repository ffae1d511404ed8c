import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { writeFolder } from './folderSink.js';

/**
 * Saves any tf.LayersModel as a folder (model.json and one weight file), whole or not at all: what model.save('file://…')
 * does where tfjs-node is installed.
 */
export async function saveLayersModel(model: tfl.LayersModel, folder: string): Promise<void> {
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      await writeFolder(folder, async (sink) => {
        const weights = tf.io.CompositeArrayBuffer.join(artifacts.weightData!);
        const json = {
          format: 'layers-model',
          generatedBy: artifacts.generatedBy,
          convertedBy: null,
          modelTopology: artifacts.modelTopology,
          weightsManifest: [{ paths: ['weights.bin'], weights: artifacts.weightSpecs }],
        };
        await sink.write('weights.bin', [new Uint8Array(weights)]);
        await sink.write('model.json', [new TextEncoder().encode(JSON.stringify(json))]);
      });
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
}
