import { readSafetensors } from '../../../converters/formats/safetensors.js';
import { safetensorsChunks } from '../../../converters/write/safetensors.js';
import { isFields } from '../../checkOptions.js';
import { UserError } from '../../errors.js';
import { show } from '../../text.js';
import {
  type Best,
  type Position,
  requireBest,
  requirePosition,
  type Snapshot,
  type SnapshotTensor,
} from '../../train/snapshot.js';
import { writeFileAtomically } from '../atomicFile.js';
import { openFileSource } from '../fileSource.js';
import type { RunIdentity } from './runIdentity.js';

/** What stands beside the tensors. */
interface Progress {
  readonly version: 1;
  readonly position: Position;
  readonly best: Best | null;
  /** Length of metrics.jsonl at the time. */
  readonly metricsBytes: number;
  /** Absent in checkpoints of version 0.1.0. */
  readonly run?: RunIdentity;
}

const KEY = 'deit_train';

/** Writes a snapshot as one safetensors file, whole or not at all. */
export async function writeCheckpoint(
  path: string,
  snapshot: Snapshot,
  metricsBytes: number,
  run?: RunIdentity,
): Promise<void> {
  const { position, best, tensors } = snapshot;
  const progress: Progress = { version: 1, position, best, metricsBytes, ...(run && { run }) };
  const writable = [...tensors].map(([name, { shape, values }]) => ({ name, shape, read: () => values }));
  await writeFileAtomically(path, safetensorsChunks(writable, { [KEY]: JSON.stringify(progress) }));
}

/** A checkpoint, read. */
export interface StoredCheckpoint extends Pick<Progress, 'metricsBytes' | 'run'> {
  readonly snapshot: Snapshot;
}

/** Reads what writeCheckpoint wrote. Throws a UserError if it is damaged or something else. */
export async function readCheckpoint(path: string): Promise<StoredCheckpoint> {
  const source = await openFileSource(path);
  try {
    const { tensors: stored, metadata } = await readSafetensors(source);
    const { position, best, metricsBytes, run } = parseProgress(metadata[KEY], path);
    const tensors = new Map<string, SnapshotTensor>();
    for (const [name, tensor] of stored) {
      tensors.set(name, { shape: tensor.shape, values: await tensor.read() });
    }
    return { snapshot: { position, best, tensors }, metricsBytes, run };
  } finally {
    await source.close();
  }
}

function parseProgress(text: unknown, path: string): Progress {
  const { version, position, best, metricsBytes, run } = parseObject(text);
  if (version !== 1) {
    throw new UserError(`${path}: is no checkpoint of a training run (it has no ${KEY} in its metadata)`);
  }
  try {
    if (!Number.isSafeInteger(metricsBytes) || (metricsBytes as number) < 0) {
      throw new UserError(`metricsBytes is ${show(metricsBytes)}, expected a length in bytes`);
    }
    return {
      version,
      position: requirePosition(position),
      best: requireBest(best),
      metricsBytes: metricsBytes as number,
      ...(run === undefined ? {} : { run: requireIdentity(run) }),
    };
  } catch (error) {
    throw error instanceof UserError
      ? new UserError(`${path}: the file is damaged: ${error.message}; the run cannot continue from it`)
      : error;
  }
}

function requireIdentity(value: unknown): RunIdentity {
  const { config, classes, images } = (value ?? {}) as Partial<RunIdentity>;
  const { training, validation } = (images ?? {}) as Partial<RunIdentity['images']>;
  const isWhole = isFields(config) && Array.isArray(classes) && [training, validation].every(isText);
  if (isWhole) return value as RunIdentity;
  throw new UserError(`its run is ${show(value)}, expected {config, classes, images}`);
}

const isText = (value: unknown) => typeof value === 'string';

function parseObject(text: unknown): Record<string, unknown> {
  try {
    return (JSON.parse(String(text)) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
