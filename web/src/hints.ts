/** What a checkpoint does not tell of its model, told by the user: on the command line these are options. */
import type { ConvertOptions } from '../../converters/convert.js';
import { byId } from './dom.js';
import { openPanel } from './model.js';
import { type ModelSource, state, watch } from './state.js';

const form = byId<HTMLFormElement>('hints-form');

/** The model that is to be loaded again with what the fields say: the one that failed, or the one that is open. */
let subject: ModelSource | undefined;

/** Opens the fields for a model, at one of them. */
export function askForHint(source: ModelSource, field: string): void {
  setSubject(source);
  openPanel(true);
  byId<HTMLDetailsElement>('hints').open = true;
  byId(field).focus();
}

export function listenForHints(onModel: (source: ModelSource) => void): void {
  watch(['session'], () => setSubject(state.session?.source));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (subject) onModel({ ...subject, hints: hints() });
  });
}

function setSubject(source: ModelSource | undefined): void {
  if (source?.title !== subject?.title) form.reset();
  subject = source;
  byId('hints-for').textContent = source ? `Of ${source.title}:` : '';
}

function hints(): ConvertOptions {
  const text = (id: string) => byId<HTMLInputElement>(id).value.trim();
  const number = (id: string) => (text(id) === '' ? undefined : Number(text(id)));
  const [height, width = height] = text('hint-img-size').split(/\D+/).filter(Boolean).map(Number);
  const pooler = text('hint-pooler');
  const given = {
    numHeads: number('hint-num-heads'),
    imgSize: height && width ? [height, width] : undefined,
    numClasses: number('hint-num-classes'),
    layerNormEps: number('hint-layer-norm-eps'),
    pool: text('hint-pool') || undefined,
    activation: text('hint-activation') || undefined,
    pooler: pooler === '' ? undefined : pooler === 'yes',
    root: text('hint-root') || undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
