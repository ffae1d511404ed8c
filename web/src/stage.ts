/** The large picture, as the model sees it, and the colours over it. */
import { byId } from './elements.js';
import type { Library, WorkerModel } from './library.js';

type PatchMap = ReturnType<Library['attentionMap']>;
type Preprocessing = WorkerModel['preprocessing'];

/** Longest side of the stage in its own pixels. */
const SIDE = 448;
/** Pictures smaller than this are shown pixel by pixel. */
const SMALL = 64;

const picture = byId<HTMLCanvasElement>('picture');
const heat = byId<HTMLCanvasElement>('heat');

/** Draws the part of a picture that the model sees; the whole of it while there is no model. */
export function drawPicture(
  library: Library,
  bitmap: ImageBitmap,
  name: string,
  preprocessing: Preprocessing | undefined,
): void {
  const { width, height } = bitmap;
  const part = preprocessing
    ? library.seenWindow(width, height, preprocessing)
    : { left: 0, top: 0, width, height };
  // A model that squashes pictures sees them in its own proportions.
  const [rows, columns] = preprocessing?.crop ?? [part.height, part.width];
  const scale = SIDE / Math.max(rows, columns);
  for (const canvas of [picture, heat]) {
    canvas.width = Math.max(1, Math.round(columns * scale));
    canvas.height = Math.max(1, Math.round(rows * scale));
  }
  byId('stage').style.setProperty('--ratio', `${picture.width} / ${picture.height}`);
  const context = picture.getContext('2d')!;
  context.imageSmoothingEnabled = Math.max(part.width, part.height) >= SMALL;
  context.imageSmoothingQuality = 'high';
  context.drawImage(
    bitmap,
    part.left,
    part.top,
    part.width,
    part.height,
    0,
    0,
    picture.width,
    picture.height,
  );
  describePicture(name);
  byId('stage-hint').hidden = true;
}

/** Says to those who do not see it what is on the stage. */
export function describePicture(name: string, overlay = ''): void {
  picture.setAttribute('aria-label', overlay ? `${name}, ${overlay}` : name);
}

/** How much of the picture the colours cover, 0…1. */
export function setStrength(strength: number): void {
  heat.style.opacity = String(strength);
}

/** Lays a map over the picture, or takes it away. */
export function drawHeat(library: Library, map: PatchMap | undefined): void {
  heat.hidden = map === undefined;
  if (!map) return;
  const { width, height } = heat;
  const black = { data: new Uint8Array(3 * width * height), width, height };
  const { data } = library.overlay(black, map, { opacity: 1 });
  heat.getContext('2d')!.putImageData(toImageData(data, width, height), 0, 0);
}

/** A map as a small picture, one pixel a patch. */
export function drawMap(library: Library, map: PatchMap, canvas: HTMLCanvasElement): void {
  canvas.width = map.cols;
  canvas.height = map.rows;
  const { data } = library.mapToGrey(map);
  const colors = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    for (let c = 0; c < 3; c++) colors[i + c] = library.heatColormap[3 * data[i]! + c]!;
  }
  canvas.getContext('2d')!.putImageData(toImageData(colors, map.cols, map.rows), 0, 0);
}

function toImageData(rgb: Uint8Array, width: number, height: number): ImageData {
  const image = new ImageData(width, height);
  for (let i = 0, o = 0; i < rgb.length; i += 3, o += 4) {
    image.data[o] = rgb[i]!;
    image.data[o + 1] = rgb[i + 1]!;
    image.data[o + 2] = rgb[i + 2]!;
    image.data[o + 3] = 255;
  }
  return image;
}
