import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** An epoch, as metrics.jsonl has it. */
export interface CurvePoint {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly valLoss: number;
  readonly top1: number;
  readonly emaTop1?: number;
}

const WIDTH = 720;
const HEIGHT = 240;
const COLORS = { training: '#4269d0', validation: '#efb118', weights: '#efb118', 'running mean': '#3ca951' };

/** Learning curves as an SVG picture: losses above, top-1 below, over the epochs. */
export function learningCurve(points: readonly CurvePoint[], title: string): string {
  const losses = points.flatMap(({ epoch, trainLoss, valLoss }) => [
    { epoch: epoch + 1, value: trainLoss, line: 'training' },
    { epoch: epoch + 1, value: valLoss, line: 'validation' },
  ]);
  const accuracy = points.flatMap(({ epoch, top1, emaTop1 }) => [
    { epoch: epoch + 1, value: top1, line: 'weights' },
    ...(emaTop1 === undefined ? [] : [{ epoch: epoch + 1, value: emaTop1, line: 'running mean' }]),
  ]);
  const above = panel(losses, 'loss, nats');
  const below = panel(accuracy, 'validation top-1, %');
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${2 * HEIGHT + 34}" width="${WIDTH}" ` +
    `font-family="system-ui, sans-serif" font-size="11" role="img" aria-label="${escapeXml(title)}">` +
    `<rect width="100%" height="100%" fill="#ffffff"/>` +
    `<text x="10" y="20" font-size="14" font-weight="600">${escapeXml(title)}</text>` +
    `<g transform="translate(0 34)">${above}</g>` +
    `<g transform="translate(0 ${34 + HEIGHT})">${below}</g></svg>\n`
  );
}

interface PanelPoint {
  readonly epoch: number;
  readonly value: number;
  readonly line: string;
}

function panel(points: PanelPoint[], label: string): string {
  const { document } = parseHTML('<html></html>');
  const lines = [...new Set(points.map(({ line }) => line))] as (keyof typeof COLORS)[];
  const epochs = points.map(({ epoch }) => epoch);
  const [first, end] = [Math.min(...epochs), Math.max(...epochs)];
  const last = points.filter(({ epoch }) => epoch === end).sort((a, b) => b.value - a.value);
  const plot = Plot.plot({
    document: document as unknown as Document,
    width: WIDTH,
    height: HEIGHT,
    marginLeft: 52,
    marginRight: 90,
    x: {
      label: 'epoch',
      domain: [first, Math.max(end, first + 1)],
      ticks: wholeTicks(first, end),
      tickFormat: (epoch: number) => String(epoch),
    },
    y: { label, grid: true, nice: true },
    color: { domain: lines, range: lines.map((line) => COLORS[line]) },
    marks: [
      Plot.lineY(points, { x: 'epoch', y: 'value', z: 'line', stroke: 'line' }),
      Plot.dot(points.length > 60 ? [] : points, { x: 'epoch', y: 'value', fill: 'line', r: 2 }),
      ...last.map((point, i) =>
        Plot.text([point], {
          x: 'epoch',
          y: 'value',
          text: 'line',
          fill: 'line',
          textAnchor: 'start',
          dx: 8,
          // Lines may end in one place: their names must not lie on one another.
          dy: last.length > 1 ? (i === 0 ? -6 : 6) : 0,
        }),
      ),
    ],
  });
  // Plot puts its styles into the picture, for a class that both panels would share; nothing here needs them.
  return plot.outerHTML.replace(/<style>[\s\S]*?<\/style>/g, '');
}

/** At most this many numbers stand under a panel. */
const MAX_TICKS = 12;

/** Epochs are whole: so are their ticks, `first` among them. */
function wholeTicks(first: number, end: number): number[] {
  const step = Math.max(1, Math.ceil((end - first + 1) / MAX_TICKS));
  return Array.from({ length: Math.floor((end - first) / step) + 1 }, (_, i) => first + i * step);
}

function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
