/** The tensors of the model's checkpoint: names, shapes, types, and how their values are spread. */
import { sizeOf } from '../../src/shape.js';
import { byId, make, save } from './dom.js';
import { isAbort, showError } from './messages.js';
import { state, watch } from './state.js';
import { ModelWorker } from './worker/client.js';
import type { Histogram, TensorList } from './worker/protocol.js';

type Tensor = TensorList['tensors'][number];

const panel = byId<HTMLDetailsElement>('tensors-panel');
const filter = byId<HTMLInputElement>('tensors-filter');
const body = byId<HTMLTableElement>('tensors-table').tBodies[0]!;

/** Whose tensors are listed: the model's worker, or one that has read a file alone. */
let source: ModelWorker | undefined;
let tensors: readonly Tensor[] = [];
const tensorOf = new WeakMap<Element, Tensor>();
const spreads = new Map<string, Promise<Histogram>>();

/** The worker that has read a file alone. */
let alone: ModelWorker | undefined;

panel.addEventListener('toggle', () => {
  if (!source) listModel();
});
watch(['session'], () => {
  alone?.end();
  alone = undefined;
  source = undefined;
  listModel();
});
filter.addEventListener('input', draw);

function listModel(): void {
  const { session } = state;
  if (panel.open && session) void list(session.worker, () => session.worker.call('tensors', []), '');
}

/** Lists what is in a file that is no model for this page; another model's tensors take its place. */
export function listFile(file: File): void {
  alone?.end();
  const worker = new ModelWorker();
  alone = worker;
  void list(worker, () => worker.inspect(file), ` ${file.name}, which is not the model that is loaded`);
  panel.open = true;
  panel.scrollIntoView({ block: 'start' });
  filter.focus({ preventScroll: true });
}

async function list(worker: ModelWorker, ask: () => Promise<TensorList>, note: string): Promise<void> {
  source = worker;
  tensors = [];
  spreads.clear();
  byId('tensors-of').textContent = '';
  draw();
  try {
    const found = await ask();
    if (source !== worker) return;
    tensors = found.tensors;
    byId('tensors-of').textContent = `Of the ${found.of}${note}`;
    draw();
  } catch (error) {
    if (!isAbort(error)) showError('The tensors cannot be listed', error, { subject: 'tensors' });
  }
}

function draw(): void {
  const wanted = filter.value.trim().toLowerCase();
  const rows = tensors.filter(({ name }) => name.toLowerCase().includes(wanted));
  const values = rows.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  byId('tensors-count').textContent =
    `${rows.length} of ${tensors.length} tensors, ${values.toLocaleString('en-US')} values`;
  visible.disconnect();
  body.replaceChildren(...rows.map(tableRow));
}

function tableRow(tensor: Tensor): HTMLElement {
  const { name, shape, dtype } = tensor;
  const row = make(
    'tr',
    {},
    make('th', { scope: 'row' }, name),
    make('td', {}, shape.join(' × ') || 'scalar'),
    make('td', {}, dtype),
    make(
      'td',
      {},
      make('canvas', { class: 'spread pixels', width: '1', height: '1', 'aria-hidden': 'true' }),
    ),
    ...['min', 'max', 'mean', 'deviation'].map(() => make('td', { class: 'n' })),
  );
  tensorOf.set(row, tensor);
  visible.observe(row);
  return row;
}

/** Values are read when their row comes into view: a checkpoint may have gigabytes of them. */
const visible = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      visible.unobserve(target);
      void showSpread(target as HTMLTableRowElement);
    }
  },
  { root: byId('tensors-region') },
);

async function showSpread(row: HTMLTableRowElement): Promise<void> {
  const { name } = tensorOf.get(row)!;
  try {
    if (!spreads.has(name)) spreads.set(name, source!.call('histogram', [name]));
    const spread = await spreads.get(name)!;
    drawBars(row.querySelector('canvas')!, spread);
    const { min, max, mean, deviation, bad } = spread;
    const texts = [min, max, mean, deviation].map((value) =>
      Number.isFinite(value) ? value.toPrecision(3) : '–',
    );
    for (const [i, text] of texts.entries()) row.cells[4 + i]!.textContent = text;
    if (bad > 0) row.cells[0]!.append(make('small', { class: 'bad' }, ` ${bad} values are NaN or infinite`));
  } catch (error) {
    if (!isAbort(error)) row.cells[3]!.textContent = (error as Error).message;
  }
}

function drawBars(canvas: HTMLCanvasElement, { counts }: Histogram): void {
  const high = 24;
  canvas.width = 3 * counts.length;
  canvas.height = high;
  const context = canvas.getContext('2d')!;
  context.fillStyle = getComputedStyle(canvas).color;
  const most = Math.max(...counts);
  for (const [i, count] of counts.entries()) {
    const bar = count === 0 ? 0 : Math.max(1, Math.round((high * count) / most));
    context.fillRect(3 * i, high - bar, 2, bar);
  }
}

byId('tensors-csv').addEventListener('click', () => {
  const lines = tensors.map(
    ({ name, shape, dtype }) => `"${name.replaceAll('"', '""')}",${shape.join('x')},${dtype}`,
  );
  save('tensors.csv', ['name,shape,dtype', ...lines, ''].join('\n'), 'text/csv');
});
