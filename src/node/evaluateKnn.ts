/** k-NN evaluation of a backbone on two folders of class folders. */
import * as tf from '@tensorflow/tfjs-core';
import { readValues } from '../deviceLost.js';
import { UserError } from '../errors.js';
import { accuracyOf, knnVotes, type LabelledFeatures, type Products } from '../evaluate/knn.js';
import type { Accuracy } from '../evaluate/metrics.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import type { FileDataset, FileSource } from './data/fileDataset.js';
import { openClassFolders } from './data/imageFolder.js';
import type { FileFeatures } from './embedFiles.js';

export interface KnnFolders {
  readonly train: FileDataset;
  readonly val: FileDataset;
}

/**
 * Lists two folders of class folders, whose names say which classes are the same.
 *
 * @throws UserError for a folder that is not there or has no class folders or no images, and for a class of the val
 *   folder that the training folder does not have
 */
export async function openKnnFolders(trainDir: string, valDir: string): Promise<KnnFolders> {
  const [train, val] = [await openClassFolders(trainDir), await openClassFolders(valDir)];
  const known = new Set(train.classNames);
  const unknown = val.classNames.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    const more = unknown.length > 1 ? ` and ${unknown.length - 1} more` : '';
    throw new UserError(
      `${valDir}: the class folder "${unknown[0]}"${more} is not in ${trainDir}; k-NN needs the classes of both under the same names`,
    );
  }
  return { train, val };
}

export interface EvaluateKnnOptions {
  readonly k: number;
  readonly temperature: number;
  /** Computes the features of files. */
  readonly embed: (label: 'train' | 'val', images: FileSource) => Promise<FileFeatures>;
  /** Called with the fraction of the similarities that are computed, 0…1. */
  readonly onProgress?: (fraction: number) => void;
}

export interface KnnResult extends Accuracy {
  /** Images of both folders that could not be read. */
  failed: number;
  /** Images of the training folder that the neighbours were looked for among. */
  trainImages: number;
}

/**
 * DINO's k-NN evaluation of the val folder against the training folder.
 *
 * @throws UserError if no image of a folder can be read
 */
export async function evaluateKnn(
  model: VisionTransformer,
  { train, val }: KnnFolders,
  { k, temperature, embed, onProgress }: EvaluateKnnOptions,
): Promise<KnnResult> {
  const numClasses = train.classNames.length;
  const classOf = new Map(train.classNames.map((name, index) => [name, index]));
  let failed = 0;
  const featuresOf = async (label: 'train' | 'val', images: FileDataset): Promise<LabelledFeatures> => {
    const { indices, values, width, failed: unread } = await embed(label, images);
    failed += unread;
    if (indices.length === 0) {
      throw new UserError(`none of the ${unread} ${label} images could be read`);
    }
    const labelOf = (index: number) => classOf.get(images.classNames[images.labels[index]!]!)!;
    return { values, width, labels: indices.map(labelOf) };
  };
  const known = await featuresOf('train', train);
  const asked = await featuresOf('val', val);
  const products = productsOn(model);
  const votes = await knnVotes(known, asked, { k, temperature, numClasses, products, onProgress });
  return { ...accuracyOf(votes, asked.labels, numClasses), failed, trainImages: known.labels.length };
}

/** Products on the model's backend. */
function productsOn(model: VisionTransformer): Products {
  return async (a, b, width) => {
    const product = model.onBackend(() =>
      tf.tidy(() =>
        tf.matMul(
          tf.tensor2d(a, [a.length / width, width]),
          tf.tensor2d(b, [b.length / width, width]),
          false,
          true,
        ),
      ),
    );
    try {
      return await readValues(product, model.backend);
    } finally {
      product.dispose();
    }
  };
}
