import { join } from 'node:path';
import type { Dataset, ImageSource } from '../../data/dataset.js';
import { decodeImage } from '../decode.js';

/** Images that are files of their own. */
export interface FileSource extends ImageSource {
  /** Folder that the files lie below. */
  readonly root: string;
  /** Their paths below it, with forward slashes. */
  readonly files: readonly string[];
}

/** A data set whose images are files of their own. */
export type FileDataset = FileSource & Dataset;

/** @param root the empty text for files that have whole paths */
export function fileSource(root: string, files: readonly string[]): FileSource {
  const path = (index: number) => (root === '' ? files[index]! : join(root, files[index]!));
  return {
    name: root || 'files',
    root,
    files,
    length: files.length,
    describe: path,
    read: (index) => decodeImage(path(index)),
  };
}

export function fileDataset(
  root: string,
  files: readonly string[],
  labels: ArrayLike<number>,
  classNames: readonly string[],
): FileDataset {
  return { ...fileSource(root, files), labels: Int32Array.from(labels), classNames };
}
