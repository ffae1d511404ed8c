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

/** Element types whose values have one meaning as float32. */
export type TensorDtype =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float8_e4m3fn'
  | 'float8_e4m3fnuz'
  | 'float8_e5m2'
  | 'float8_e5m2fnuz'
  | 'float8_e8m0fnu'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'bool';

/** One tensor of a checkpoint; its values are read when asked for. */
export interface CheckpointTensor {
  readonly name: string;
  /** A TensorDtype, or PyTorch's name of another type, e.g. `complex64` or `qint8`, which read() refuses. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Why read() refuses: a clause such as `its dtype complex64 is not read`. Left out where it reads. */
  readonly unreadable?: string;
  /**
   * The values in row-major order as float32: other types are rounded once, to the nearest, ties to even.
   * Rejects with a UserError that names the file and the tensor if it is unreadable.
   */
  read(): Promise<Float32Array>;
}

/** Plain values found beside the tensors. */
export type CheckpointMetadata = Readonly<Record<string, string | number | boolean | null>>;

/** A parsed checkpoint: every tensor found anywhere in it, under its full path, e.g. `model.blocks.0.norm1.weight`. */
export interface Checkpoint {
  readonly name: string;
  readonly format: 'zip' | 'legacy' | 'safetensors' | 'npz' | 'npy';
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /**
   * Plain values beside the tensors, by dotted path: `epoch`, `arch`, `args.num_heads`, `hyper_parameters.lr`,
   * `meta.cfg` (mmengine's configuration, as text), safetensors' `__metadata__` as it is. It has no prototype.
   */
  readonly metadata: CheckpointMetadata;
}
