/** Where a converted model's files go: a folder on disk, a map in memory, a zip. */
export interface OutputSink {
  /** Writes one file, whole or not at all. `path` is relative, with forward slashes. */
  write(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
}
