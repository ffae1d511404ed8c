/** The page: a model and an image meet here, and what comes of it goes into the state that the panels show. */
// First: the model's worker starts while the rest of the page is evaluated.
import { takeWorker } from './worker/firstWorker.js';
import './attention.js';
import './benchmark.js';
import './canvas.js';
import './compare.js';
import './evaluate.js';
import './saveParts.js';
import './share.js';
import { listenForAddress, takeWantedLayer, wantedImage, wantedModel } from './address.js';
import { cameraIsOn, listenForCamera, stopCamera } from './camera.js';
import { byId } from './dom.js';
import { offerEvaluation } from './evaluate.js';
import { digitImages, digits, photographs } from './examples.js';
import { addImages, type GalleryImage, tellBroken } from './gallery.js';
import { askForHint, listenForHints } from './hints.js';
import { hintAskedFor, inPageWords } from './hintWords.js';
import { preview } from './images.js';
import { ask, type InputUser, lastPart, listenForInputs, refusal, takeAddress } from './inputs.js';
import { announce, isAbort, type Remedy, showError, solved } from './messages.js';
import { chooseBackend, chosenBackend, loadingText } from './model.js';
import { offerFolders, startOwnClasses } from './ownClasses.js';
import { announcePrediction } from './predictions.js';
import { listenForRecents } from './recents.js';
import { type ModelSource, type Session, state, update, watch } from './state.js';
import { listFile } from './tensors.js';
import { listenForTraining } from './trainOwnClasses.js';
import { WorkerError } from './worker/client.js';
import type { Seen } from './worker/protocol.js';

/** An answer that takes longer lets the image be shown without it. */
const PATIENCE_MS = 200;

const int8 = byId<HTMLInputElement>('int8');
/** Built-in images that are in the gallery. */
const added = new Set<string>();
let loading: AbortController | undefined;
let looking: AbortController | undefined;

/** Loads a model in place of the one that is there, which stays until the new one is ready. */
async function open(source: ModelSource, asked = chosenBackend()): Promise<void> {
  loading?.abort(new DOMException('another model is loaded', 'AbortError'));
  loading = new AbortController();
  const { signal } = loading;
  const abort = loading;
  const { title } = source;
  const cancel = () => abort.abort(new DOMException('cancelled', 'AbortError'));
  const show = (fraction?: number, loaded?: number, total?: number) =>
    update({ loading: { title, fraction, text: loadingText(title, fraction, loaded, total), cancel } });
  show();
  const worker = takeWorker();
  try {
    const data = typeof source.data === 'string' ? new URL(source.data, document.baseURI).href : source.data;
    const model = await worker.load(
      data,
      { backend: asked, int8: int8.checked, hints: source.hints },
      { signal, onProgress: show },
    );
    replaceSession({ source, worker, model, asked });
    solved('model');
    announce(`${title} is loaded`);
    endLoading(signal);
    if (model.config.numClasses === 1000 && !added.has('photographs') && !hasOwnImages())
      await addExamples(photographs, 'photographs');
    else await look();
  } catch (error) {
    worker.end();
    const replaced = loading !== undefined && loading.signal !== signal;
    endLoading(signal);
    if (replaced) return; // what is loaded now is current
    chooseBackend(state.session?.asked ?? 'auto');
    if (isAbort(error)) announce(`${title}: cancelled`);
    else tellLoad(source, asked, error);
  }
}

/** The last model's answer goes with it: what is on the canvas stays as an image alone until the new answer is there. */
function replaceSession(session: Session): void {
  looking?.abort(new DOMException('another model is loaded', 'AbortError'));
  if (state.session !== state.kept) state.session?.worker.end();
  const { shown } = state;
  const alone = shown && { name: shown.name, image: shown.image, view: shown.view };
  const nothing = {
    maps: undefined,
    map: undefined,
    colors: undefined,
    without: undefined,
    erased: new Set<number>(),
  };
  update({ session, shown: alone, ...nothing });
}

function endLoading(signal: AbortSignal): void {
  if (loading?.signal !== signal) return;
  loading = undefined;
  update({ loading: undefined });
}

/** What went wrong with a load, and what helps against that. */
function tellLoad(source: ModelSource, asked: string, error: unknown): void {
  const backend = error instanceof WorkerError && error.about === 'backend';
  const title = backend ? `${asked} cannot be used` : `${source.title} could not be loaded`;
  showError(title, inPageWords((error as Error).message), {
    subject: 'model',
    remedies: backend ? otherBackend(source, asked) : otherSource(source, error),
  });
}

function otherBackend(source: ModelSource, asked: string): Remedy[] {
  const use = (name: string, label: string) => ({ label, act: () => void open(source, name) });
  return asked === 'wasm' ? [use('auto', 'Use the best')] : [use('wasm', 'Use WASM')];
}

/** A file that is broken stays so; an address may answer the next time. */
function otherSource(source: ModelSource, error: unknown): Remedy[] {
  const hint = hintAskedFor((error as Error).message);
  const again = { label: 'Try again', act: () => void open(source) };
  if (error instanceof WorkerError && error.about === 'page') return [again];
  if (hint) return [{ label: 'Say it …', act: () => askForHint(source, hint) }];
  if (typeof source.data === 'string') return [again];
  const button = Array.isArray(source.data) ? 'open-folder' : 'open-file';
  const another = { label: 'Choose another …', act: () => ask(button) };
  const { data } = source;
  // What holds tensors but no model for this page is still worth a look.
  const isCheckpoint = data instanceof File && /no vision transformer/.test((error as Error).message);
  return isCheckpoint ? [{ label: 'List its tensors', act: () => listFile(data) }, another] : [another];
}

/** Asks the model about the chosen image. Image, answer and attention change together. */
async function look(): Promise<void> {
  looking?.abort(new DOMException('another image is looked at', 'AbortError'));
  const { chosen: image, session } = state;
  if (!image) return update({ busy: false });
  looking = new AbortController();
  const { signal } = looking;
  const soon = setTimeout(() => void showAlone(image, signal), session ? PATIENCE_MS : 0);
  update({ busy: session !== undefined });
  if (!session) return;
  try {
    const seen = await session.worker.call('look', [image.file, lookOptions()], { signal });
    clearTimeout(soon);
    showSeen(image, session, seen);
    announcePrediction(state.shown!);
  } catch (error) {
    clearTimeout(soon);
    if (isAbort(error)) return;
    update({ busy: false });
    tellLook(image, session, error);
    if (state.chosen === image && state.session === session) void showAlone(image, signal);
  }
}

const lookOptions = () => ({ preset: state.preset, upright: state.upright, token: state.token });

/** @param image undefined for a frame of the camera */
function showSeen(image: GalleryImage | undefined, session: Session, seen: Seen): void {
  const layer = state.shown?.session === session ? state.layer : session.model.config.depth - 1;
  const patches = seen.grid[0] * seen.grid[1];
  update({
    shown: { name: image?.name ?? 'Camera', image, view: seen.view, session, seen },
    maps: seen.maps,
    token: seen.maps.token,
    patch: Math.min(state.patch, patches - 1),
    map: undefined,
    colors: undefined,
    erased: new Set(),
    without: undefined,
    classIndex: undefined,
    layer: takeWantedLayer(session) ?? layer,
    busy: false,
  });
}

/** An image without an answer: there is no model yet, or it takes its time. */
async function showAlone(image: GalleryImage, signal: AbortSignal): Promise<void> {
  try {
    const view = await preview(image.file, state.upright);
    if (signal.aborted || (state.shown?.seen && state.shown.image === image && !state.busy)) return;
    update({
      shown: { name: image.name, image, view },
      maps: undefined,
      map: undefined,
      colors: undefined,
      erased: new Set(),
    });
  } catch (error) {
    if (!signal.aborted) tellBroken(image, error);
  }
}

function tellLook(image: GalleryImage, session: Session, error: unknown): void {
  if (error instanceof WorkerError && error.about === 'backend') {
    const { source, asked } = session;
    const again = { label: 'Try again', act: () => void open(source, asked) };
    update({ shown: undefined });
    showError(`${source.title} gave no answer`, error, {
      subject: 'model',
      remedies: asked === 'wasm' ? [again] : [again, ...otherBackend(source, asked)],
    });
  } else if (error instanceof WorkerError && error.about === 'image') tellBroken(image, error);
  else showError(`${session.source.title} gave no answer for ${image.name}`, error, { subject: 'model' });
}

watch(['chosen'], () => {
  if (state.chosen) stopCamera();
  void look();
});
byId('strip').addEventListener('click', () => {
  if (!cameraIsOn()) return;
  stopCamera(); // the image that was chosen before was pressed again
  void look();
});
watch(['preset', 'upright'], () => {
  if (!cameraIsOn()) void look();
});

const user: InputUser = {
  onModel: (source) => void open(source),
  onImages: (images) => addImages(images),
  onClassFolders(files) {
    offerEvaluation(files);
    offerFolders(files);
  },
};
listenForInputs(user);
listenForHints((source) => void open(source));
listenForTraining((source) => void open(source));
startOwnClasses();
listenForRecents((source) => void open(source));

byId('use-digits').addEventListener('click', () => void openDigits());
byId('url-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const value = withScheme(byId<HTMLInputElement>('url').value.trim());
  const why = refusal(value);
  if (why) return showError(`${value} cannot be opened`, why, { subject: 'model' });
  const isImage = /\.(jpe?g|png|webp|gif|avif|bmp)([?#]|$)/i.test(value);
  if (isImage) takeAddress(value, user);
  else void open({ title: lastPart(value), data: value });
});

/** OWNER/NAME is a name on the hub. */
function withScheme(text: string): string {
  return /^[\w.-]+\/[\w.-]+(@[\w./-]+)?$/.test(text) ? `hf:${text}` : text;
}

for (const control of [byId('backends'), int8]) {
  control.addEventListener('change', () => {
    if (state.session) void open(state.session.source);
  });
}

listenForCamera({
  async onFrame(frame) {
    const { session } = state;
    if (!session) return frame.close();
    looking?.abort(new DOMException('the camera is on', 'AbortError'));
    looking = new AbortController();
    const { signal } = looking;
    try {
      const seen = await session.worker.call('look', [frame, lookOptions()], { signal, transfer: [frame] });
      if (cameraIsOn()) showSeen(undefined, session, seen);
    } catch (error) {
      if (isAbort(error) || state.session !== session) return; // the next frame goes to the next model
      stopCamera();
      showError('The camera’s image could not be used', error);
    }
  },
  onImage: (file) => addImages([{ name: file.name, file }]),
  onStop: () => void look(),
  onFailure: (error) => showError('No camera', error, { subject: 'camera' }),
});

/** Models of ImageNet get photographs to try: digits mean nothing to them. */
watch(['session', 'images'], () => {
  const isImageNet = state.session?.model.config.numClasses === 1000;
  byId('use-photographs').hidden = !isImageNet || added.has('photographs');
});
byId('use-photographs').addEventListener('click', () => void addExamples(photographs, 'photographs'));

function hasOwnImages(): boolean {
  return state.images.some(({ name }) => !/^digit \d, number \d+$/.test(name));
}

async function addExamples(
  fetchThem: () => Promise<GalleryImage[]>,
  kind: string,
  show = true,
): Promise<void> {
  if (added.has(kind)) return;
  added.add(kind);
  try {
    addImages(await fetchThem(), show);
    solved('examples');
  } catch (error) {
    added.delete(kind);
    showError('The built-in images could not be fetched', error, { subject: 'examples' });
  }
}

async function openDigits(): Promise<void> {
  const images = addExamples(digitImages, 'digits', state.chosen === undefined);
  await Promise.all([open(digits), images]);
}

listenForAddress((source) => void open(source));
if (wantedModel) void openWanted(wantedModel);
else void openDigits();

async function openWanted(address: string): Promise<void> {
  const source = { title: lastPart(address), data: address };
  if (wantedImage?.startsWith('digit ')) await addExamples(digitImages, 'digits');
  await open(source);
}
