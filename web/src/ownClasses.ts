/** Classes of the user's own: examples of each, a head trained on the model's features, and the checkpoint that comes of it. */
import { wilsonInterval } from '../../src/evaluate/report/interval.js';
import { cameraIsOn, takeFrame } from './camera.js';
import { byId, make, percent, save } from './dom.js';
import type { GalleryImage } from './gallery.js';
import { thumbnail } from './images.js';
import { classOf, type FileAt } from './inputs.js';
import { announce, isAbort, showError } from './messages.js';
import { type ModelSource, type OwnClass, type Session, state, update, watch } from './state.js';
import type { OwnClasses, TrainedClasses } from './worker/protocol.js';

const SIDE = 40;
/** Small images that a class shows: its last ones. */
const SHOWN = 8;
/** A button that is held for so long adds the camera's frames one after another. */
const HOLD_MS = 400;
const BETWEEN_FRAMES_MS = 200;

const list = byId('classes');
const trainButton = byId<HTMLButtonElement>('train-classes');
const status = byId('classes-state');
const folders = byId<HTMLButtonElement>('use-folders');
const input = byId<HTMLInputElement>('example-input');

let running: AbortController | undefined;
let trained: File | undefined;
let openModel: (source: ModelSource) => void = () => {};
/** The class whose images are being chosen. */
let choosing = 0;
let folderFiles: readonly FileAt[] = [];

export function listenForOwnClasses(onModel: (source: ModelSource) => void): void {
  openModel = onModel;
  update({ ownClasses: [emptyClass(0), emptyClass(1)] });
}

const emptyClass = (place: number): OwnClass => ({ name: `Class ${place + 1}`, examples: [] });

/** Class folders were given: they may be taken for classes. */
export function offerFolders(files: readonly FileAt[]): void {
  folderFiles = files.filter(({ path }) => classOf(path) !== undefined);
  folders.hidden = false;
  folders.textContent = `Take the ${foldersOf(folderFiles).length} class folders`;
}

const foldersOf = (files: readonly FileAt[]) => [...new Set(files.map(({ path }) => classOf(path)!))].sort();

folders.addEventListener('click', () => {
  const ownClasses = foldersOf(folderFiles).map((name) => ({
    name,
    examples: folderFiles
      .filter(({ path }) => classOf(path) === name)
      .map(({ file, path }) => ({ name: path.split('/').slice(-2).join('/'), file })),
  }));
  folders.hidden = true;
  update({ ownClasses });
});

byId('add-class').addEventListener('click', () => {
  update({ ownClasses: [...state.ownClasses, emptyClass(state.ownClasses.length)] });
  list.querySelector<HTMLInputElement>('li:last-child input')!.select();
});

input.addEventListener('change', () => {
  const files = [...(input.files ?? [])];
  input.value = '';
  addExamples(
    choosing,
    files.map((file) => ({ name: file.name, file })),
  );
});

function addExamples(place: number, given: readonly GalleryImage[]): void {
  const own = state.ownClasses[place];
  if (!own) return;
  const fresh = given.filter((image) => !own.examples.includes(image));
  if (fresh.length === 0) announce('This image is an example of the class already');
  else change(place, { examples: [...own.examples, ...fresh] });
}

function change(place: number, changes: Partial<OwnClass>): void {
  update({ ownClasses: state.ownClasses.map((own, i) => (i === place ? { ...own, ...changes } : own)) });
}

/** Adds what is on the canvas: the chosen image, or a frame of the camera. */
async function addShown(place: number): Promise<void> {
  const { image } = state.shown ?? {};
  if (cameraIsOn()) {
    const file = await takeFrame();
    addExamples(place, [{ name: file.name, file }]);
  } else if (image) addExamples(place, [image]);
  else announce('There is no image to add');
}

watch(['ownClasses', 'cameraOn'], drawRows);
watch(['ownClasses', 'session'], showButton);

/** Rows stay as they are while their class does, so that a name can be typed. */
function drawRows(): void {
  const { ownClasses } = state;
  while (list.children.length > ownClasses.length) list.lastElementChild!.remove();
  for (const [place, own] of ownClasses.entries()) {
    if (!list.children[place]) list.append(makeRow(place));
    fillRow(list.children[place] as HTMLElement, place, own);
  }
}

function makeRow(place: number): HTMLElement {
  const name = make('input', { type: 'text', 'aria-label': `Name of class ${place + 1}`, maxlength: '80' });
  name.addEventListener('input', () => change(place, { name: name.value }));
  const add = make('button', { type: 'button', class: 'add-shown' });
  add.addEventListener('click', () => void addShown(place));
  addWhileHeld(add, place);
  const choose = make('button', { type: 'button' }, 'Images …');
  choose.addEventListener('click', () => {
    choosing = place;
    input.click();
  });
  const remove = make('button', { type: 'button', class: 'plain remove-class' }, 'Remove');
  remove.addEventListener('click', () => {
    update({ ownClasses: state.ownClasses.filter((_, i) => i !== place) });
    byId('add-class').focus({ preventScroll: true });
  });
  return make(
    'li',
    {},
    make('div', { class: 'row' }, name, make('span', { class: 'soft count' })),
    make('div', { class: 'buttons compact' }, add, choose, remove),
    make('div', { class: 'examples', 'aria-hidden': 'true' }),
  );
}

function fillRow(row: HTMLElement, place: number, { name, examples }: OwnClass): void {
  const field = row.querySelector('input')!;
  if (field.value !== name) field.value = name;
  row.querySelector('.count')!.textContent = examples.length === 1 ? '1 image' : `${examples.length} images`;
  row.querySelector('.add-shown')!.textContent = state.cameraOn ? 'Add this frame' : 'Add this image';
  for (const button of row.querySelectorAll('button')) {
    button.setAttribute('aria-label', `${button.textContent}, ${name || `class ${place + 1}`}`);
  }
  row.querySelector('.examples')!.replaceChildren(...examples.slice(-SHOWN).map(smallImage));
}

const drawn = new WeakMap<GalleryImage, HTMLCanvasElement>();

function smallImage(image: GalleryImage): HTMLCanvasElement {
  const known = drawn.get(image);
  if (known) return known;
  const canvas = make('canvas', { width: String(SIDE), height: String(SIDE) });
  drawn.set(image, canvas);
  thumbnail(image.file, SIDE).then(
    (bitmap) => {
      canvas.getContext('2d')!.drawImage(bitmap, 0, 0);
      bitmap.close();
    },
    () => {}, // training names what cannot be read
  );
  return canvas;
}

/** With the camera on, a button that is held down adds frame after frame. */
function addWhileHeld(button: HTMLElement, place: number): void {
  let held = false;
  const release = () => {
    held = false;
  };
  button.addEventListener('pointerdown', async () => {
    if (!cameraIsOn()) return;
    held = true;
    await wait(HOLD_MS);
    while (held && cameraIsOn()) {
      await addShown(place);
      await wait(BETWEEN_FRAMES_MS);
    }
  });
  for (const type of ['pointerup', 'pointercancel', 'pointerleave']) button.addEventListener(type, release);
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

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
      if (isAbort(error) || (error as { about?: string }).about === 'backend') throw error;
      broken.push((error as Error).message);
    }
  }
  if (broken.length > 0)
    showError(`${broken.length} of ${all.length} examples are left out`, broken.slice(0, SHOWN).join('; '));
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
