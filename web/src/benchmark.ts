/** A small benchmark: one picture at a time through the model. */
import { byId, make, milliseconds } from './elements.js';
import type { WorkerModel } from './library.js';
import { announce, isAbort } from './messages.js';

const WARM_UP = 3;
const MIN_RUNS = 5;
const MAX_RUNS = 50;
/** Time that is spent on runs once there are enough of them, in milliseconds. */
const BUDGET = 4000;

const button = byId<HTMLButtonElement>('measure');
const state = byId('measure-state');

let running: AbortController | undefined;

/** Lets the button measure whatever model is there when it is pressed. */
export function listenForMeasure(
  model: () => { model: WorkerModel; title: string } | undefined,
  onFailure: (error: unknown) => void,
): void {
  button.addEventListener('click', async () => {
    if (running) {
      running.abort();
      return;
    }
    const now = model();
    if (!now) return;
    running = new AbortController();
    button.textContent = 'Stop';
    try {
      await measure(now.model, now.title, running.signal);
    } catch (error) {
      state.textContent = 'Stopped.';
      if (!isAbort(error)) onFailure(error);
    } finally {
      running = undefined;
      button.textContent = 'Measure';
    }
  });
}

/** The model is going away. */
export function stopMeasure(): void {
  running?.abort(new DOMException('another model is loaded', 'AbortError'));
}

export function allowMeasure(allowed: boolean): void {
  button.disabled = !allowed;
}

async function measure(model: WorkerModel, title: string, signal: AbortSignal): Promise<void> {
  const [height, width] = model.preprocessing.crop;
  const picture = { data: noise(3 * width * height), width, height };
  const times: number[] = [];
  let begun = performance.now();
  for (let run = -WARM_UP; run < MAX_RUNS; run++) {
    state.textContent = run < 0 ? 'Warming up …' : `Run ${run + 1} …`;
    const { times: stages } = await model.logits(picture, { signal });
    if (run < 0) begun = performance.now();
    else times.push(stages.model);
    if (times.length >= MIN_RUNS && performance.now() - begun > BUDGET) break;
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)]!;
  addRow(title, model.backend.description, median, times[0]!);
  state.textContent = `${times.length} runs, the forward pass alone, until its values are back.`;
  announce(`${milliseconds(median)} a picture`);
}

/** Pixels that compress to nothing and are the same each time. */
function noise(length: number): Uint8Array {
  let seed = 1;
  return Uint8Array.from({ length }, () => {
    seed = (seed * 48271) % 2147483647;
    return seed & 255;
  });
}

function addRow(title: string, backend: string, median: number, fastest: number): void {
  byId('measure-region').hidden = false;
  const cell = (text: string) => make('td', { class: 'n' }, text);
  byId<HTMLTableElement>('measurements').tBodies[0]!.prepend(
    make(
      'tr',
      {},
      make('th', { scope: 'row' }, title),
      make('td', {}, backend),
      cell(milliseconds(median)),
      cell(milliseconds(fastest)),
      cell((1000 / median).toFixed(median > 100 ? 1 : 0)),
    ),
  );
}
