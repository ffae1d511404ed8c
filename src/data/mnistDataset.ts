/** The reader of MNIST is fetched with the first call: few pages have a use for it. */
import type { InMemoryDataset } from './imageArray.js';
import type { NamedBytes } from './namedBytes.js';

/**
 * MNIST or Fashion-MNIST: one split's images and labels, either gzipped or not. Classes are named by their number.
 *
 * @throws UserError if a file is damaged, or the two do not belong together
 */
export async function mnistDataset(images: NamedBytes, labels: NamedBytes): Promise<InMemoryDataset> {
  return (await import('./mnist.js')).mnistDataset(images, labels);
}
