import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../errors.js';
import { checkConfig, type VitConfig } from '../families/vit/config.js';
import { savedWeightName, weightSpecs } from '../families/vit/weights.js';
import type { Preprocessing } from '../image/types.js';
import type { WeightReader } from './weights.js';

/** The files of a converted model, wherever they lie (a folder, a URL). */
export interface ModelFiles {
  /** Shown in error messages. */
  readonly name: string;
  /** Bytes of a file by its name beside model.json. Throws a UserError if it cannot be had. */
  read(path: string): Promise<Uint8Array>;
}

/** A converted model, read from its files. */
export interface SavedModel {
  readonly config: VitConfig;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  /** Reads the weights in their order in the files; each shard is fetched once and kept until it is used up. */
  readonly readWeight: WeightReader;
  /** Size of all weights as stored, in bytes. */
  readonly weightBytes: number;
}

interface StoredWeight {
  spec: tf.io.WeightsManifestEntry;
  group: ShardedBytes;
  offset: number;
  length: number;
}

/** Opens a folder that deit-convert or model.layersModel.save wrote with our metadata. Reads model.json alone. */
export async function openSavedModel(files: ModelFiles): Promise<SavedModel> {
  const json = parseModelJson(new TextDecoder().decode(await files.read('model.json')), files.name);
  const metadata = json.userDefinedMetadata?.deit;
  if (!metadata?.architecture || !metadata.preprocessing) {
    throw new UserError(
      `${files.name}: model.json has no userDefinedMetadata.deit, so it was not written by deit-convert`,
    );
  }
  const config = metadata.architecture;
  checkConfig(config);
  const stored = storedWeights(json.weightsManifest ?? [], files);
  checkAgainst(config, stored, files.name);
  return {
    config,
    labels: metadata.labels,
    preprocessing: metadata.preprocessing,
    readWeight: (name) => readStored(stored.get(savedWeightName(name))!),
    weightBytes: [...stored.values()].reduce((sum, { length }) => sum + length, 0),
  };
}

interface ModelJson {
  format?: string;
  weightsManifest?: tf.io.WeightsManifestConfig;
  userDefinedMetadata?: {
    deit?: { architecture?: VitConfig; preprocessing?: Preprocessing; labels?: string[] };
  };
}

function parseModelJson(text: string, name: string): ModelJson {
  try {
    return JSON.parse(text) as ModelJson;
  } catch {
    throw new UserError(`${name}: model.json is not JSON; convert the checkpoint again`);
  }
}

function storedWeights(manifest: tf.io.WeightsManifestConfig, files: ModelFiles): Map<string, StoredWeight> {
  const stored = new Map<string, StoredWeight>();
  for (const { paths, weights } of manifest) {
    const group = new ShardedBytes(files, paths);
    let offset = 0;
    for (const spec of weights) {
      const length = spec.shape.reduce((a, b) => a * b, bytesPerValue(spec));
      stored.set(spec.name, { spec, group, offset, length });
      offset += length;
    }
    group.length = offset;
  }
  return stored;
}

function bytesPerValue(spec: tf.io.WeightsManifestEntry): number {
  const stored = spec.quantization?.dtype ?? spec.dtype;
  return { uint8: 1, uint16: 2, float16: 2 }[stored as string] ?? 4;
}

function checkAgainst(config: VitConfig, stored: Map<string, StoredWeight>, name: string): void {
  for (const spec of weightSpecs(config)) {
    const found = stored.get(savedWeightName(spec.name));
    if (!found)
      throw new UserError(`${name}: model.json lists no weight ${spec.name}; convert the checkpoint again`);
    if (String(found.spec.shape) !== String(spec.shape)) {
      throw new UserError(
        `${name}: ${spec.name} should have shape [${spec.shape}], model.json says [${found.spec.shape}]`,
      );
    }
  }
}

async function readStored({ spec, group, offset, length }: StoredWeight): Promise<Float32Array> {
  const bytes = await group.read(offset, length);
  if (!spec.quantization) return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const decoded = tf.io.decodeWeights(bytes.buffer as ArrayBuffer, [spec])[spec.name];
  try {
    return (await decoded.data<'float32'>()) as Float32Array;
  } finally {
    decoded.dispose();
  }
}

/** The shards of a weight group as one run of bytes; one shard is held at a time. */
class ShardedBytes {
  private readonly starts: number[] = [0];
  private held: { index: number; bytes: Uint8Array } | undefined;
  /** Sum of the weights' lengths: what all shards together should have. */
  length = 0;

  constructor(
    private readonly files: ModelFiles,
    private readonly paths: readonly string[],
  ) {}

  /** A copy of bytes [offset, offset + length), aligned for any dtype. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    let done = 0;
    let index = this.starts.findLastIndex((start) => start <= offset);
    while (done < length) {
      const bytes = await this.shard(index);
      const from = offset + done - this.starts[index];
      const part = bytes.subarray(from, from + length - done);
      out.set(part, done);
      done += part.length;
      index++;
    }
    return out;
  }

  private async shard(index: number): Promise<Uint8Array> {
    if (this.held?.index === index) return this.held.bytes;
    const path = this.paths[index];
    if (path === undefined) throw this.wrongLength('shorter');
    const bytes = await this.files.read(path);
    this.held = { index, bytes };
    const end = this.starts[index] + bytes.length;
    this.starts[index + 1] = end;
    if (index === this.paths.length - 1 && end > this.length) throw this.wrongLength('longer');
    return bytes;
  }

  private wrongLength(than: 'shorter' | 'longer'): UserError {
    return new UserError(
      `${this.files.name}: the weight files are ${than} than model.json says; copy the folder again`,
    );
  }
}
