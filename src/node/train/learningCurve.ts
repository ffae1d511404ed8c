import type * as Plot from '@observablehq/plot';
import type * as Linkedom from 'linkedom';
import { importPackage } from '../optionalPackages.js';

/** The optional packages that draw. */
export interface Drawing {
  readonly plots: typeof Plot;
  readonly parseHTML: typeof Linkedom.parseHTML;
}

/** @throws where one of them is not installed */
export async function openDrawing(): Promise<Drawing> {
  const plots = await importPackage<typeof Plot>('@observablehq/plot');
  const { parseHTML } = await importPackage<typeof Linkedom>('linkedom');
  return { plots, parseHTML };
}

/** An epoch, as metrics.jsonl has it. */
export interface CurvePoint {
  /** Counted from 0. */
  readonly epoch: number;
  readonly trainLoss: number;
  readonly valLoss: number;
  readonly top1: number;
  readonly emaTop1?: number;
  /** Of the epoch's last step. */
  readonly learningRate?: number;
  /** Whether no epoch before was better. */
  readonly best?: boolean;
}

const WIDTH = 720;
const HEAD = 44;
const FOOT = 8;
/** Longest title that fits at its size. */
const TITLE_LENGTH = 70;

type Line = 'training' | 'validation' | 'weights' | 'running mean' | 'learning rate';

/** The SVG's own colours; they follow the reader's choice of light or dark. */
const STYLE = `
svg { --page: #ffffff; --ink: #1d1b22; --soft: #5f5a68; --training: #3b5fc0; --validation: #b3471d; --mean: #2a7d4f; --rate: #6d4bb8; }
@media (prefers-color-scheme: dark) {
  svg { --page: #141218; --ink: #ece9f1; --soft: #a9a3b5; --training: #8fa9f5; --validation: #f0884f; --mean: #6cc79b; --rate: #a78bf0; }
}`;
const COLORS: Record<Line, string> = {
  training: 'var(--training)',
  validation: 'var(--validation)',
  weights: 'var(--validation)',
  'running mean': 'var(--mean)',
  'learning rate': 'var(--rate)',
};

interface PanelPoint {
  readonly epoch: number;
  readonly value: number;
  readonly line: Line;
}

interface Panel {
  readonly label: string;
  readonly height: number;
  readonly points: readonly PanelPoint[];
}

/** Learning curves as an SVG image over the epochs: losses, validation top-1, learning rate; the best epoch is marked. */
export function learningCurve(points: readonly CurvePoint[], title: string, drawing: Drawing): string {
  const panels = panelsOf(points).filter((panel) => panel.points.length > 0);
  const best = points.filter((point) => point.best).at(-1);
  let top = HEAD;
  const drawn = panels.map((panel, i) => {
    const group = `<g transform="translate(0 ${top})">${draw(drawing, panel, best, i === panels.length - 1)}</g>`;
    top += panel.height;
    return group;
  });
  const height = top + FOOT;
  const name = shorten(title);
  const subtitle = best
    ? `best epoch ${best.epoch + 1} of ${points.length}: top-1 ${bestOf(best).toFixed(2)} %`
    : `${points.length} epochs`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="11" role="img" aria-label="${escapeXml(`${title}, ${subtitle}`)}">` +
    `<title>${escapeXml(`Learning curve of ${title}`)}</title><style>${STYLE}</style>` +
    `<rect width="100%" height="100%" fill="var(--page)"/>` +
    `<text x="10" y="19" font-size="14" font-weight="600" fill="var(--ink)">${escapeXml(name)}</text>` +
    `<text x="10" y="36" fill="var(--soft)">${escapeXml(subtitle)}</text>` +
    `<g color="var(--ink)">${drawn.join('')}</g></svg>\n`
  );
}

const bestOf = ({ top1, emaTop1 }: CurvePoint) => Math.max(top1, emaTop1 ?? top1);

function panelsOf(points: readonly CurvePoint[]): Panel[] {
  const line = (name: Line, value: (point: CurvePoint) => number | undefined) =>
    points.flatMap((point): PanelPoint[] => {
      const y = value(point);
      return y === undefined ? [] : [{ epoch: point.epoch + 1, value: y, line: name }];
    });
  return [
    {
      label: 'loss, nats',
      height: 220,
      points: [...line('training', (p) => p.trainLoss), ...line('validation', (p) => p.valLoss)],
    },
    {
      label: 'validation top-1, %',
      height: 220,
      points: [...line('weights', (p) => p.top1), ...line('running mean', (p) => p.emaTop1)],
    },
    { label: 'learning rate', height: 130, points: line('learning rate', (p) => p.learningRate) },
  ];
}

/** @param isLast whether the epochs are named below it */
function draw(
  { plots, parseHTML }: Drawing,
  { points, label, height }: Panel,
  best: CurvePoint | undefined,
  isLast: boolean,
): string {
  const { document } = parseHTML('<html></html>');
  const lines = [...new Set(points.map(({ line }) => line))];
  const epochs = points.map(({ epoch }) => epoch);
  const [first, end] = [Math.min(...epochs), Math.max(...epochs)];
  const last = points.filter(({ epoch }) => epoch === end).sort((a, b) => b.value - a.value);
  const plot = plots.plot({
    document: document as unknown as Plot.PlotOptions['document'],
    width: WIDTH,
    height,
    marginLeft: 60,
    marginRight: 96,
    marginBottom: isLast ? 34 : 22,
    marginTop: 24,
    x: {
      label: isLast ? 'epoch' : null,
      labelArrow: 'none',
      domain: [first, Math.max(end, first + 1)],
      ticks: wholeTicks(first, end),
      tickFormat: (epoch: number) => String(epoch),
    },
    y: { label, labelArrow: 'none', grid: true, nice: true, ticks: height < 160 ? 3 : 5 },
    color: { domain: lines, range: lines.map((line) => COLORS[line]) },
    marks: [
      ...(best ? [plots.ruleX([best.epoch + 1], { stroke: 'var(--soft)', strokeDasharray: '3 3' })] : []),
      plots.lineY(points, { x: 'epoch', y: 'value', z: 'line', stroke: 'line' }),
      plots.dot(points.length > 60 ? [] : points, { x: 'epoch', y: 'value', fill: 'line', r: 2 }),
      ...last.map((point, i) =>
        plots.text([point], {
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
  // Plot puts its styles into the image, for a class that all panels would share; nothing here needs them.
  return plot.outerHTML.replace(/<style>[\s\S]*?<\/style>/g, '');
}

/** At most this many numbers stand under a panel. */
const MAX_TICKS = 12;

/** Epochs are whole: so are their ticks, `first` among them. */
function wholeTicks(first: number, end: number): number[] {
  const step = Math.max(1, Math.ceil((end - first + 1) / MAX_TICKS));
  return Array.from({ length: Math.floor((end - first) / step) + 1 }, (_, i) => first + i * step);
}

function shorten(title: string): string {
  return title.length > TITLE_LENGTH ? `${title.slice(0, TITLE_LENGTH - 1)}…` : title;
}

function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
