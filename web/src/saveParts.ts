/** Buttons that save one table or image of the page: `data-table` and `data-canvas` name it. */
import { byId, make, save } from './dom.js';
import { showError } from './messages.js';

/** Small images are saved larger, pixel by pixel, up to about so many pixels a side. */
const SIDE = 1024;

for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-table]')) {
  const name = button.dataset.table!;
  button.addEventListener('click', () =>
    save(`${name}.csv`, csvOf(byId<HTMLTableElement>(name)), 'text/csv'),
  );
}

for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-canvas]')) {
  const name = button.dataset.canvas!;
  button.addEventListener('click', () =>
    enlarged(byId<HTMLCanvasElement>(name)).toBlob((blob) => {
      if (blob) save(`${name}.png`, blob, 'image/png');
      else showError('The image cannot be saved', 'the browser made no PNG');
    }),
  );
}

function csvOf(table: HTMLTableElement): string {
  const quote = (text: string) => `"${text.trim().replaceAll('"', '""')}"`;
  const line = ({ cells }: HTMLTableRowElement) =>
    [...cells].map(({ textContent }) => quote(textContent ?? '')).join(',');
  return `${[...table.rows].map(line).join('\n')}\n`;
}

function enlarged(canvas: HTMLCanvasElement): HTMLCanvasElement {
  const scale = Math.max(1, Math.floor(SIDE / Math.max(canvas.width, canvas.height)));
  const large = make('canvas', {
    width: String(canvas.width * scale),
    height: String(canvas.height * scale),
  });
  const context = large.getContext('2d')!;
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
  return large;
}
