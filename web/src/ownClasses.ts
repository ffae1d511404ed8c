/** Classes of the user's own, and examples of each: from the camera, from files, from class folders. */
import { cameraIsOn, takeFrame } from './camera.js';
import { byId, make } from './dom.js';
import type { GalleryImage } from './gallery.js';
import { thumbnail } from './images.js';
import { classOf, type FileAt } from './inputs.js';
import { announce } from './messages.js';
import { type OwnClass, state, update, watch } from './state.js';

const SIDE = 40;
/** Small images that a class shows: its last ones. */
const SHOWN = 8;
/** A button that is held for so long adds the camera's frames one after another. */
const HOLD_MS = 400;
const BETWEEN_FRAMES_MS = 200;

const list = byId('classes');
const folders = byId<HTMLButtonElement>('use-folders');
const input = byId<HTMLInputElement>('example-input');

/** The class whose images are being chosen. */
let choosing = 0;
let folderFiles: readonly FileAt[] = [];

/** Begins with two classes that have no images yet. */
export function startOwnClasses(): void {
  const first = emptyClass([]);
  update({ ownClasses: [first, emptyClass([first])] });
}

/** Under a name that none of the others has. */
function emptyClass(others: readonly OwnClass[]): OwnClass {
  const taken = new Set(others.map(({ name }) => name));
  let number = others.length + 1;
  while (taken.has(`Class ${number}`)) number++;
  return { name: `Class ${number}`, examples: [] };
}

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
  update({ ownClasses: [...state.ownClasses, emptyClass(state.ownClasses)] });
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
