/** A model of lib/models.mjs as the files that runtimes load. */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { writeLayersModel } from '../../dist/converters/write/layersModel.js';
import { stateDictChunks } from '../../dist/converters/write/stateDict.js';
import { useBackend } from '../../dist/src/backend.js';
import { namedWeights } from '../../dist/src/models/weights.js';
import { writeFolder } from '../../dist/src/node/folderSink.js';
import { makeImages, makeModel, toPlanes } from './models.mjs';
import { onnxModel } from './onnxModel.mjs';

/** What @huggingface/transformers asks of a folder beside the graph. */
const transformersConfig = (size) => ({
  model_type: 'vit',
  architectures: ['ViTForImageClassification'],
  image_size: size,
});

/** Writes deit_NAME_patch16_SIZE into `folder` as deit-convert would; gives the model, and what writers take of it. */
export async function writeLayers(folder, name, size = 224) {
  await useBackend('wasm');
  const model = makeModel(name, size);
  const weights = namedWeights(model.layersModel);
  const { config, preprocessing, labels } = model;
  const readWeight = async (key) => /** @type {Float32Array} */ (weights.get(key).read().dataSync());
  const writable = { config, preprocessing, labels, readWeight };
  await writeFolder(folder, (sink) => writeLayersModel(writable, sink));
  return { model, writable };
}

/**
 * Writes deit_NAME_patch16_SIZE into `folder`: `layers/` (converted), `weights.safetensors`, for each batch size B the
 * ONNX file `onnx/B/onnx/model.onnx` in a folder as @huggingface/transformers wants it, and as raw float32 images
 * `pixels.f32` [B, H, W, 3] and `planes.f32` [B, 3, H, W] for the largest B.
 */
export async function writeModelFiles(folder, name, size, batches) {
  const { model, writable } = await writeLayers(join(folder, 'layers'), name, size);
  await pipeline(
    Readable.from(stateDictChunks(writable)),
    createWriteStream(join(folder, 'weights.safetensors')),
  );
  for (const batch of batches) {
    await mkdir(join(folder, `onnx/${batch}/onnx`), { recursive: true });
    await writeFile(join(folder, `onnx/${batch}/config.json`), JSON.stringify(transformersConfig(size)));
    await writeFile(join(folder, `onnx/${batch}/onnx/model.onnx`), onnxModel(model, batch, 'pixel_values'));
  }
  model.dispose();
  const most = Math.max(...batches);
  const pixels = makeImages(most, size);
  await writeFile(join(folder, 'pixels.f32'), pixels);
  await writeFile(join(folder, 'planes.f32'), toPlanes(pixels, most, size));
}
