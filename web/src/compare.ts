/** Two models side by side: one is kept, another is opened, and both look at the same image. */
import { heatColormap } from '../../src/explain/colormap.js';
import { mapToGrey } from '../../src/explain/overlay.js';
import type { PatchMap } from '../../src/explain/types.js';
import { toImageData } from './canvas.js';
import { byId, make, percent } from './dom.js';
import { mapFrom } from './explain.js';
import { type GalleryImage, orderImages } from './gallery.js';
import { isAbort, showError } from './messages.js';
import { shortName } from './predictions.js';
import { softmax, topIndices } from './softmax.js';
import { type Session, state, update, watch } from './state.js';
import type { Seen } from './worker/protocol.js';

const SHOWN = 5;

const keep = byId<HTMLButtonElement>('keep-model');
const order = byId<HTMLButtonElement>('order-images');

let seenByKept: Seen | undefined;
let asked = 0;

keep.addEventListener('click', () => {
  const { kept, session } = state;
  if (kept && kept !== session) kept.worker.end();
  update({ kept: kept ? undefined : session });
});

watch(['kept', 'session'], () => {
  const { kept, session } = state;
  keep.disabled = !session;
  keep.textContent = kept ? 'Stop comparing' : 'Keep this model to compare';
  byId('compare-panel').hidden = !kept;
  byId('compare-note').textContent =
    kept && kept === session ? `${kept.source.title} is kept. Open another model to set it beside.` : '';
});
watch(['shown', 'kept'], () => void refresh());
watch(['maps', 'layer', 'head'], draw);

/** Lets the kept model look at what is on the canvas. */
async function refresh(): Promise<void> {
  const turn = ++asked;
  seenByKept = undefined;
  draw();
  const { shown, kept, upright, token } = state;
  if (!kept || !shown?.seen || !shown.image || shown.session === kept) return;
  try {
    const options = { preset: '', upright, token };
    const seen = await kept.worker.call('look', [shown.image.file, options]);
    if (turn !== asked) return;
    seenByKept = seen;
    draw();
  } catch (error) {
    if (!isAbort(error)) showError(`${kept.source.title} gave no answer`, error, { subject: 'compare' });
  }
}

function draw(): void {
  const { shown, kept } = state;
  byId('compare-results').hidden = !seenByKept;
  if (!seenByKept || !kept || !shown?.seen || !shown.session) return;
  drawTable(shown.session, shown.seen, kept, seenByKept);
  drawMaps(shown.session, kept, seenByKept);
}

/** The classes that either model names first, with both models' shares. */
function drawTable(session: Session, seen: Seen, kept: Session, other: Seen): void {
  byId('compare-this').textContent = session.source.title;
  byId('compare-kept').textContent = kept.source.title;
  const same = seen.logits.length === other.logits.length;
  byId('compare-distance').textContent = same
    ? `Their probabilities differ by ${percent(distance(seen.logits, other.logits))} (total variation).`
    : 'They have other classes: each model’s own are listed.';
  const body = byId<HTMLTableElement>('compare-table').tBodies[0]!;
  const [mine, theirs] = [softmax(seen.logits), softmax(other.logits)];
  const tops = [topIndices(mine, SHOWN), topIndices(theirs, SHOWN)];
  const number = (text: string) => make('td', { class: 'n' }, text);
  const row = (name: string, a: string, b: string) =>
    make('tr', {}, make('th', { scope: 'row' }, name), number(a), number(b));
  const name = ({ model }: Session, index: number) => shortName(model.labels?.[index] ?? String(index));
  const rows = same
    ? [...new Set(tops.flat())].map((i) => row(name(session, i), percent(mine[i]!), percent(theirs[i]!)))
    : [
        ...tops[0]!.map((i) => row(name(session, i), percent(mine[i]!), '')),
        ...tops[1]!.map((i) => row(name(kept, i), '', percent(theirs[i]!))),
      ];
  body.replaceChildren(...rows);
}

/** Total variation of two answers, 0…1. */
function distance(a: Float32Array, b: Float32Array): number {
  const [p, q] = [softmax(a), softmax(b)];
  return p.reduce((sum, share, i) => sum + Math.abs(share - q[i]!) / 2, 0);
}

/** The attention of both in the layer and head that are shown, as far as the kept model has them, and its difference. */
function drawMaps(session: Session, kept: Session, other: Seen): void {
  const { maps, layer, head } = state;
  const mine = mapFrom(maps, layer, head);
  const { depth, numHeads } = kept.model.config;
  const there = layer < depth && (head === 'mean' || head < numHeads);
  const theirs = there ? mapOf(other, numHeads, layer, head) : undefined;
  byId('compare-maps').hidden = !mine || !theirs;
  if (!mine || !theirs) return;
  drawHeat(byId<HTMLCanvasElement>('compare-map-this'), mine);
  drawHeat(byId<HTMLCanvasElement>('compare-map-kept'), theirs);
  const difference = byId<HTMLCanvasElement>('compare-map-difference');
  const same = mine.rows === theirs.rows && mine.cols === theirs.cols;
  difference.parentElement!.hidden = !same;
  if (same) drawDifference(difference, mine, theirs);
  byId('compare-map-this').setAttribute('aria-label', `attention of ${session.source.title}`);
  byId('compare-map-kept').setAttribute('aria-label', `attention of ${kept.source.title}`);
}

function mapOf({ maps, grid }: Seen, heads: number, layer: number, head: number | 'mean'): PatchMap {
  const [rows, cols] = grid;
  const start = (layer * (heads + 1) + (head === 'mean' ? 0 : head + 1)) * rows * cols;
  return { data: maps.values.subarray(start, start + rows * cols), rows, cols };
}

function drawHeat(canvas: HTMLCanvasElement, map: PatchMap): void {
  const { data } = mapToGrey(map);
  const colors = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3)
    colors.set(heatColormap.subarray(3 * data[i]!, 3 * data[i]! + 3), i);
  put(canvas, colors, map);
}

/** Blue where the kept model takes more, orange where this one does, grey where both take the same. */
function drawDifference(canvas: HTMLCanvasElement, mine: PatchMap, theirs: PatchMap): void {
  const differences = mine.data.map((value, i) => value - theirs.data[i]!);
  const most = differences.reduce((best, value) => Math.max(best, Math.abs(value)), 1e-12);
  const colors = new Uint8Array(3 * differences.length);
  for (const [i, value] of differences.entries()) {
    const [r, g, b] = value > 0 ? [240, 140, 40] : [60, 140, 250];
    const share = Math.abs(value) / most;
    colors.set(
      [r!, g!, b!].map((level) => 70 + share * (level - 70)),
      3 * i,
    );
  }
  put(canvas, colors, mine);
}

function put(canvas: HTMLCanvasElement, colors: Uint8Array, { rows, cols }: PatchMap): void {
  canvas.width = cols;
  canvas.height = rows;
  canvas.getContext('2d')!.putImageData(toImageData(colors, cols, rows), 0, 0);
}

order.addEventListener('click', async () => {
  const { session, kept, images, preset } = state;
  if (!session || !kept || session === kept) return;
  order.disabled = true;
  try {
    const distances = new Map<GalleryImage, number>();
    for (const [i, image] of images.entries()) {
      byId('compare-note').textContent = `${i + 1} of ${images.length} images …`;
      const [a, b] = await Promise.all([
        session.worker.call('scores', [image.file, preset]),
        kept.worker.call('scores', [image.file, '']),
      ]);
      if (a.logits.length !== b.logits.length) throw new Error('the models have other numbers of classes');
      distances.set(image, distance(a.logits, b.logits));
    }
    orderImages(state.images.toSorted((a, b) => (distances.get(b) ?? 0) - (distances.get(a) ?? 0)));
    byId('compare-note').textContent = 'Images stand in the order of the models’ disagreement.';
  } catch (error) {
    byId('compare-note').textContent = '';
    if (!isAbort(error)) showError('The images could not be ordered', error, { subject: 'compare' });
  } finally {
    order.disabled = false;
  }
});
