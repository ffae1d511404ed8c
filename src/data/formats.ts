/** The formats of data sets. A new one is a parser and a row in DATA_FORMATS: the configuration's check, its help and
 * whatever opens data read the table. */
import type { Dataset } from './dataset.js';
import type { NamedBytes } from './namedBytes.js';

/** Which part of the data; class folders have a path for each instead. */
export const SPLITS = ['train', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** A folder, as a platform gives access to it. */
export interface DataFolder {
  readonly path: string;
  has(name: string): Promise<boolean>;
  /**
   * Reads the first of these files that is there.
   *
   * @throws UserError if there is none, or it cannot be read
   */
  readFirst(...names: string[]): Promise<NamedBytes>;
  inner(name: string): DataFolder;
  /** The folder as class folders of image files; of which the first `limit` will be used, or all for null. */
  imageFolder(limit: number | null): Promise<Dataset>;
}

/** Loaded when a data set is opened: a page knows the formats by name alone. */
const openers = () => import('./openKnown.js');

interface DataFormat {
  readonly describe: string;
  open(folder: DataFolder, split: Split, limit: number | null): Promise<Dataset>;
}

export const DATA_FORMATS = {
  folder: {
    describe: "class folders of images (torchvision's ImageFolder)",
    open: (folder, _split, limit) => folder.imageFolder(limit),
  },
  mnist: {
    describe: 'the IDX files of MNIST or Fashion-MNIST, gzipped or not',
    open: async (folder, split) => (await openers()).openMnist(folder, split),
  },
  cifar10: {
    describe: "CIFAR-10's binary batches",
    open: async (folder, split) => (await openers()).openCifar10(folder, split),
  },
} satisfies Record<string, DataFormat>;

export type DataFormatName = keyof typeof DATA_FORMATS;
