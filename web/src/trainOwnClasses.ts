/** Training of the user's own classes: when it may begin, how it goes, and the checkpoint that comes of it. */
import { wilsonInterval } from '../../src/evaluate/report/interval.js';
import { byId, percent, save } from './dom.js';
import { announce, isAbort, showError } from './messages.js';
import { type ModelSource, type OwnClass, type Session, state, watch } from './state.js';
import type { OwnClasses, TrainedClasses } from './worker/protocol.js';

/** Examples that cannot be read, of which a message names so many. */
const NAMED = 5;

const trainButton = byId<HTMLButtonElement>('train-classes');
const status = byId('classes-state');

let running: AbortController | undefined;
let trained: File | undefined;
let openModel: (source: ModelSource) => void = () => {};

export function listenForTraining(onModel: (source: ModelSource) => void): void {
  openModel = onModel;
}

watch(['ownClasses', 'session'], showButton);

function showButton(): void {
  const { session, ownClasses } = state;
  trainButton.textContent = running ? 'Stop' : 'Train';
  trainButton.disabled = !running && (!session || whatLacks(ownClasses) !== '');
  if (!running) status.textContent = whatLacks(ownClasses);
}

/** What must be given before a training, or nothing. */
function whatLacks(classes: readonly OwnClass[]): string {
  const names = classes.map(({ name }) => name.trim());
  if (classes.length < 2) return 'At least two classes are needed.';
  if (names.includes('')) return 'Each class needs a name.';
  if (new Set(names).size < names.length) return 'Two classes have the same name.';
  const empty = classes.find(({ examples }) => examples.length === 0);
  return empty ? `${empty.name} has no image yet.` : '';
}

trainButton.addEventListener('click', () => {
  if (running) running.abort();
  else if (state.session) void train(state.session);
});

async function train(session: Session): Promise<void> {
  running = new AbortController();
  const { signal } = running;
  const { ownClasses, preset } = state;
  showButton();
  byId('classes-result').hidden = true;
  try {
    const start = performance.now();
    const examples = await featuresOf(session, ownClasses, signal);
    const names = ownClasses.map(({ name }) => name.trim());
    const result = await session.worker.call('train', [{ ...examples, names, preset }], {
      signal,
      onProgress: (fraction) => {
        status.textContent = `Training: ${Math.round(100 * fraction)} %`;
      },
    });
    showResult(result, examples.labels.length, names, (performance.now() - start) / 1000);
    openModel({ title: names.join(', '), data: trained! });
  } catch (error) {
    if (isAbort(error)) announce('Training stopped');
    else showError('The classes could not be learnt', error, { subject: 'classes' });
  } finally {
    running = undefined;
    showButton();
  }
}

/** What the model makes of each example. One that cannot be read is named and left out. */
async function featuresOf(
  session: Session,
  classes: readonly OwnClass[],
  signal: AbortSignal,
): Promise<Pick<OwnClasses, 'features' | 'labels'>> {
  const all = classes.flatMap(({ examples }, label) => examples.map((image) => ({ image, label })));
  const features: Float32Array[] = [];
  const labels: number[] = [];
  const broken: string[] = [];
  for (const [i, { image, label }] of all.entries()) {
    status.textContent = `Looking at image ${i + 1} of ${all.length} …`;
    try {
      const options = [image.file, state.preset, state.upright] as const;
      features.push(await session.worker.call('headFeatures', [...options], { signal }));
      labels.push(label);
    } catch (error) {
      if (isAbort(error) || (error as { about?: string }).about !== 'image') throw error;
      broken.push((error as Error).message);
    }
  }
  if (broken.length > 0)
    showError(`${broken.length} of ${all.length} examples are left out`, broken.slice(0, NAMED).join('; '));
  return { features, labels };
}

function showResult(
  { checkpoint, heldOut }: TrainedClasses,
  images: number,
  names: readonly string[],
  seconds: number,
): void {
  const name = names
    .join('-')
    .replace(/[^\w-]+/g, '_')
    .slice(0, 60);
  trained = new File([checkpoint], `${name}.safetensors`, { type: 'application/octet-stream' });
  byId('classes-result').hidden = false;
  byId('classes-accuracy').textContent =
    `Learnt from ${images} images of ${names.length} classes in ${seconds.toFixed(1)} s. ${heldOutText(heldOut)}`;
}

function heldOutText(heldOut: TrainedClasses['heldOut']): string {
  if (!heldOut) return 'With five images of each class or more, a fifth would be held out to test it.';
  const { correct, total } = heldOut;
  const [low, high] = wilsonInterval(correct, total).map((share) => (100 * share).toFixed(0));
  return `A first training without every fifth image named ${percent(correct / total)} of those rightly (${correct} of ${total}; 95 %: ${low}–${high}).`;
}

byId('save-classes').addEventListener('click', () => {
  if (trained) save(trained.name, trained, trained.type);
});
