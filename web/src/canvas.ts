/** The large image, as the model sees it, the colours over it, and the patch that is asked about. */
import { overlay } from '../../src/explain/overlay.js';
import type { PatchMap } from '../../src/explain/types.js';
import { byId } from './dom.js';
import { state, update, watch } from './state.js';

/** Longest side of the canvas in its own pixels. */
const SIDE = 448;
/** The colours are smooth: the browser makes them larger. */
const HEAT_SIDE = 224;

const stage = byId('stage');
const image = byId<HTMLCanvasElement>('image');
const heat = byId<HTMLCanvasElement>('heat');
const marker = byId('patch-marker');
const erasedLayer = byId<HTMLCanvasElement>('erased');

watch(['shown'], drawImage);
watch(['shown', 'map', 'colors', 'overlay'], drawHeat);
watch(['shown', 'erased'], drawErased);
watch(['shown', 'patch', 'token', 'overlay'], drawMarker);
watch(['shown', 'overlay', 'layer', 'head', 'token', 'patch'], describe);
watch(['strength'], setStrength);
watch(['busy'], () => stage.setAttribute('aria-busy', String(state.busy)));
watch(['shown', 'map', 'patch'], showValue);

/** What is drawn; its memory is given back when another comes. */
let drawn: ImageBitmap | undefined;

function drawImage(): void {
  const { shown } = state;
  if (drawn !== shown?.view.bitmap) drawn?.close();
  drawn = shown?.view.bitmap;
  byId('stage-hint').hidden = shown !== undefined;
  byId('image-name').textContent = shown?.name ?? '';
  if (!shown) {
    image.getContext('2d')!.clearRect(0, 0, image.width, image.height);
    return;
  }
  const { bitmap, columns, rows, small } = shown.view;
  const scale = SIDE / Math.max(columns, rows);
  image.width = Math.max(1, Math.round(columns * scale));
  image.height = Math.max(1, Math.round(rows * scale));
  stage.style.setProperty('--ratio', `${image.width} / ${image.height}`);
  const context = image.getContext('2d')!;
  context.imageSmoothingEnabled = !small;
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, image.width, image.height);
}

function drawHeat(): void {
  const { overlay: kind, map, colors, shown } = state;
  const flat = kind === 'colors' ? colors : undefined;
  heat.hidden = !shown?.seen || kind === 'none' || (kind === 'colors' ? !flat : !map);
  heat.classList.toggle('pixels', flat !== undefined);
  if (heat.hidden) return;
  const { data, width, height } = flat ?? colored(map!);
  heat.width = width;
  heat.height = height;
  heat.getContext('2d')!.putImageData(toImageData(data, width, height), 0, 0);
}

function setStrength(): void {
  heat.style.opacity = String(state.strength);
}

/** A map in the colours of the scale, made smooth. */
function colored(map: PatchMap): { data: Uint8Array; width: number; height: number } {
  const scale = HEAT_SIDE / Math.max(image.width, image.height);
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const black = { data: new Uint8Array(3 * width * height), width, height };
  return overlay(black, map, { opacity: 1 });
}

/** RGB bytes → what a canvas takes. */
export function toImageData(rgb: Uint8Array, width: number, height: number): ImageData {
  const made = new ImageData(width, height);
  for (let i = 0, o = 0; i < rgb.length; i += 3, o += 4) {
    made.data[o] = rgb[i]!;
    made.data[o + 1] = rgb[i + 1]!;
    made.data[o + 2] = rgb[i + 2]!;
    made.data[o + 3] = 255;
  }
  return made;
}

/** Erased patches are grey, as the model has them: the mean colour. */
function drawErased(): void {
  const { shown, erased } = state;
  erasedLayer.hidden = erased.size === 0 || !shown?.seen;
  if (erasedLayer.hidden) return;
  const [rows, columns] = shown!.seen!.grid;
  erasedLayer.width = columns;
  erasedLayer.height = rows;
  const context = erasedLayer.getContext('2d')!;
  const [r, g, b] = shown!.seen!.preprocessing.mean.map((level) => Math.round(255 * level));
  context.fillStyle = `rgb(${r} ${g} ${b})`;
  for (const patch of erased) context.fillRect(patch % columns, Math.floor(patch / columns), 1, 1);
}

/** Whether the patch under the pointer or chosen by arrow keys is what is asked about. */
function asksPatch(): boolean {
  return state.overlay === 'similarity' || (state.overlay !== 'none' && typeof state.token === 'number');
}

function drawMarker(): void {
  const { shown, patch, erasing } = state;
  marker.hidden = !shown?.seen || !(asksPatch() || erasing || document.activeElement === stage);
  if (marker.hidden) return;
  const [rows, columns] = shown!.seen!.grid;
  marker.style.left = `${(100 * (patch % columns)) / columns}%`;
  marker.style.top = `${(100 * Math.floor(patch / columns)) / rows}%`;
  marker.style.width = `${100 / columns}%`;
  marker.style.height = `${100 / rows}%`;
}

/** Says to those who do not see it what is on the canvas. */
function describe(): void {
  const { shown, overlay: kind, layer, head, token } = state;
  if (!shown) {
    stage.setAttribute('aria-label', 'No image yet');
    return;
  }
  const heads = head === 'mean' ? 'the mean of all heads' : `head ${head + 1}`;
  const texts: Record<typeof kind, string> = {
    attention: `with the attention of ${tokenName(token)} in layer ${layer + 1}, ${heads}`,
    rollout: `with the attention rollout of ${tokenName(token)}`,
    relevance: 'with the relevance of each patch for a class',
    similarity: `with the similarity of each patch to ${patchName(state.patch)}`,
    colors: 'with the principal components of the patches as colours',
    none: '',
  };
  const text = shown.seen ? texts[kind] : '';
  stage.setAttribute('aria-label', text ? `${shown.name}, ${text}` : shown.name);
}

function tokenName(token: typeof state.token): string {
  if (token === 'cls') return 'the class token';
  if (token === 'dist') return 'the distillation token';
  return token === 'mean' ? 'the mean of all patches' : patchName(token);
}

function patchName(patch: number): string {
  const columns = state.shown?.seen?.grid[1] ?? 1;
  return `the patch in row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}`;
}

/** The value at the chosen patch. */
function showValue(): void {
  const { map, patch, shown, overlay: kind } = state;
  const value = kind !== 'none' && kind !== 'colors' ? map?.data[patch] : undefined;
  const [, columns = 1] = shown?.seen?.grid ?? [];
  byId('patch-value').textContent =
    value === undefined
      ? ''
      : `row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}: ${value.toPrecision(3)}`;
}

/** The patch at a place of the window, or undefined beside the image. */
function patchAt({ clientX, clientY }: PointerEvent): number | undefined {
  const { seen } = state.shown ?? {};
  if (!seen) return undefined;
  const [rows, columns] = seen.grid;
  const { left, top, width, height } = image.getBoundingClientRect();
  const column = Math.floor(((clientX - left) / width) * columns);
  const row = Math.floor(((clientY - top) / height) * rows);
  return row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : undefined;
}

/** Asks about a patch, or erases it. */
function takePatch(patch: number): void {
  const { erasing, erased, token } = state;
  if (erasing) update({ patch, erased: new Set([...erased, patch]) });
  else update({ patch, ...(typeof token === 'number' ? { token: patch } : {}) });
}

stage.addEventListener('pointerdown', (event) => {
  const patch = patchAt(event);
  if (patch !== undefined) takePatch(patch);
});
stage.addEventListener('pointermove', (event) => {
  const patch = patchAt(event);
  if (patch === undefined || patch === state.patch) return;
  // A mouse asks by hovering; with the button down it erases. A finger must touch.
  const pressed = event.buttons > 0;
  if (state.erasing ? pressed : event.pointerType === 'mouse' || pressed) takePatch(patch);
});
stage.addEventListener('keydown', (event) => {
  const { seen } = state.shown ?? {};
  if (!seen) return;
  const [rows, columns] = seen.grid;
  const [row, column] = [Math.floor(state.patch / columns), state.patch % columns];
  const steps: Record<string, [number, number]> = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [row, 0],
    End: [row, columns - 1],
  };
  const [toRow, toColumn] = steps[event.key] ?? [];
  if (toRow !== undefined && toColumn !== undefined) {
    event.preventDefault();
    const clamp = (value: number, most: number) => Math.min(most - 1, Math.max(0, value));
    const patch = clamp(toRow, rows) * columns + clamp(toColumn, columns);
    update({ patch, ...(typeof state.token === 'number' ? { token: patch } : {}) });
  } else if ((event.key === 'Enter' || event.key === ' ') && state.erasing) {
    event.preventDefault();
    const erased = new Set(state.erased);
    if (!erased.delete(state.patch)) erased.add(state.patch);
    update({ erased });
  }
});
stage.addEventListener('focus', drawMarker);
stage.addEventListener('blur', drawMarker);
setStrength();
