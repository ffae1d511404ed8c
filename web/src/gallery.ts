/** All images that were given, as a strip of small ones; one of them is chosen. */
import { byId, make } from './dom.js';
import { thumbnail } from './images.js';
import { showError } from './messages.js';
import { state, update, watch } from './state.js';

export interface GalleryImage {
  readonly name: string;
  readonly file: Blob;
}

const SIDE = 96;
/** Small images that are decoded at a time. */
const AT_ONCE = 2;
/** Broken files that a message names. */
const NAMED = 5;

const strip = byId('strip');
const buttons = new Map<GalleryImage, HTMLButtonElement>();
const imageOf = new WeakMap<Element, GalleryImage>();
/** Of each image those that were given with it. */
const dropOf = new WeakMap<GalleryImage, readonly GalleryImage[]>();
const waiting: GalleryImage[] = [];
let decoding = 0;
let broken: { image: GalleryImage; message: string }[] = [];

/** Adds images before those that are there, and shows the first unless told otherwise. */
export function addImages(given: readonly GalleryImage[], show = true): void {
  if (given.length === 0) return;
  const added = [...given];
  for (const image of added) dropOf.set(image, added);
  strip.prepend(...added.map((image) => make('li', {}, buttonFor(image))));
  update({ images: [...added, ...state.images], ...(show || !state.chosen ? { chosen: added[0] } : {}) });
}

/** Takes an image out, e.g. one that cannot be read. */
function removeImages(images: readonly GalleryImage[]): void {
  const gone = new Set(images);
  const kept = state.images.filter((image) => !gone.has(image));
  for (const image of images) {
    buttons.get(image)?.parentElement?.remove();
    buttons.delete(image);
  }
  update({ images: kept, chosen: chosenOf(kept) });
}

/** Where the chosen one is gone: another of its drop, else the one that is shown. */
function chosenOf(kept: readonly GalleryImage[]): GalleryImage | undefined {
  const { chosen, shown } = state;
  if (!chosen || kept.includes(chosen)) return chosen;
  const drop = dropOf.get(chosen) ?? [];
  return (
    kept.find((image) => drop.includes(image)) ?? kept.find((image) => image === shown?.image) ?? kept[0]
  );
}

/** Puts the images in another order. */
export function orderImages(images: readonly GalleryImage[]): void {
  strip.append(...images.map((image) => buttons.get(image)!.parentElement!));
  update({ images });
}

/** An image that cannot be read: it is taken out, and named together with others of the same drop. */
export function tellBroken(image: GalleryImage, error: unknown): void {
  if (!buttons.has(image)) return;
  broken.push({ image, message: (error as Error).message });
  removeImages([image]);
  clearTimeout(timer);
  timer = setTimeout(sayBroken, 120);
}

let timer: ReturnType<typeof setTimeout> | undefined;

function sayBroken(): void {
  const all = broken;
  broken = [];
  if (all.length === 1) {
    showError(`${all[0]!.image.name} cannot be shown`, all[0]!.message);
    return;
  }
  const more = all.length > NAMED ? `; and ${all.length - NAMED} more` : '';
  const drops = new Set(all.map(({ image }) => dropOf.get(image)!));
  const total = [...drops].reduce((sum, drop) => sum + drop.length, 0);
  const named = all.slice(0, NAMED).map(({ message }) => message);
  showError(`${all.length} of ${total} images cannot be shown`, named.join('; ') + more);
}

function buttonFor(image: GalleryImage): HTMLButtonElement {
  const canvas = make('canvas', { width: String(SIDE), height: String(SIDE), 'aria-hidden': 'true' });
  const attributes = { type: 'button', 'aria-label': image.name, title: image.name, tabindex: '-1' };
  const button = make('button', attributes, canvas);
  button.addEventListener('click', () => update({ chosen: image }));
  buttons.set(image, button);
  imageOf.set(button, image);
  visible.observe(button);
  return button;
}

/** Small images are decoded when they come into view: a drop may have thousands. */
const visible = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      visible.unobserve(target);
      const image = imageOf.get(target);
      if (image) waiting.push(image);
    }
    decodeNext();
  },
  { root: strip, rootMargin: '0px 2000px' },
);

function decodeNext(): void {
  while (decoding < AT_ONCE && waiting.length > 0) {
    const image = waiting.shift()!;
    const button = buttons.get(image);
    if (!button) continue;
    decoding++;
    thumbnail(image.file, SIDE)
      .then(
        (bitmap) => {
          button.querySelector('canvas')!.getContext('2d')!.drawImage(bitmap, 0, 0);
          bitmap.close();
        },
        (error) => tellBroken(image, error),
      )
      .finally(() => {
        decoding--;
        decodeNext();
      });
  }
}

watch(['chosen', 'images'], () => {
  const { chosen, images } = state;
  const place = chosen ? images.indexOf(chosen) : -1;
  byId('image-count').textContent = images.length > 0 ? `${place + 1} of ${images.length}` : '';
  byId('clear-images').hidden = images.length === 0;
  for (const [image, button] of buttons) {
    const current = image === chosen;
    button.tabIndex = current ? 0 : -1;
    if (!current) button.removeAttribute('aria-current');
    else if (!button.hasAttribute('aria-current')) {
      button.setAttribute('aria-current', 'true');
      bringIntoStrip(button);
    }
  }
});

/** Scrolls the strip, and nothing but the strip. */
function bringIntoStrip(button: HTMLElement): void {
  const left = button.offsetLeft - strip.offsetLeft;
  const most = left - strip.clientWidth + button.offsetWidth;
  if (left < strip.scrollLeft || most > strip.scrollLeft) {
    strip.scrollLeft = left - strip.clientWidth / 2 + button.offsetWidth / 2;
  }
}

strip.addEventListener('keydown', (event) => {
  const { images, chosen } = state;
  const place = chosen ? images.indexOf(chosen) : 0;
  const steps: Record<string, number> = {
    ArrowLeft: place - 1,
    ArrowRight: place + 1,
    Home: 0,
    End: images.length - 1,
  };
  const to = steps[event.key];
  const image = to === undefined ? undefined : images[to];
  if (!image) return;
  event.preventDefault();
  update({ chosen: image });
  buttons.get(image)!.focus({ preventScroll: true });
});

byId('clear-images').addEventListener('click', () => {
  removeImages(state.images);
  update({ shown: undefined });
});
