/** A small benchmark: one image at a time through the model. */
import { byId, make, milliseconds } from './dom.js';
import { announce, isAbort, showError } from './messages.js';
import { type Session, state, watch } from './state.js';

const WARM_UP = 3;
const MIN_RUNS = 5;
const MAX_RUNS = 50;
/** Time that is spent on runs once there are enough of them, in milliseconds. */
const BUDGET = 4000;

const button = byId<HTMLButtonElement>('measure');
const status = byId('measure-state');

let running: AbortController | undefined;

button.addEventListener('click', async () => {
  if (running) return running.abort();
  const { session } = state;
  if (!session) return;
  running = new AbortController();
  button.textContent = 'Stop';
  try {
    await measure(session, running.signal);
  } catch (error) {
    status.textContent = 'Stopped.';
    if (!isAbort(error)) showError('The benchmark stopped', error);
  } finally {
    running = undefined;
    button.textContent = 'Measure';
  }
});

watch(['session'], () => {
  running?.abort();
  button.disabled = !state.session;
});

async function measure({ worker, model, source }: Session, signal: AbortSignal): Promise<void> {
  const times: number[] = [];
  let begun = performance.now();
  for (let run = -WARM_UP; run < MAX_RUNS; run++) {
    status.textContent = run < 0 ? 'Warming up …' : `Run ${run + 1} …`;
    const time = await worker.call('time', [], { signal });
    if (run < 0) begun = performance.now();
    else times.push(time);
    if (times.length >= MIN_RUNS && performance.now() - begun > BUDGET) break;
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)]!;
  addRow(source.title, model.backend.description, median, times[0]!);
  status.textContent = `${times.length} runs, the forward pass alone, until its values are back.`;
  announce(`${milliseconds(median)} an image`);
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
