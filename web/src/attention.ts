/** The controls of what lies over the image, and the grid of all layers and heads. */
import { heatColormap } from '../../src/explain/colormap.js';
import { mapToGrey } from '../../src/explain/overlay.js';
import { byId, chosen, make } from './dom.js';
import { mapFrom } from './explain.js';
import { type Overlay, type Session, state, update, watch } from './state.js';

const form = byId<HTMLFormElement>('attention');
const grid = byId('head-grid');
const sheet = byId<HTMLCanvasElement>('head-sheet');

const NOTES: Record<Overlay, string> = {
  attention: 'How much the token takes from each patch in this layer, after the softmax.',
  rollout:
    'What reaches the token from each patch through all layers (Abnar and Zuidema 2020; fusion and discard as in vit-explain).',
  relevance: 'Attention times its gradient by the class’s logit, through all layers (Chefer et al. 2021).',
  similarity: 'The cosine of each patch’s features to those of the patch that you point at.',
  colors: 'The first three principal components of the patches’ features as red, green and blue.',
  none: 'The image as the model sees it.',
};

form.addEventListener('submit', (event) => event.preventDefault());
// Some controls stand beside the form, which would not hear them.
form.closest('section')!.addEventListener('input', () => {
  const token = chosen(form, 'token');
  update({
    overlay: chosen(form, 'show') as Overlay,
    token: token === 'patch' ? state.patch : (token as 'cls' | 'dist' | 'mean'),
    fusion: byId<HTMLSelectElement>('fusion').value as typeof state.fusion,
    discardRatio: Number(byId<HTMLInputElement>('discard').value) / 100,
    strength: Number(byId<HTMLInputElement>('strength').value) / 100,
    erasing: byId<HTMLInputElement>('erasing').checked,
  });
});
byId('restore').addEventListener('click', () => update({ erased: new Set() }));

watch(['session'], adapt);
watch(['overlay', 'token', 'fusion', 'discardRatio', 'strength', 'erasing', 'session'], showControls);
watch(['maps', 'shown'], drawSheet);
watch(['layer', 'head', 'overlay', 'session'], markCell);
watch(['erased', 'erasing'], () => {
  byId('restore').hidden = state.erased.size === 0;
});

/** Makes the controls fit a model. */
function adapt(): void {
  const { session } = state;
  if (!session) return;
  const { depth, distilled, classToken } = session.model.config;
  const has = { cls: classToken !== false, dist: distilled, mean: true, patch: true };
  for (const [name, there] of Object.entries(has)) {
    const input = form.querySelector<HTMLInputElement>(`input[name="token"][value="${name}"]`)!;
    input.disabled = !there;
    input.closest('label')!.hidden = !there;
  }
  const known = typeof state.token === 'number' || has[state.token];
  const token = known && typeof state.token !== 'number' ? state.token : has.cls ? 'cls' : 'mean';
  buildGrid(session);
  update({ token, layer: Math.min(state.layer, depth - 1), head: 'mean', patch: 0 });
}

function showControls(): void {
  const { overlay, token, discardRatio, strength } = state;
  const tokenValue = typeof token === 'number' ? 'patch' : token;
  form.querySelector<HTMLInputElement>(`input[name="show"][value="${overlay}"]`)!.checked = true;
  form.querySelector<HTMLInputElement>(`input[name="token"][value="${tokenValue}"]`)!.checked = true;
  byId<HTMLSelectElement>('fusion').value = state.fusion;
  byId<HTMLInputElement>('discard').value = String(Math.round(100 * discardRatio));
  byId('discard-value').textContent = `${Math.round(100 * discardRatio)} %`;
  byId<HTMLInputElement>('strength').value = String(Math.round(100 * strength));
  byId('strength-value').textContent = `${Math.round(100 * strength)} %`;
  byId<HTMLInputElement>('erasing').checked = state.erasing;
  byId('rollout-row').hidden = overlay !== 'rollout';
  byId('tokens').hidden = !['attention', 'rollout', 'relevance'].includes(overlay);
  byId('attention-note').textContent = state.erasing
    ? 'Paint over patches: they become the mean colour, and the probabilities follow. By keyboard: arrows and Enter on the image.'
    : NOTES[overlay];
}

/** A row a layer, a column a head, the mean of all first. Columns and rows count from 1, as people do. */
function buildGrid({ model }: Session): void {
  const { depth, numHeads, imgSize, patchSize } = model.config;
  grid.style.setProperty('--columns', String(numHeads + 1));
  grid.style.setProperty('--rows', String(depth));
  const [high, wide] = typeof patchSize === 'number' ? [patchSize, patchSize] : patchSize;
  const ratio = [((numHeads + 1) * imgSize[1]) / wide, (depth * imgSize[0]) / high];
  grid.style.setProperty('--sheet-ratio', ratio.join(' / '));
  const heads: ('mean' | number)[] = ['mean', ...Array(numHeads).keys()];
  byId('head-names').replaceChildren(
    ...heads.map((head) => make('span', {}, head === 'mean' ? 'mean' : String(head + 1))),
  );
  byId('layer-names').replaceChildren(
    ...Array.from({ length: depth }, (_, layer) => make('span', {}, String(layer + 1))),
  );
  byId('head-cells').replaceChildren(
    ...Array.from({ length: depth }, (_, layer) =>
      make(
        'div',
        { role: 'row' },
        ...heads.map((head) => {
          const label = `layer ${layer + 1}, ${head === 'mean' ? 'mean of the heads' : `head ${head + 1}`}`;
          const cell = make('button', {
            type: 'button',
            role: 'gridcell',
            'aria-label': label,
            title: label,
            tabindex: '-1',
          });
          cell.dataset.layer = String(layer);
          cell.dataset.head = String(head);
          return cell;
        }),
      ),
    ),
  );
}

const cells = byId('head-cells');
const cellOf = (layer: number, head: number | 'mean') =>
  cells.querySelector<HTMLElement>(`[data-layer="${layer}"][data-head="${head}"]`);

cells.addEventListener('click', ({ target }) => {
  const { layer, head } = (target as HTMLElement).dataset;
  if (layer === undefined) return;
  update({ overlay: 'attention', layer: Number(layer), head: head === 'mean' ? 'mean' : Number(head) });
});

cells.addEventListener('keydown', (event) => {
  const { session, layer, head } = state;
  if (!session) return;
  const { depth, numHeads } = session.model.config;
  const column = head === 'mean' ? 0 : head + 1;
  const steps: Record<string, [number, number]> = {
    ArrowUp: [layer - 1, column],
    ArrowDown: [layer + 1, column],
    ArrowLeft: [layer, column - 1],
    ArrowRight: [layer, column + 1],
    Home: [layer, 0],
    End: [layer, numHeads],
  };
  const [toLayer, toColumn] = steps[event.key] ?? [];
  if (toLayer === undefined || toColumn === undefined) return;
  event.preventDefault();
  if (toLayer < 0 || toLayer >= depth || toColumn < 0 || toColumn > numHeads) return;
  const to = toColumn === 0 ? ('mean' as const) : toColumn - 1;
  update({ overlay: 'attention', layer: toLayer, head: to });
  cellOf(toLayer, to)!.focus({ preventScroll: true });
});

function markCell(): void {
  const { overlay, layer, head } = state;
  for (const cell of cells.querySelectorAll<HTMLElement>('[role="gridcell"]')) {
    const current = cell === cellOf(layer, head);
    cell.tabIndex = current ? 0 : -1;
    cell.setAttribute('aria-selected', String(current && overlay === 'attention'));
  }
}

/** All maps as one image behind the cells, one pixel a patch, each from its own least to its most. */
function drawSheet(): void {
  const { maps, shown } = state;
  const { seen, session } = shown ?? {};
  if (!seen || !session || !maps) {
    sheet.getContext('2d')!.clearRect(0, 0, sheet.width, sheet.height);
    return;
  }
  const { depth, numHeads } = session.model.config;
  const [rows, columns] = seen.grid;
  sheet.width = (numHeads + 1) * columns;
  sheet.height = depth * rows;
  const image = new ImageData(sheet.width, sheet.height);
  for (let layer = 0; layer < depth; layer++) {
    for (let place = 0; place <= numHeads; place++) {
      const { data } = mapToGrey(mapFrom(maps, layer, place === 0 ? 'mean' : place - 1)!);
      for (let i = 0; i < rows * columns; i++) {
        const [row, column] = [layer * rows + Math.floor(i / columns), place * columns + (i % columns)];
        const at = 4 * (row * sheet.width + column);
        const color = 3 * data[3 * i]!;
        for (let c = 0; c < 3; c++) image.data[at + c] = heatColormap[color + c]!;
        image.data[at + 3] = 255;
      }
    }
  }
  sheet.getContext('2d')!.putImageData(image, 0, 0);
}

/** The colours from little to much. */
function drawScale(): void {
  const stops = Array.from({ length: 9 }, (_, i) => {
    const at = 3 * Math.round((255 * i) / 8);
    return `rgb(${heatColormap.slice(at, at + 3).join(' ')})`;
  });
  byId('scale').style.background = `linear-gradient(to right, ${stops.join(', ')})`;
}

drawScale();
showControls();
