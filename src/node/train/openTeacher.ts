import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../../checkArguments.js';
import { decodeText } from '../../decodeText.js';
import { UserError } from '../../errors.js';
import { loadAny } from '../../models/loadAny.js';
import {
  type Graph,
  type Teacher,
  teacherOfGraphModel,
  teacherOfLayersModel,
  teacherOfModel,
} from '../../train/teacher.js';
import { openAnyModel } from '../openModel.js';
import { importOptional, importPackage } from '../optionalPackages.js';

interface ModelJson {
  format?: string;
  modelTopology?: object;
  weightsManifest?: tf.io.WeightsManifestConfig;
  userDefinedMetadata?: { deit?: unknown };
}

/**
 * Opens a teacher on the current backend: one of our models (folder, URL, checkpoint), a checkpoint of a RegNet, or a
 * folder of any tf.LayersModel or tf.GraphModel.
 */
export async function openTeacher(path: string): Promise<Teacher> {
  checkArguments('openTeacher', { path: ['path', path] });
  const folder = path.endsWith('model.json') ? dirname(path) : path;
  const json = await readModelJson(join(folder, 'model.json'));
  if (json === undefined || json.userDefinedMetadata?.deit) return openOurs(path);
  const isGraph = json.format === 'graph-model' || 'node' in (json.modelTopology ?? {});
  const handler = tf.io.fromMemory(await artifacts(folder, json));
  try {
    if (isGraph) {
      const { loadGraphModel } = await importOptional(
        'graphModels',
        'a teacher that is a tf.GraphModel',
        () => importPackage<typeof import('@tensorflow/tfjs-converter')>('@tensorflow/tfjs-converter'),
      );
      return teacherOfGraphModel((await loadGraphModel(handler)) as unknown as Graph, path);
    }
    const { loadLayersModel } = await import('@tensorflow/tfjs-layers');
    return teacherOfLayersModel(await loadLayersModel(handler), path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: tfjs cannot load this model (${(error as Error).message.split('\n')[0]})`);
  }
}

async function openOurs(path: string): Promise<Teacher> {
  const opened = await openAnyModel(path);
  try {
    return teacherOfModel(await loadAny(opened.source, { backend: tf.getBackend() }));
  } finally {
    await opened.close();
  }
}

async function readModelJson(path: string): Promise<ModelJson | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return undefined;
  const text = decodeText(bytes, path);
  try {
    return JSON.parse(text) as ModelJson;
  } catch {
    throw new UserError(`${path}: is not JSON`);
  }
}

async function artifacts(folder: string, json: ModelJson): Promise<tf.io.ModelArtifacts> {
  const manifest = json.weightsManifest ?? [];
  const shards = [];
  for (const path of manifest.flatMap(({ paths }) => paths)) {
    const bytes = await readFile(join(folder, path)).catch((error: NodeJS.ErrnoException) => {
      throw new UserError(
        `${join(folder, path)}: cannot be read (${error.code}); the model's folder is not whole`,
      );
    });
    shards.push(bytes);
  }
  const data = Buffer.concat(shards);
  return {
    modelTopology: json.modelTopology,
    format: json.format,
    weightSpecs: manifest.flatMap(({ weights }) => weights),
    weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer,
  };
}
