import { stridedTensor } from '../stridedTensor.js';
import type { Checkpoint, CheckpointTensor } from '../types.js';
import type { Collected } from './collect.js';

/** Bytes of the storage `key`, counted from its start. */
export type ReadStorage = (key: string, offset: number, length: number) => Promise<Uint8Array>;

/** Joins what the pickle says with where its storages lie. */
export function checkpointOf(
  name: string,
  format: Checkpoint['format'],
  { tensors, metadata }: Collected,
  readStorage: ReadStorage,
): Checkpoint {
  const readable = new Map<string, CheckpointTensor>();
  for (const [path, { storage, view }] of tensors) {
    readable.set(
      path,
      stridedTensor(path, view, (offset, length) => readStorage(storage.key, offset, length)),
    );
  }
  return { name, format, tensors: readable, metadata };
}
