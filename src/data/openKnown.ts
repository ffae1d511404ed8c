/** Opens the data sets whose files have names of their own. */
import { cifar10Dataset } from './cifar10.js';
import type { Dataset } from './dataset.js';
import type { DataFolder, Split } from './formats.js';
import { mnistDataset } from './mnist.js';
import type { NamedBytes } from './namedBytes.js';

export async function openMnist(folder: DataFolder, split: Split): Promise<Dataset> {
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

export async function openCifar10(outer: DataFolder, split: Split): Promise<Dataset> {
  const unpacked = 'cifar-10-batches-bin';
  const folder = (await outer.has(unpacked)) ? outer.inner(unpacked) : outer;
  const parts = split === 'train' ? [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`) : ['test_batch.bin'];
  const files: NamedBytes[] = [];
  for (const name of parts) files.push(await folder.readFirst(name));
  const meta = 'batches.meta.txt';
  const names = (await folder.has(meta)) ? await folder.readFirst(meta) : undefined;
  return { ...cifar10Dataset(files, names), name: folder.path };
}
