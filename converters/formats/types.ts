/** Random access to the bytes of a checkpoint, wherever they lie (a file, an array, a Blob). */
export interface ByteSource {
  /** Shown in error messages: a path, a URL or `<bytes>`. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Bytes [offset, offset + length), possibly a view of a larger buffer: not to be written to.
   * Throws a UserError if the range is not inside the source.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export type TensorDtype =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool';

/** One tensor of a checkpoint; its values are read when asked for. */
export interface CheckpointTensor {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  /** The values in row-major order as float32 (half, bfloat16 and double are converted; integers too). */
  read(): Promise<Float32Array>;
}

/** Plain values found beside the tensors. */
export type CheckpointMetadata = Readonly<Record<string, string | number | boolean | null>>;

/** A parsed checkpoint: every tensor found anywhere in it, under its full path, e.g. `model.blocks.0.norm1.weight`. */
export interface Checkpoint {
  readonly name: string;
  readonly format: 'zip' | 'legacy' | 'safetensors';
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Plain values beside the tensors (epoch, arch, safetensors' __metadata__ …): strings, numbers, booleans. */
  readonly metadata: CheckpointMetadata;
}
