/** The five most probable classes with the votes of both heads, and where the time went. */
import { byId, make, milliseconds, percent } from './elements.js';
import type { HeadLogits } from './library.js';
import { announce } from './messages.js';
import { softmax, topIndices } from './softmax.js';

const CLASSES_TOLD = 5;

const guesses = byId('guesses');
const state = byId('answer-state');

export function showWaiting(text: string): void {
  state.textContent = text;
}

export function clearAnswer(): void {
  guesses.replaceChildren();
  byId('disagreement').textContent = '';
  byId('legend').hidden = true;
  byId('times').hidden = true;
}

/** @param aloud whether the answer is announced; the camera's many are not */
export function showAnswer(
  result: HeadLogits,
  labels: readonly string[] | undefined,
  { aloud }: { aloud: boolean },
): void {
  const name = (index: number) => labels?.[index] ?? String(index);
  const mean = softmax(result.logits);
  const heads = [result.head, result.headDist].filter((logits) => logits !== undefined).map(softmax);
  const top = topIndices(mean, CLASSES_TOLD);
  state.textContent = '';
  byId('legend').hidden = heads.length === 0;
  guesses.replaceChildren(
    ...top.map((index) =>
      guess(
        name(index),
        mean[index]!,
        heads.map((head) => head[index]!),
      ),
    ),
  );
  byId('disagreement').textContent = disagreement(heads, name);
  showTimes(result.times);
  if (aloud) announce(`${shortName(name(top[0]!))}, ${percent(mean[top[0]!]!)}`);
}

function guess(label: string, mean: number, heads: readonly number[]): HTMLLIElement {
  const [first, ...others] = label.split(', ');
  const title = make('span', { class: 'guess-name' }, first!);
  if (others.length > 0) title.append(make('small', {}, ` ${others.join(', ')}`));
  const item = make(
    'li',
    {},
    make('div', { class: 'guess-line' }, title, make('b', {}, percent(mean))),
    bar('mean', mean),
  );
  if (heads.length === 2) {
    item.className = 'votes';
    item.append(headLine('cls', 'class head', heads[0]!), headLine('dist', 'distillation head', heads[1]!));
  }
  return item;
}

function bar(kind: string, share: number): HTMLElement {
  const element = make('div', { class: `bar ${kind}`, 'aria-hidden': 'true' });
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

function disagreement(heads: readonly Float64Array[], name: (index: number) => string): string {
  if (heads.length < 2) return '';
  const [cls, dist] = heads.map((head) => topIndices(head, 1)[0]!);
  if (cls === dist) return 'Both heads name the same class.';
  return `The heads disagree: the class head says ${shortName(name(cls!))}, the distillation head ${shortName(name(dist!))}.`;
}

/** The first of a class's names. */
function shortName(label: string): string {
  return label.split(',')[0]!;
}

function showTimes({ decode, preprocess, model }: HeadLogits['times']): void {
  const stages = [
    ['decode', decode],
    ['resize, crop, normalise', preprocess],
    ['model', model],
  ] as const;
  byId('times').hidden = false;
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
