import type { ConvertOptions } from '../../converters/convert.js';
import type { Assumption } from '../../converters/facts.js';
import { decodeText } from '../decodeText.js';
import { UserError } from '../errors.js';
import type { WeightReader } from '../families/types.js';
import type { VitConfig } from '../families/vit/config.js';
import { savedWeightName } from '../families/vit/weights.js';
import type { Preprocessing } from '../image/types.js';
import { sizeOf } from '../shape.js';
import { checkModelJson, type StoredSpec, type WeightGroup } from './checkMetadata.js';
import { decodeStored } from './decodeStored.js';
import { finiteWeights } from './finiteWeights.js';

/** The files of a converted model, wherever they lie (a folder, a URL). */
export interface ModelFiles {
  /** Shown in error messages. */
  readonly name: string;
  /** Bytes of a file by its name beside model.json. Throws a UserError if it cannot be read, or has more than `maxBytes`. */
  read(path: string, maxBytes: number): Promise<Uint8Array>;
  /** Bytes of a file that may be missing, where one can look without asking a server. */
  readIfThere?(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Bytes that a file has, where that is known without reading it. */
  size?(path: string): Promise<number>;
  /**
   * Fills `target` with a file's bytes from `position` on, where `size` is known and a part can be had without the rest;
   * false if the file ends before.
   */
  readInto?(path: string, position: number, target: Uint8Array): Promise<boolean>;
}

/** A converted model, read from its files. */
export interface StoredModel {
  readonly family: 'vit';
  readonly config: VitConfig;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
  /** What was assumed when it was converted: see conversion.json. */
  readonly assumptions?: readonly Assumption[];
  /** Reads the weights in their order in the files; each shard is fetched once and kept until it is used up. */
  readonly readWeight: WeightReader;
  /** Size of all weights as stored, in bytes. */
  readonly weightBytes: number;
  /**
   * Rejects with a UserError if the weight files cannot hold what model.json says: called before a model is built, so
   * that memory is not taken for weights that are not there.
   */
  checkFiles?(): Promise<void>;
}

interface StoredWeight {
  readonly spec: StoredSpec;
  readonly group: ShardedBytes;
  readonly offset: number;
  readonly length: number;
}

/** Bytes of the largest model.json that is read: that of 1000 blocks with long labels is a hundredth of it. */
const MAX_MODEL_JSON = 2 ** 24;
/** A file may be this much longer than it should be and is still named as too long, rather than cut off. */
const SLACK = 2 ** 20;

/** The report of the conversion, beside model.json, whose bytes depend on the model alone. */
export const CONVERSION_FILE = 'conversion.json';
/** Assumptions that are shown; a conversion has a handful. */
const MAX_ASSUMPTIONS = 20;

/** What was assumed when a folder was converted; nothing where its report is missing or is no report. */
async function storedAssumptions(files: ModelFiles): Promise<readonly Assumption[]> {
  const bytes = await files.readIfThere?.(CONVERSION_FILE, SLACK);
  if (!bytes) return [];
  const { assumptions } = parseJson(bytes, files.name, CONVERSION_FILE) as { assumptions?: unknown };
  const isAssumption = (value: unknown): value is Assumption =>
    ['field', 'value', 'why'].every((key) => typeof (value as Record<string, unknown>)?.[key] === 'string');
  return Array.isArray(assumptions) ? assumptions.filter(isAssumption).slice(0, MAX_ASSUMPTIONS) : [];
}

/** Options of a conversion that hold for a converted folder too: how images are prepared can always be said. */
const STILL_FREE = new Set(['preprocessing', 'tables']);

/** Of a converted model: throws a UserError for an option that only its conversion could have followed. */
export function refuseConversion(name: string, options: ConvertOptions): void {
  const asked = Object.entries(options).find(([key, value]) => value !== undefined && !STILL_FREE.has(key));
  if (!asked) return;
  throw new UserError(
    `${name}: is converted already, and ${asked[0]} is an option of its conversion; convert the checkpoint again`,
  );
}

/** Opens a folder that deit-convert or model.layersModel.save wrote with our metadata. Reads no weights. */
export async function openLayersModelFolder(files: ModelFiles): Promise<StoredModel> {
  const bytes = await files.read('model.json', MAX_MODEL_JSON);
  const { metadata, groups } = checkModelJson(parseJson(bytes, files.name, 'model.json'), files.name);
  const stored = storedWeights(groups, files);
  const readWeight = (name: string) => readStored(stored.get(savedWeightName(name))!);
  return {
    family: 'vit',
    config: metadata.architecture,
    labels: metadata.labels ?? undefined,
    preprocessing: metadata.preprocessing,
    assumptions: await storedAssumptions(files),
    readWeight: finiteWeights(readWeight, files.name),
    checkFiles: async () => {
      for (const group of new Set([...stored.values()].map(({ group }) => group))) await group.check();
    },
    weightBytes: [...stored.values()].reduce((sum, { length }) => sum + length, 0),
  };
}

/** Paths of a converted folder's weight files, beside its model.json. Throws a UserError as openLayersModelFolder does. */
export function weightPaths(modelJson: Uint8Array, name: string): readonly string[] {
  return checkModelJson(parseJson(modelJson, name, 'model.json'), name).groups.flatMap(({ paths }) => paths);
}

function parseJson(bytes: Uint8Array, name: string, file: string): unknown {
  try {
    if (bytes.length > MAX_MODEL_JSON) throw new Error('too long');
    return JSON.parse(decodeText(bytes, file));
  } catch {
    throw new UserError(`${name}: ${file} is not JSON; convert the checkpoint again`);
  }
}

function storedWeights(groups: readonly WeightGroup[], files: ModelFiles): Map<string, StoredWeight> {
  const stored = new Map<string, StoredWeight>();
  for (const { paths, weights } of groups) {
    const group = new ShardedBytes(files, paths);
    let offset = 0;
    for (const spec of weights) {
      const length = sizeOf(spec.shape) * bytesPerValue(spec);
      stored.set(spec.name, { spec, group, offset, length });
      offset += length;
    }
    group.length = offset;
  }
  return stored;
}

function bytesPerValue({ dtype, quantization }: StoredSpec): number {
  const stored = quantization?.dtype ?? dtype;
  return { uint8: 1, uint16: 2, float16: 2, float32: 4 }[stored];
}

async function readStored({ spec, group, offset, length }: StoredWeight): Promise<Float32Array> {
  return decodeStored(spec, await group.read(offset, length));
}

/** The shards of a weight group as one run of bytes; one shard is held at a time. */
class ShardedBytes {
  /** Where each shard starts, as far as they were read. */
  private readonly starts: number[] = [0];
  private held: { index: number; bytes: Uint8Array } | undefined;
  /** Sum of the weights' lengths: what all shards together should have. */
  length = 0;

  constructor(
    private readonly files: ModelFiles,
    private readonly paths: readonly string[],
  ) {}

  /** Compares the length with the files' sizes, or where they are not known with what the first one promises. */
  async check(): Promise<void> {
    const { size } = this.files;
    if (size) {
      let found = 0;
      for (const path of this.paths) found += await size(path);
      if (found !== this.length) throw this.wrongLength(found < this.length ? 'shorter' : 'longer');
      return;
    }
    // tfjs cuts shards of one size, the last one shorter.
    const first = await this.shard(0);
    if (first.length * this.paths.length < this.length) throw this.wrongLength('shorter');
  }

  /** A copy of bytes [offset, offset + length), aligned for any dtype. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    let done = 0;
    let index = this.starts.findLastIndex((start) => start <= offset);
    while (done < length) {
      done += await this.readFrom(index, offset + done - this.startOf(index), out.subarray(done));
      index++;
    }
    return out;
  }

  /** Fills the beginning of `target` with what a shard has from `place` on; how many bytes these are. */
  private async readFrom(index: number, place: number, target: Uint8Array): Promise<number> {
    const { files } = this;
    if (!files.readInto) {
      const part = (await this.shard(index)).subarray(place, place + target.length);
      target.set(part);
      return part.length;
    }
    const left = Math.max(0, (await this.endOf(index)) - this.startOf(index) - place);
    const part = target.subarray(0, left);
    if (left > 0 && !(await files.readInto(this.pathOf(index), place, part)))
      throw this.wrongLength('shorter');
    return part.length;
  }

  private pathOf(index: number): string {
    const path = this.paths[index];
    if (path === undefined) throw this.wrongLength('shorter');
    return path;
  }

  /** Where a shard ends, by its file's size. */
  private async endOf(index: number): Promise<number> {
    const path = this.pathOf(index);
    const known = this.starts[index + 1];
    if (known !== undefined) return known;
    const end = this.startOf(index) + (await this.files.size!(path));
    this.starts[index + 1] = end;
    return end;
  }

  private async shard(index: number): Promise<Uint8Array> {
    if (this.held?.index === index) return this.held.bytes;
    const path = this.pathOf(index);
    const start = this.startOf(index);
    const left = this.length - start;
    const bytes = await this.files.read(path, left + SLACK);
    if (bytes.length > left) throw this.wrongLength('longer');
    this.held = { index, bytes };
    this.starts[index + 1] = start + bytes.length;
    return bytes;
  }

  private startOf(index: number): number {
    const start = this.starts[index];
    if (start === undefined) throw new Error(`shard ${index} is read before the one ahead of it`);
    return start;
  }

  private wrongLength(than: 'shorter' | 'longer'): UserError {
    return new UserError(
      `${this.files.name}: the weight files are ${than} than model.json says; copy the folder again`,
    );
  }
}
