import { imagenetLabels, imagenetSynsets } from '../../configs/imagenet.js';

/**
 * The first class that is named otherwise in a model than in a data set of as many classes; −1 if none is, or the model's
 * have no names. Folders of ImageNet are named by synset, its classes by words.
 */
export function otherClass(labels: readonly string[] | undefined, classNames: readonly string[]): number {
  if (!labels) return -1;
  const synsets =
    classNames.length === 1000 && imagenetSynsets.every((synset, i) => synset === classNames[i]);
  if (synsets && String(labels) === String(imagenetLabels)) return -1;
  return labels.findIndex((label, i) => label !== classNames[i]);
}
