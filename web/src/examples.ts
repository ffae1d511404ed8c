/** What is built in: the digits' checkpoint with some of their test images, and photographs for models of ImageNet. */
import type { GalleryImage } from './gallery.js';
import type { ModelSource } from './state.js';

const checkpoint = new URL('../../examples/digits/deit_digits_distilled.pth', import.meta.url).href;

export const digits: ModelSource = { title: 'Digits', data: checkpoint };

/** Some are hard: the second and third are read wrongly, about the second and fourth the heads disagree. */
const DIGITS = [
  { name: 'digit 3, number 18', url: new URL('../../examples/digits/val/3/00018.png', import.meta.url) },
  { name: 'digit 3, number 449', url: new URL('../../examples/digits/val/3/00449.png', import.meta.url) },
  { name: 'digit 4, number 247', url: new URL('../../examples/digits/val/4/00247.png', import.meta.url) },
  { name: 'digit 8, number 435', url: new URL('../../examples/digits/val/8/00435.png', import.meta.url) },
  { name: 'digit 0, number 3', url: new URL('../../examples/digits/val/0/00003.png', import.meta.url) },
  { name: 'digit 2, number 1', url: new URL('../../examples/digits/val/2/00001.png', import.meta.url) },
  { name: 'digit 8, number 61', url: new URL('../../examples/digits/val/8/00061.png', import.meta.url) },
  { name: 'digit 9, number 7', url: new URL('../../examples/digits/val/9/00007.png', import.meta.url) },
];

/** Sources and licences: samples/SOURCES.md. */
const PHOTOGRAPHS = [
  { name: 'cat', url: new URL('./samples/chelsea.jpg', import.meta.url) },
  { name: 'espresso', url: new URL('./samples/coffee.jpg', import.meta.url) },
  { name: 'tripod', url: new URL('./samples/camera.jpg', import.meta.url) },
  { name: 'rocket', url: new URL('./samples/rocket.jpg', import.meta.url) },
];

export const digitImages = () => fetchAll(DIGITS);
export const photographs = () => fetchAll(PHOTOGRAPHS);

function fetchAll(images: readonly { name: string; url: URL }[]): Promise<GalleryImage[]> {
  return Promise.all(
    images.map(async ({ name, url }) => {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
      const blob = await response.blob();
      return { name, file: new File([blob], name, { type: blob.type }) };
    }),
  );
}
