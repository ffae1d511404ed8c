/** The pictures that were given, and the one that is looked at. */
import { byId, make } from './elements.js';
import type { Library } from './library.js';

export interface Picture {
  readonly name: string;
  readonly file: Blob;
  /** The picture's button in the strip. */
  readonly button: HTMLButtonElement;
}

/** Pictures that are kept; the oldest goes when there are more. */
const MAX_PICTURES = 24;
const THUMBNAIL = 96;

const strip = byId('strip');

/** The strip of pictures below the stage. */
export class Pictures {
  private list: Picture[] = [];
  current: Picture | undefined;

  constructor(
    private readonly library: Promise<Library>,
    private readonly onChoose: (picture: Picture, bitmap: ImageBitmap) => void,
    private readonly onFailure: (name: string, error: unknown) => void,
  ) {}

  /** Adds pictures, in their order before those that are there, and shows the first. */
  async add(files: readonly (File | { name: string; file: Blob })[], show = true): Promise<void> {
    let shown = !show;
    let place = 0;
    for (const given of files) {
      const { name, file } = given instanceof File ? { name: given.name, file: given } : given;
      try {
        const bitmap = await (await this.library).pictureBitmap(file);
        const picture = this.enter(name, file, bitmap, place++);
        if (shown) bitmap.close();
        else this.choose(picture, bitmap);
        shown = true;
      } catch (error) {
        this.onFailure(name, error);
      }
    }
  }

  /** Shows the current picture again, e.g. to another model. */
  async refresh(): Promise<void> {
    if (this.current) await this.show(this.current);
  }

  private enter(name: string, file: Blob, bitmap: ImageBitmap, place: number): Picture {
    const button = make('button', { type: 'button', 'aria-label': name, title: name });
    const picture: Picture = { name, file, button };
    button.append(thumbnail(bitmap));
    button.addEventListener('click', () => void this.show(picture));
    strip.insertBefore(make('li', {}, button), strip.children[place] ?? null);
    this.list.splice(place, 0, picture);
    if (this.list.length > MAX_PICTURES) this.list.pop()!.button.parentElement!.remove();
    return picture;
  }

  private async show(picture: Picture): Promise<void> {
    try {
      this.choose(picture, await (await this.library).pictureBitmap(picture.file));
    } catch (error) {
      this.onFailure(picture.name, error);
    }
  }

  private choose(picture: Picture, bitmap: ImageBitmap): void {
    this.current?.button.removeAttribute('aria-current');
    this.current = picture;
    picture.button.setAttribute('aria-current', 'true');
    picture.button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    this.onChoose(picture, bitmap);
  }
}

/** The middle square of a picture. */
function thumbnail(bitmap: ImageBitmap): HTMLCanvasElement {
  const canvas = make('canvas', {
    width: String(THUMBNAIL),
    height: String(THUMBNAIL),
    'aria-hidden': 'true',
  });
  const context = canvas.getContext('2d')!;
  const side = Math.min(bitmap.width, bitmap.height);
  context.imageSmoothingEnabled = side > THUMBNAIL / 2;
  context.imageSmoothingQuality = 'high';
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  context.drawImage(bitmap, left, top, side, side, 0, 0, THUMBNAIL, THUMBNAIL);
  return canvas;
}
