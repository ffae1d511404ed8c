/** Accuracy on a folder of class folders: live figures, a table to sort and filter, and the report of `deit eval`. */
import { wilsonInterval } from '../../src/evaluate/report/interval.js';
import type { EvaluationRecord } from '../../src/evaluate/report/record.js';
import { byId, make, percent, save } from './dom.js';
import { classOf, type FileAt } from './inputs.js';
import { announce, isAbort, showError } from './messages.js';
import { mistakeImages } from './mistakeImages.js';
import { shortName } from './predictions.js';
import { softmax, topIndices } from './softmax.js';
import { type Session, state, update, watch } from './state.js';

interface Row {
  readonly path: string;
  readonly file: File;
  readonly label: number;
  readonly predicted: number;
  /** Of the predicted class. */
  readonly probability: number;
  readonly loss: number;
}

interface Evaluation {
  readonly session: Session;
  readonly record: EvaluationRecord;
  readonly rows: Row[];
  readonly preset: string;
  readonly seconds: number;
  readonly failed: number;
}

type Column = 'path' | 'label' | 'predicted' | 'probability' | 'loss';

/** Rows that are drawn; the filter finds the others. */
const DRAWN = 200;

const button = byId<HTMLButtonElement>('evaluate');
const status = byId('evaluate-state');
const filter = byId<HTMLInputElement>('evaluate-filter');
const onlyWrong = byId<HTMLInputElement>('evaluate-wrong');
const table = byId<HTMLTableElement>('evaluate-table');

let files: readonly FileAt[] = [];
let running: AbortController | undefined;
let done: Evaluation | undefined;
let sortBy: Column = 'loss';
let descending = true;

/** Class folders were given: accuracy on them may be measured. */
export function offerEvaluation(given: readonly FileAt[]): void {
  running?.abort();
  files = given.filter(({ path }) => classOf(path) !== undefined);
  done = undefined;
  byId('evaluate-panel').hidden = false;
  byId('evaluate-results').hidden = true;
  byId('evaluate-figures').replaceChildren();
  status.textContent = `${files.length} images in ${foldersOf(files).length} class folders.`;
  showButton();
}

const foldersOf = (given: readonly FileAt[]) => [...new Set(given.map(({ path }) => classOf(path)!))].sort();

watch(['session'], () => {
  running?.abort();
  showButton();
});

function showButton(): void {
  button.textContent = running ? 'Stop' : 'Evaluate';
  button.disabled = !state.session || state.session.model.config.numClasses === 0 || files.length === 0;
}

button.addEventListener('click', () => {
  if (running) running.abort();
  else if (state.session) void evaluate(state.session);
});

async function evaluate(session: Session): Promise<void> {
  running = new AbortController();
  const { signal } = running;
  showButton();
  try {
    await run(session, signal);
  } catch (error) {
    if (isAbort(error)) status.textContent = 'Stopped.';
    else showError('The evaluation stopped', error, { subject: 'evaluate' });
  } finally {
    running = undefined;
    showButton();
  }
}

async function run(session: Session, signal: AbortSignal): Promise<void> {
  const { EvaluationRecord: Record } = await import('../../src/evaluate/report/record.js');
  const folders = foldersOf(files);
  const { indices, by } = await session.worker.call('match', [folders], { signal });
  const labels = new Map(folders.map((folder, i) => [folder, indices[i]!]));
  const record = new Record();
  const rows: Row[] = [];
  const { preset } = state;
  const start = performance.now();
  for (const [i, { file, path }] of files.entries()) {
    signal.throwIfAborted();
    const label = labels.get(classOf(path)!)!;
    try {
      const { logits, heads } = await session.worker.call('scores', [file, preset], { signal });
      record.add(path, label, logits, heads);
      rows.push(rowOf(path, file, label, logits));
    } catch (error) {
      if (isAbort(error) || (error as { about?: string }).about !== 'image') throw error;
      record.failures.push(`${path}: ${(error as Error).message}`);
    }
    const seconds = (performance.now() - start) / 1000;
    done = { session, record, rows, preset, seconds, failed: record.failures.length };
    showFigures(done, i + 1, by);
  }
  announce('The evaluation is done');
  byId('evaluate-results').hidden = rows.length === 0;
  drawTable();
}

function rowOf(path: string, file: File, label: number, logits: Float32Array): Row {
  const shares = softmax(logits);
  const [predicted] = topIndices(shares, 1);
  return {
    path,
    file,
    label,
    predicted: predicted!,
    probability: shares[predicted!]!,
    loss: -Math.log(shares[label]!),
  };
}

function showFigures({ record, seconds, failed }: Evaluation, count: number, by: string): void {
  const { images = 0, correct1 = 0, correct5 = 0, lossSum = 0 } = record.counts[0] ?? {};
  const rate = count / seconds;
  const left = (files.length - count) / rate;
  status.textContent =
    `${count} of ${files.length} images, folders matched by ${by}; ${rate.toFixed(1)} images/s` +
    (count < files.length ? `, ${Math.ceil(left)} s left` : '') +
    (failed > 0 ? `; ${failed} cannot be read` : '') +
    '.';
  if (images === 0) return;
  const [low, high] = wilsonInterval(correct1, images);
  const figure = (name: string, value: string, more = '') =>
    make('div', {}, make('dt', {}, name), make('dd', {}, value, make('small', {}, more)));
  byId('evaluate-figures').replaceChildren(
    figure(
      'top-1',
      percent(correct1 / images),
      ` ${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}, 95 %`,
    ),
    figure('top-5', percent(correct5 / images)),
    figure('loss', (lossSum / images).toFixed(4), ' nats'),
  );
}

function drawTable(): void {
  if (!done) return;
  const { session } = done;
  const name = (index: number) => shortName(session.model.labels?.[index] ?? String(index));
  const wanted = filter.value.trim().toLowerCase();
  const matches = ({ path, label, predicted }: Row) =>
    (!onlyWrong.checked || label !== predicted) &&
    `${path} ${name(label)} ${name(predicted)}`.toLowerCase().includes(wanted);
  const rows = done.rows
    .filter(matches)
    .sort((a, b) => (descending ? -1 : 1) * compare(a[sortBy], b[sortBy]));
  for (const header of table.querySelectorAll<HTMLElement>('th')) {
    const isSorted = header.dataset.column === sortBy;
    header.setAttribute('aria-sort', isSorted ? (descending ? 'descending' : 'ascending') : 'none');
  }
  table.tBodies[0]!.replaceChildren(...rows.slice(0, DRAWN).map((row) => tableRow(row, name)));
  byId('evaluate-count').textContent =
    rows.length > DRAWN ? `The first ${DRAWN} of ${rows.length} images.` : `${rows.length} images.`;
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function tableRow(row: Row, name: (index: number) => string): HTMLElement {
  const open = make('button', { type: 'button', class: 'plain link' }, row.path);
  open.addEventListener('click', () => {
    const image = state.images.find(({ file }) => file === row.file);
    if (image) update({ chosen: image });
    byId('stage').focus({ preventScroll: true });
  });
  const number = (text: string) => make('td', { class: 'n' }, text);
  const verdict = row.label === row.predicted ? '✓ ' : '✗ ';
  return make(
    'tr',
    {},
    make('td', {}, open),
    make('td', {}, name(row.label)),
    make('td', {}, verdict + name(row.predicted)),
    number(percent(row.probability)),
    number(row.loss.toFixed(3)),
  );
}

table.tHead!.addEventListener('click', ({ target }) => {
  const column = (target as HTMLElement).closest<HTMLElement>('th')?.dataset.column as Column | undefined;
  if (!column) return;
  descending = column === sortBy ? !descending : false;
  sortBy = column;
  drawTable();
});
for (const control of [filter, onlyWrong]) control.addEventListener('input', drawTable);

byId('evaluate-csv').addEventListener('click', () => {
  if (!done) return;
  const quote = (value: string | number) => `"${String(value).replaceAll('"', '""')}"`;
  const lines = done.rows.map(({ path, label, predicted, probability, loss }) =>
    [quote(path), label, predicted, probability, loss].join(','),
  );
  save('predictions.csv', ['file,label,predicted,probability,loss', ...lines, ''].join('\n'), 'text/csv');
});

byId('evaluate-report').addEventListener('click', () => {
  if (done) void writeReport(done).catch((error) => showError('The report cannot be made', error));
});

async function writeReport({ session, record, rows, preset, seconds, failed }: Evaluation): Promise<void> {
  const { reportPage } = await import('../../src/evaluate/report/index.js');
  const { images, correct1, correct5, lossSum } = record.counts[0]!;
  const { model, source } = session;
  const fileOf = new Map(rows.map(({ path, file }) => [path, file]));
  const mistakes = await mistakeImages(
    session,
    record.mistakes.map(({ file }) => [file, fileOf.get(file)!]),
    preset,
  );
  const page = reportPage(
    {
      model: source.title,
      architecture: model.config.name,
      folder: files[0]!.path.split('/')[0]!,
      preset: preset || model.preprocessing.preset,
      backend: model.backend.description,
      labels: model.labels,
      result: {
        images,
        top1: (100 * correct1) / images,
        top5: (100 * correct5) / images,
        loss: lossSum / images,
        failed,
        imagesPerSecond: images / seconds,
      },
      record,
      ...mistakes,
      stages: [],
      stagesOf: 0,
      made: new Date(),
      version: '',
    },
    document,
  );
  save('report.html', page, 'text/html');
}
