/** The formats of data sets. A new one is a parser and a row in DATA_FORMATS: the configuration's check, its help and
 * whatever opens data read the table. */
import { cifar10Dataset } from './cifar10.js';
import type { Dataset } from './dataset.js';
import { mnistDataset } from './mnist.js';
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

interface DataFormat {
  readonly describe: string;
  open(folder: DataFolder, split: Split, limit: number | null): Promise<Dataset>;
}

export const DATA_FORMATS = {
  folder: {
    describe: "class folders of images (torchvision's ImageFolder)",
    open: (folder, _split, limit) => folder.imageFolder(limit),
  },
  mnist: { describe: 'the IDX files of MNIST or Fashion-MNIST, gzipped or not', open: openMnist },
  cifar10: { describe: "CIFAR-10's binary batches", open: openCifar10 },
} satisfies Record<string, DataFormat>;

export type DataFormatName = keyof typeof DATA_FORMATS;

async function openMnist(folder: DataFolder, split: Split): Promise<Dataset> {
  const prefix = split === 'train' ? 'train' : 't10k';
  const images = await folder.readFirst(...idxNames(`${prefix}-images`, 3));
  const labels = await folder.readFirst(...idxNames(`${prefix}-labels`, 1));
  return mnistDataset(images, labels);
}

/** The names under which the files are in circulation. */
function idxNames(stem: string, axes: number): string[] {
  const names = [`${stem}-idx${axes}-ubyte`, `${stem}.idx${axes}-ubyte`];
  return names.flatMap((name) => [name, `${name}.gz`]);
}

async function openCifar10(outer: DataFolder, split: Split): Promise<Dataset> {
  const unpacked = 'cifar-10-batches-bin';
  const folder = (await outer.has(unpacked)) ? outer.inner(unpacked) : outer;
  const parts = split === 'train' ? [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`) : ['test_batch.bin'];
  const files: NamedBytes[] = [];
  for (const name of parts) files.push(await folder.readFirst(name));
  const meta = 'batches.meta.txt';
  const names = (await folder.has(meta)) ? await folder.readFirst(meta) : undefined;
  return { ...cifar10Dataset(files, names), name: folder.path };
}
