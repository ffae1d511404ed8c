import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { checkArguments } from '../checkArguments.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { writeFolder } from './folderSink.js';

/**
 * Saves a model with its labels and preprocessing as a folder that load() reads, whole or not at all. A model that was
 * converted, or built and trained.
 *
 * @throws UserError if the folder cannot be written, or is there and holds something else
 */
export async function saveModel(model: VisionTransformer, folder: string): Promise<void> {
  checkArguments('saveModel', { model: ['model', model], folder: ['path', folder] });
  await saveLayersModel(model.layersModel, folder);
}

/**
 * Saves any tf.LayersModel as a folder (model.json and one weight file), whole or not at all, with its user-defined
 * metadata: what model.save('file://…') does where tfjs-node is installed. load() reads it if the model is one of this
 * library's.
 */
export async function saveLayersModel(model: tfl.LayersModel, folder: string): Promise<void> {
  checkArguments('saveLayersModel', { model: ['layersModel', model], folder: ['path', folder] });
  await model.save(folderHandler(folder));
}

/** What saves under a `file://` address where tfjs has no handler for it. */
export function fileHandler(url: string): tf.io.IOHandler {
  // tfjs-node takes what stands behind file:// for a path, which may be relative.
  return folderHandler(url.startsWith('file:///') ? fileURLToPath(url) : url.slice('file://'.length));
}

function folderHandler(folder: string): tf.io.IOHandler {
  return tf.io.withSaveHandler(async (artifacts) => {
    await writeFolder(folder, async (sink) => {
      const weights = tf.io.CompositeArrayBuffer.join(artifacts.weightData!);
      const { trainingConfig, userDefinedMetadata } = artifacts;
      const json = {
        format: 'layers-model',
        generatedBy: artifacts.generatedBy,
        convertedBy: null,
        modelTopology: artifacts.modelTopology,
        ...(trainingConfig ? { trainingConfig } : {}),
        ...(userDefinedMetadata ? { userDefinedMetadata } : {}),
        weightsManifest: [{ paths: ['weights.bin'], weights: artifacts.weightSpecs }],
      };
      await sink.write('weights.bin', [new Uint8Array(weights)]);
      await sink.write('model.json', [new TextEncoder().encode(JSON.stringify(json))]);
    });
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  });
}
