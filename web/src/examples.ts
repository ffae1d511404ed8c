/** What is built in: the digits' checkpoint and some of their test pictures. */
import type { ModelSource } from './intake.js';

const checkpoint = new URL('../../examples/digits/deit_digits_distilled.pth', import.meta.url).href;

export const digits: ModelSource = { title: 'Digits', data: checkpoint };

const PICTURES = [
  { name: 'digit 3, number 18', url: new URL('../../examples/digits/val/3/00018.png', import.meta.url) },
  { name: 'digit 3, number 449', url: new URL('../../examples/digits/val/3/00449.png', import.meta.url) },
  { name: 'digit 4, number 247', url: new URL('../../examples/digits/val/4/00247.png', import.meta.url) },
  { name: 'digit 8, number 435', url: new URL('../../examples/digits/val/8/00435.png', import.meta.url) },
  { name: 'digit 0, number 3', url: new URL('../../examples/digits/val/0/00003.png', import.meta.url) },
  { name: 'digit 2, number 1', url: new URL('../../examples/digits/val/2/00001.png', import.meta.url) },
  { name: 'digit 8, number 61', url: new URL('../../examples/digits/val/8/00061.png', import.meta.url) },
  { name: 'digit 9, number 7', url: new URL('../../examples/digits/val/9/00007.png', import.meta.url) },
];

/** Fetches the pictures. Some are hard: the second and third are read wrongly, about the second and fourth the heads disagree. */
export function digitPictures(): Promise<File[]> {
  return Promise.all(
    PICTURES.map(async ({ name, url }) => {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
      return new File([await response.blob()], name, { type: 'image/png' });
    }),
  );
}
