import * as Plot from '@observablehq/plot';
import type { CalibrationBin } from './calibration.js';
import { Markup } from './html.js';
import { wilsonInterval } from './interval.js';

/** The DOM's Document that plots are drawn in, linkedom's in Node. */
export type PlotDocument = Plot.PlotOptions['document'];

/** Draws a plot as SVG; colours are the page's own (style.ts), so that it follows light and dark. */
function draw(document: PlotDocument, label: string, options: Plot.PlotOptions): Markup {
  const svg = Plot.plot({
    document,
    ariaLabel: label,
    style: { background: 'none', fontSize: '12px', fontFamily: 'inherit' },
    ...options,
  });
  // The image has one name; its parts may have none.
  for (const part of svg.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label');
  svg.setAttribute('role', 'img');
  return new Markup(svg.outerHTML);
}

/**
 * Reliability diagram (arXiv 1706.04599, figure 1): a bar is the accuracy of a bin with its 95 % interval, a mark across it
 * the mean confidence, and a line between both the gap, whichever of them is higher.
 */
export function reliabilityDiagram(document: PlotDocument, bins: readonly CalibrationBin[]): Markup {
  const filled = bins
    .filter(({ images }) => images > 0)
    .map((bin) => {
      const [low, high] = wilsonInterval(bin.correct, bin.images);
      const accuracy = bin.correct / bin.images;
      const [width, middle] = [bin.to - bin.from, (bin.from + bin.to) / 2];
      // The interval stands beside the gap, not under it.
      const places = { gapAt: middle - width / 6, intervalAt: middle + width / 6 };
      return { ...bin, ...places, low, high, accuracy, confidence: bin.confidenceSum / bin.images };
    });
  const sides = { x1: 'from', x2: 'to', insetLeft: 1, insetRight: 1 };
  const diagonal = [
    [0, 0],
    [1, 1],
  ];
  return draw(document, 'Reliability diagram: accuracy over confidence', {
    width: 460,
    height: 400,
    marginLeft: 48,
    marginBottom: 42,
    x: { domain: [0, 1], label: 'confidence', labelAnchor: 'center', labelArrow: 'none' },
    y: { domain: [0, 1], label: 'accuracy', grid: true, labelArrow: 'none' },
    marks: [
      Plot.rectY(filled, { ...sides, y: 'accuracy', fill: 'var(--bar)', title: binTitle }),
      Plot.line(diagonal, { stroke: 'currentColor', strokeDasharray: '4 4', strokeOpacity: 0.6 }),
      Plot.ruleX(filled, {
        x: 'intervalAt',
        y1: 'low',
        y2: 'high',
        stroke: 'currentColor',
        strokeWidth: 1.5,
      }),
      Plot.ruleX(filled, {
        x: 'gapAt',
        y1: 'accuracy',
        y2: 'confidence',
        stroke: 'var(--gap)',
        strokeWidth: 4,
      }),
      Plot.ruleY(filled, { x1: 'from', x2: 'to', y: 'confidence', stroke: 'var(--gap)', strokeWidth: 3 }),
      Plot.ruleY([0]),
    ],
  });
}

/** Share of images over their confidence, in the bins of the reliability diagram. */
export function confidenceHistogram(document: PlotDocument, bins: readonly CalibrationBin[]): Markup {
  const images = bins.reduce((sum, bin) => sum + bin.images, 0);
  const shares = bins.map((bin) => ({ ...bin, share: (100 * bin.images) / images }));
  return draw(document, 'Histogram of confidence', {
    width: 460,
    height: 160,
    marginLeft: 48,
    marginBottom: 42,
    x: { domain: [0, 1], label: 'confidence', labelAnchor: 'center', labelArrow: 'none' },
    y: { label: '% of images', grid: true, ticks: 4, labelArrow: 'none' },
    marks: [
      Plot.rectY(shares, {
        x1: 'from',
        x2: 'to',
        insetLeft: 1,
        insetRight: 1,
        y: 'share',
        fill: 'var(--bar)',
      }),
      Plot.ruleY([0]),
    ],
  });
}

function binTitle({ from, to, images, correct, confidenceSum }: CalibrationBin): string {
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  return (
    `confidence ${percent(from)} to ${percent(to)}: ${images} images, ` +
    `accuracy ${percent(correct / images)}, mean confidence ${percent(confidenceSum / images)}`
  );
}

/** A class with its accuracy and its 95 % interval, in percent. */
export interface ClassAccuracy {
  readonly label: string;
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
  readonly images: number;
}

/** One bar a class, in the order given. */
export function classBars(document: PlotDocument, classes: readonly ClassAccuracy[], title: string): Markup {
  // Plot takes equal names for one class.
  const rows = classes.map((row, i) => ({ ...row, place: i }));
  const longest = Math.max(...rows.map(({ label }) => shortLabel(label).length));
  return draw(document, title, {
    width: 460,
    height: 50 + 22 * rows.length,
    marginLeft: 20 + 6.6 * longest,
    marginRight: 44,
    marginTop: 8,
    marginBottom: 42,
    x: { domain: [0, 100], label: 'top-1, %', labelAnchor: 'center', labelArrow: 'none', grid: true },
    y: { type: 'band', label: null, tickFormat: (i: number) => shortLabel(rows[i]!.label), tickSize: 0 },
    marks: [
      Plot.barX(rows, {
        x: 'accuracy',
        y: 'place',
        fill: 'var(--bar)',
        title: ({ label, accuracy, images }) => `${label}: ${accuracy.toFixed(1)} % of ${images}`,
      }),
      Plot.ruleY(rows, { x1: 'low', x2: 'high', y: 'place', stroke: 'currentColor', strokeWidth: 1.5 }),
      Plot.text(rows, {
        x: 'high',
        y: 'place',
        text: ({ accuracy }) => accuracy.toFixed(accuracy === 100 ? 0 : 1),
        textAnchor: 'start',
        dx: 4,
      }),
    ],
  });
}

/** Bars of the histogram of classes: each 5 % wide, the last with 100 % in it. */
const CLASS_BINS = 20;

/** How many classes reach which accuracy. */
export function classHistogram(document: PlotDocument, classes: readonly ClassAccuracy[]): Markup {
  const width = 100 / CLASS_BINS;
  const bins = Array.from({ length: CLASS_BINS }, (_, i) => ({
    from: width * i,
    to: width * (i + 1),
    count: 0,
  }));
  for (const { accuracy } of classes) bins[Math.min(CLASS_BINS - 1, Math.floor(accuracy / width))]!.count++;
  return draw(document, 'Histogram of the accuracy of classes', {
    width: 460,
    height: 260,
    marginLeft: 48,
    marginBottom: 42,
    x: { domain: [0, 100], label: 'top-1 of a class, %', labelAnchor: 'center', labelArrow: 'none' },
    y: { label: 'classes', grid: true, labelArrow: 'none' },
    marks: [
      Plot.rectY(bins, {
        x1: 'from',
        x2: 'to',
        insetLeft: 1,
        insetRight: 1,
        y: 'count',
        fill: 'var(--bar)',
        title: ({ from, to, count }) => `${from} to ${to} %: ${count} classes`,
      }),
      Plot.ruleY([0]),
    ],
  });
}

/** Confusion matrix of a model with few classes: rows are the truth, a row adds up to 1. */
export function confusionMatrix(
  document: PlotDocument,
  labels: readonly string[],
  cells: readonly { label: number; predicted: number; count: number; share: number }[],
): Markup {
  const names = { tickFormat: (i: number) => shortLabel(labels[i]!, 12), domain: labels.map((_, i) => i) };
  const side = Math.max(24, Math.min(44, Math.floor(440 / labels.length)));
  return draw(document, 'Confusion matrix', {
    width: 130 + side * labels.length,
    height: 70 + side * labels.length,
    marginLeft: 100,
    marginTop: 40,
    x: { ...names, type: 'band', axis: 'top', label: 'taken for', labelArrow: 'none', tickSize: 0 },
    y: { ...names, type: 'band', label: 'truth', labelArrow: 'none', tickSize: 0 },
    marks: [
      Plot.cell(cells, {
        x: 'predicted',
        y: 'label',
        inset: 1,
        fill: ({ label, predicted }) => (label === predicted ? 'var(--bar)' : 'var(--gap)'),
        fillOpacity: ({ share }) => 0.12 + 0.43 * Math.sqrt(share),
        title: ({ label, predicted, count }) => `${labels[label]} taken for ${labels[predicted]}: ${count}`,
      }),
      Plot.text(cells, { x: 'predicted', y: 'label', text: 'count' }),
    ],
  });
}

/** The first name of an ImageNet class, cut where it is long. */
export function shortLabel(label: string, length = 28): string {
  const [first] = label.split(',');
  return first!.length > length ? `${first!.slice(0, length - 1)}…` : first!;
}
