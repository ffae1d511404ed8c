import { ITEM_BYTES } from '../dtypes.js';
import { stridedTensor, unreadableTensor } from '../stridedTensor.js';
import type { Checkpoint, CheckpointTensor } from '../types.js';
import type { Collected } from './collect.js';
import { type StoredContent, TorchTensor } from './tensors.js';

/** Bytes of the storage `key`, counted from its start. */
export type ReadStorage = (key: string, offset: number, length: number) => Promise<Uint8Array>;

/** Joins what the pickle says with where its storages lie, and in which order the bytes of an element stand there. */
export function checkpointOf(
  name: string,
  format: Checkpoint['format'],
  { tensors, metadata }: Collected,
  isBigEndian: boolean,
  readStorage: ReadStorage,
): Checkpoint {
  const readable = new Map<string, CheckpointTensor>();
  for (const [path, tensor] of tensors) {
    const content = tensor instanceof TorchTensor ? tensor.content : tensor;
    if (!('view' in content)) {
      readable.set(path, unreadableTensor(name, path, content.dtype, content.shape, content.reason));
    } else if (isBigEndian && isOfOtherItems(content)) {
      const { dtype, shape } = content.view;
      const reason = 'its storage is one of bytes, in a file of big-endian order';
      readable.set(path, unreadableTensor(name, path, dtype, shape, reason));
    } else {
      const { storage, view } = content;
      const read = (offset: number, length: number) => readStorage(storage.key, offset, length);
      readable.set(path, stridedTensor(path, { ...view, isBigEndian }, read));
    }
  }
  return { name, format, tensors: readable, metadata };
}

/** PyTorch puts the bytes of a storage's own items in order, which are not then those of the tensor's. */
function isOfOtherItems({ storage, view }: StoredContent): boolean {
  return storage.itemBytes !== ITEM_BYTES[view.dtype];
}
