/** The model: its name and facts, what loads, where it runs, and how images become its input. */
import { byId, make, megabytes } from './dom.js';
import { inPageWords } from './hintWords.js';
import { type Session, state, update, watch } from './state.js';
import type { Description } from './worker/protocol.js';

const panel = byId('model-panel');
const opener = byId('change-model');
const backends = byId('backends');
const preset = byId<HTMLSelectElement>('preset');

opener.addEventListener('click', () => openPanel(panel.hidden !== false));
panel.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  openPanel(false);
  opener.focus();
});

/** Opens the panel in which a model is chosen, or closes it. */
export function openPanel(open: boolean): void {
  panel.hidden = !open;
  opener.setAttribute('aria-expanded', String(open));
  if (open) panel.querySelector<HTMLElement>('button')!.focus({ preventScroll: true });
}

watch(['loading'], () => {
  const { loading } = state;
  byId('loading').hidden = !loading;
  if (!loading) return;
  byId('loading-text').textContent = loading.text;
  const bar = byId<HTMLProgressElement>('loading-bar');
  if (loading.fraction === undefined) bar.removeAttribute('value');
  else bar.value = loading.fraction;
});
byId('cancel').addEventListener('click', () => state.loading?.cancel());

watch(['session'], () => {
  const { session } = state;
  if (session) showSession(session);
});

function showSession({ source, model, asked }: Session): void {
  byId('model-name').textContent = source.title;
  byId('model-facts').textContent = factsOf(model).join(' · ');
  byId('model-facts').title = byId('model-facts').textContent;
  byId('assumptions').replaceChildren(...model.assumptions.map((line) => make('li', {}, inPageWords(line))));
  byId('backend-now').textContent = model.backend.description;
  byId('backend-why').replaceChildren(
    ...model.backend.passedOver.map((line) => make('li', {}, line)),
    make('li', {}, isolation()),
  );
  chooseBackend(asked);
  preset.disabled = false;
  preset.replaceChildren(
    make('option', { value: '' }, `the model’s own (${model.preprocessing.preset})`),
    ...model.presets.map((name) => make('option', { value: name }, name)),
  );
  update({ preset: '' });
  openPanel(false);
}

function factsOf({ config, parameters }: Description): string[] {
  const { depth, numHeads, imgSize, patchSize, numClasses, embedDim } = config;
  const patches = typeof patchSize === 'number' ? patchSize : patchSize.join(' × ');
  return [
    config.name,
    `${(parameters / 1e6).toFixed(1)} million parameters`,
    `${depth} layers of ${numHeads} heads`,
    `${imgSize[1]} × ${imgSize[0]} pixels in patches of ${patches}`,
    numClasses > 0 ? `${numClasses} classes` : `no head: ${embedDim} features`,
  ];
}

/** Describes how images become the model's input. */
watch(['shown', 'session', 'preset'], () => {
  preset.value = state.preset;
  const now = state.shown?.seen?.preprocessing ?? state.session?.model.preprocessing;
  if (!now) return;
  const { resize, interpolation = 'bicubic', crop } = now;
  const sizes =
    'size' in resize
      ? `short side ${resize.size}`
      : 'width' in resize
        ? `${resize.mode} to ${resize.width} × ${resize.height}`
        : 'none';
  byId('preset-now').textContent =
    `Resize: ${sizes}, ${interpolation}; crop ${crop[1]} × ${crop[0]}; mean ${now.mean.join(', ')}; std ${now.std.join(', ')}.`;
});
preset.addEventListener('change', () => update({ preset: preset.value }));

/** Photographs that lie on their side as PIL reads them. */
watch(['shown', 'upright'], () => {
  const { shown, upright } = state;
  const turned = shown !== undefined && shown.view.orientation !== 1;
  byId('exif').hidden = !turned;
  byId<HTMLInputElement>('upright').checked = upright;
  if (!turned) return;
  byId('exif-text').textContent = upright
    ? 'Rotated upright by its EXIF. Python’s PIL, and so deit eval, reads it as it is stored: rotated.'
    : 'Read as it is stored, as Python’s PIL does: its EXIF says that it is rotated.';
});
byId<HTMLInputElement>('upright').addEventListener('change', ({ target }) =>
  update({ upright: (target as HTMLInputElement).checked }),
);

function isolation(): string {
  if (typeof SharedArrayBuffer === 'undefined' || !crossOriginIsolated)
    return 'One thread for WASM: the server does not send the COOP and COEP headers that shared memory needs.';
  return 'This page is cross-origin isolated: WASM may use threads.';
}

export function chooseBackend(name: string): void {
  backends.querySelector<HTMLInputElement>(`input[value="${name}"]`)!.checked = true;
}

export function chosenBackend(): string {
  return backends.querySelector<HTMLInputElement>('input:checked')?.value ?? 'auto';
}

/** Describes how far a load is. */
export function loadingText(title: string, fraction: number | undefined, loaded = 0, total = 0): string {
  if (fraction === undefined) return `Loading ${title} …`;
  return fraction < 1
    ? `Loading ${title}: ${megabytes(loaded)} of ${megabytes(total)}`
    : `Preparing ${title} …`;
}
