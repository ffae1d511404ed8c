/** The page: a model and a picture meet here, and what comes of it goes to the panels. */
import { clearAnswer, showAnswer, showWaiting } from './answer.js';
import { Attention } from './attention.js';
import { allowMeasure, listenForMeasure, stopMeasure } from './benchmark.js';
import { listenForCamera, stopCamera } from './camera.js';
import { byId, chosen, make, megabytes } from './elements.js';
import { digitPictures, digits } from './examples.js';
import { listen, type ModelSource } from './intake.js';
import { type Library, loadLibrary, type WorkerModel } from './library.js';
import { announce, clearErrors, isAbort, type Remedy, showError } from './messages.js';
import { Pictures } from './pictures.js';
import { drawHeat, drawPicture } from './stage.js';

interface Session {
  readonly source: ModelSource;
  readonly model: WorkerModel;
  /** The backend that was asked for. */
  readonly asked: string;
}

const library = loadLibrary();
const backends = byId('backends');
const attention = library.then((deit) => new Attention(deit));
let session: Session | undefined;
let loading: AbortController | undefined;
let looking: AbortController | undefined;

const pictures = new Pictures(
  library,
  async ({ name }, bitmap) => {
    stopCamera();
    clearErrors();
    byId('picture-name').textContent = name;
    drawPicture(await library, bitmap, name, session?.model.preprocessing);
    bitmap.close();
    await look();
  },
  (name, error) => showError(`${name} cannot be shown`, error),
);

/** Loads a model in place of the one that is there, which stays until the new one is ready. */
async function open(source: ModelSource, asked = chosen(backends, 'backend')): Promise<void> {
  loading?.abort(new DOMException('another model is loaded', 'AbortError'));
  loading = new AbortController();
  const { signal } = loading;
  showLoading(source.title);
  try {
    const deit = await library;
    const model = await deit.loadInWorker(source.data, {
      backend: asked,
      signal,
      onProgress: (fraction, { loadedBytes, totalBytes }) =>
        showProgress(source.title, fraction, loadedBytes, totalBytes),
    });
    if (signal.aborted) return model.dispose();
    stopMeasure();
    looking?.abort(new DOMException('another model is loaded', 'AbortError'));
    session?.model.dispose();
    session = { source, model, asked };
    chooseBackend(asked);
    clearErrors();
    await showModel(session, deit);
    announce(`${source.title} is loaded`);
    endLoading(signal);
    await pictures.refresh();
  } catch (error) {
    const replaced = loading?.signal !== signal;
    endLoading(signal);
    if (replaced) return; // what is loaded now has the word
    chooseBackend(session?.asked ?? 'auto');
    if (isAbort(error)) announce(`${source.title}: cancelled`);
    else showError(`${source.title} could not be loaded`, error, remediesFor(source, asked));
  }
}

/** What may help where a model does not load or stopped working. */
function remediesFor(source: ModelSource, asked: string): Remedy[] {
  const again = { label: 'Try again', act: () => void open(source, asked) };
  if (asked === 'wasm') return [again];
  const onWasm = () => {
    chooseBackend('wasm');
    void open(source, 'wasm');
  };
  return [again, { label: 'Use WASM', act: onWasm }];
}

/** Asks the model about the current picture. */
async function look(): Promise<void> {
  looking?.abort(new DOMException('another picture is looked at', 'AbortError'));
  const picture = pictures.current;
  if (!session || !picture) return;
  looking = new AbortController();
  const { signal } = looking;
  const { model, source, asked } = session;
  showWaiting('Looking …');
  const shown = await attention;
  try {
    shown.wait(picture.name);
    showAnswer(await model.logits(picture.file, { signal }), model.labels, { aloud: true });
    shown.show(await model.attention(picture.file, { signal }), picture.name);
  } catch (error) {
    if (isAbort(error)) return;
    showWaiting('');
    clearAnswer();
    shown.show(undefined, picture.name);
    showError(`${source.title} gave no answer`, error, remediesFor(source, asked));
  }
}

function showLoading(title: string): void {
  byId('loading').hidden = false;
  byId('loading-text').textContent = `Loading ${title} …`;
  byId<HTMLProgressElement>('loading-bar').removeAttribute('value');
}

function showProgress(title: string, fraction: number, loaded: number, total: number): void {
  byId<HTMLProgressElement>('loading-bar').value = fraction;
  byId('loading-text').textContent =
    fraction < 1 ? `Loading ${title}: ${megabytes(loaded)} of ${megabytes(total)}` : `Preparing ${title} …`;
}

/** Ends the display of a load, unless another has begun. */
function endLoading(signal: AbortSignal): void {
  if (loading?.signal !== signal) return;
  loading = undefined;
  byId('loading').hidden = true;
}

async function showModel({ source, model }: Session, deit: Library): Promise<void> {
  const { config, backend } = model;
  const [height, width] = config.imgSize;
  byId('model-name').textContent = source.title;
  byId('model-facts').textContent = [
    config.name,
    `${(deit.countParameters(config) / 1e6).toFixed(1)} million parameters`,
    `${config.depth} layers of ${config.numHeads} heads`,
    `${width} × ${height} pixels in patches of ${config.patchSize}`,
    `${config.numClasses} classes`,
  ].join(' · ');
  byId('backend-now').textContent = backend.description;
  byId('backend-why').replaceChildren(
    ...backend.passedOver.map((line) => make('li', {}, line)),
    make('li', {}, isolation()),
  );
  allowMeasure(true);
  (await attention).adapt({ depth: config.depth, heads: config.numHeads, distilled: config.distilled });
}

function isolation(): string {
  if (typeof SharedArrayBuffer === 'undefined' || !crossOriginIsolated)
    return 'One thread for WASM: the server does not send the COOP and COEP headers that shared memory needs.';
  return 'This page is cross-origin isolated: WASM may use threads.';
}

function chooseBackend(name: string): void {
  backends.querySelector<HTMLInputElement>(`input[value="${name}"]`)!.checked = true;
}

listen({
  onModel: (source) => void open(source),
  onPictures: (files) => void pictures.add(files),
});

byId('use-digits').addEventListener('click', () => void openDigits());
byId('cancel').addEventListener('click', () => loading?.abort(new DOMException('cancelled', 'AbortError')));
byId('url-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const { value } = byId<HTMLInputElement>('url');
  void open({ title: lastPart(value), data: value });
});
/** The last part of an address, to name a model by. */
function lastPart(url: string): string {
  const part = url
    .replace(/[?#].*$/, '')
    .replace(/\/+$/, '')
    .split('/')
    .at(-1)!;
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray %
  }
}

backends.addEventListener('change', () => {
  if (session) void open(session.source);
});

listenForMeasure(
  () => session && { model: session.model, title: session.source.title },
  (error) =>
    showError('The benchmark stopped', error, session ? remediesFor(session.source, session.asked) : []),
);

listenForCamera({
  async onFrame(video) {
    const now = session;
    if (!now) return;
    try {
      const bitmap = await createImageBitmap(video);
      drawPicture(await library, bitmap, 'Camera', now.model.preprocessing);
      showAnswer(await now.model.logits(bitmap), now.model.labels, { aloud: false });
      bitmap.close();
    } catch (error) {
      if (session !== now) return; // the next frame goes to the next model
      stopCamera();
      if (!isAbort(error)) showError('The camera’s picture could not be used', error);
    }
  },
  onPicture: (file) => void pictures.add([file]),
  onStop: () => void pictures.refresh(),
  onFailure: (error) => showError('No camera', error),
});

let hasSamples = false;

async function openDigits(): Promise<void> {
  const samples = hasSamples ? undefined : digitPictures();
  samples?.catch(() => {}); // told below, after the model
  await open(digits);
  if (!samples || hasSamples) return;
  try {
    await pictures.add(await samples, pictures.current === undefined);
    hasSamples = true;
  } catch (error) {
    showError('The built-in pictures could not be fetched', error);
  }
}

library.then(
  (deit) => {
    drawHeat(deit, undefined);
    void openDigits();
  },
  (error) => showError('The program could not be fetched; reload the page', error),
);
