/** Reading checkpoints: PyTorch's zip and legacy containers, safetensors and NumPy's, with nothing in them ever run. */

export { float32ToFloat16Bits } from './halfFloat.js';
export { parseCheckpoint } from './parseCheckpoint.js';
export { type OpenShard, openShards, shardPaths } from './shards.js';
export { blobSource, bytesSource } from './sources.js';
export type { ByteSource, Checkpoint, CheckpointMetadata, CheckpointTensor, TensorDtype } from './types.js';
