/** The most probable classes with the votes of both heads, and where the time went; of a model without a head its features. */
import { byId, make, milliseconds, percent } from './dom.js';
import { announce } from './messages.js';
import { softmax, topIndices } from './softmax.js';
import { type Shown, state, update, watch } from './state.js';
import type { Times } from './worker/protocol.js';

const SHOWN = 5;

const list = byId('predictions');
const status = byId('predictions-state');

watch(['shown', 'without', 'erased'], draw);
watch(['busy', 'shown', 'session', 'chosen'], showStatus);
watch(['classIndex', 'overlay'], markClass);

function showStatus(): void {
  const { busy, shown, session, chosen } = state;
  if (busy) status.textContent = 'Looking …';
  else if (!session) status.textContent = chosen ? 'No model yet.' : '';
  else status.textContent = shown ? '' : 'Give it an image.';
}

function draw(): void {
  const { shown } = state;
  const seen = shown?.seen;
  byId('times').hidden = !seen;
  byId('feature').hidden = true;
  byId('legend').hidden = true;
  byId('caption').textContent = '';
  byId('heads-note').textContent = '';
  list.replaceChildren();
  if (!shown || !seen) return;
  showTimes(seen.times);
  if (shown.session!.model.config.numClasses === 0) showFeature(seen.logits);
  else showClasses(shown);
}

function showClasses(shown: Shown): void {
  const { logits, heads } = shown.seen!;
  const mean = softmax(logits);
  const shares = heads.map(softmax);
  const without = state.erased.size > 0 && state.without ? softmax(state.without.logits) : undefined;
  const top = topIndices(mean, SHOWN);
  // What rises to the first place once patches are erased is shown too.
  const risen = without ? topIndices(without, 1).filter((index) => !top.includes(index)) : [];
  byId('legend').hidden = shares.length === 0;
  list.replaceChildren(
    ...[...top, ...risen].map((index) =>
      prediction(
        index,
        mean[index]!,
        shares.map((share) => share[index]!),
        without?.[index],
      ),
    ),
  );
  const [first] = top;
  byId('caption').textContent = `${shortName(nameOf(first!))} · ${percent(mean[first!]!)}`;
  byId('heads-note').textContent = disagreement(shares);
  markClass();
}

/** The name of a class, or its number where the model has no labels. */
export function nameOf(index: number): string {
  return state.shown?.session?.model.labels?.[index] ?? String(index);
}

/** The first of a class's names. */
export function shortName(label: string): string {
  return label.split(',')[0]!;
}

function prediction(
  index: number,
  mean: number,
  heads: readonly number[],
  without: number | undefined,
): HTMLLIElement {
  const [first, ...others] = nameOf(index).split(', ');
  const title = make('span', { class: 'guess-name' }, first!);
  if (others.length > 0) title.append(make('small', {}, ` ${others.join(', ')}`));
  const share = make('b', {}, percent(mean));
  if (without !== undefined) share.append(make('small', { class: 'without' }, ` → ${percent(without)}`));
  const pick = make(
    'button',
    { type: 'button', class: 'guess-line', title: 'Show what speaks for this class' },
    title,
    share,
  );
  pick.addEventListener('click', () => update({ overlay: 'relevance', classIndex: index }));
  const item = make('li', { 'data-index': String(index) }, pick, bar('mean', mean));
  if (without !== undefined) item.append(bar('erased-bar', without));
  if (heads.length === 2) {
    item.className = 'votes';
    item.append(headLine('cls', 'class head', heads[0]!), headLine('dist', 'distillation head', heads[1]!));
  }
  return item;
}

/** Of a relevance: which class it is of. */
function markClass(): void {
  const { overlay, classIndex, shown } = state;
  const first = list.querySelector('li')?.getAttribute('data-index');
  for (const item of list.querySelectorAll('li')) {
    const index = item.getAttribute('data-index');
    const current =
      overlay === 'relevance' && shown !== undefined && index === (classIndex?.toString() ?? first);
    item.querySelector('button')!.setAttribute('aria-pressed', String(current));
  }
}

function bar(kind: string, share: number): HTMLElement {
  const element = make(
    'div',
    { class: `bar ${kind}`, 'aria-hidden': 'true' },
    make('span', { class: 'fill' }),
  );
  element.style.setProperty('--share', String(share));
  return element;
}

function headLine(kind: string, name: string, share: number): HTMLElement {
  return make(
    'div',
    { class: 'head-line' },
    bar(kind, share),
    make('span', { class: 'hidden' }, `${name} `),
    make('span', { class: 'head-share' }, percent(share)),
  );
}

function disagreement(heads: readonly Float64Array[]): string {
  if (heads.length < 2) return '';
  const [cls, dist] = heads.map((head) => topIndices(head, 1)[0]!);
  if (cls === dist) return 'Both heads name the same class.';
  return `The heads disagree: the class head says ${shortName(nameOf(cls!))}, the distillation head ${shortName(nameOf(dist!))}.`;
}

function showFeature(values: Float32Array): void {
  byId('feature').hidden = false;
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  byId('feature-text').textContent =
    `The model has no head, so it names no class: it gives ${values.length} features, a vector of length ${length.toPrecision(4)}.`;
  const canvas = byId<HTMLCanvasElement>('feature-bars');
  canvas.width = values.length;
  const context = canvas.getContext('2d')!;
  context.fillStyle = getComputedStyle(canvas).color;
  const most = values.reduce((best, value) => Math.max(best, Math.abs(value)), 1e-9);
  const middle = canvas.height / 2;
  for (const [i, value] of values.entries()) {
    const high = (value / most) * middle;
    context.fillRect(i, Math.min(middle, middle - high), 1, Math.abs(high));
  }
}

/** Says the answer to those who listen; not the camera's many. */
export function announcePrediction({ seen, session }: Shown): void {
  if (!seen || session!.model.config.numClasses === 0) return;
  const mean = softmax(seen.logits);
  const [first] = topIndices(mean, 1);
  announce(`${shortName(nameOf(first!))}, ${percent(mean[first!]!)}`);
}

function showTimes({ decode, preprocess, model }: Times): void {
  const stages = [
    ['decode', decode],
    ['resize, crop, normalise', preprocess],
    ['model', model],
  ] as const;
  byId('times-bar').replaceChildren(
    ...stages.map(([, time], i) => {
      const part = make('span', { class: `times-part stage${i}` });
      part.style.flexGrow = String(Math.max(time, 0.01));
      return part;
    }),
  );
  byId('times-list').replaceChildren(
    ...stages.map(([name, time], i) =>
      make('div', {}, make('dt', { class: `swatch stage${i}` }, name), make('dd', {}, milliseconds(time))),
    ),
  );
}
