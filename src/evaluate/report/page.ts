import type { EvaluationResult } from '../evaluate.js';
import { expectedCalibrationError } from './calibration.js';
import { filterHash, filterScript } from './filter.js';
import { html, Markup } from './html.js';
import { wilsonInterval } from './interval.js';
import {
  type ClassAccuracy,
  classBars,
  classHistogram,
  confidenceHistogram,
  confusionMatrix,
  type PlotDocument,
  reliabilityDiagram,
  shortLabel,
} from './plots.js';
import type { Counts, EvaluationRecord, Mistake, Vote } from './record.js';
import { style } from './style.js';

/** Time that an image takes in one stage. */
export interface Stage {
  readonly name: string;
  readonly milliseconds: number;
}

/** What a report tells of. */
export interface ReportContents {
  /** The model as it was named, and its architecture's name. */
  readonly model: string;
  readonly architecture: string;
  readonly folder: string;
  readonly preset: string;
  /** What computed, one line. */
  readonly backend: string;
  readonly labels: readonly string[] | undefined;
  readonly result: EvaluationResult;
  readonly record: EvaluationRecord;
  /** Images of the record's mistakes as data: URLs, by file. */
  readonly thumbnails: ReadonlyMap<string, string>;
  /** The same with what the model looked at over them, by file; and what that is, in words. */
  readonly attention?: ReadonlyMap<string, string>;
  readonly attentionOf?: string;
  /** Read one after another, one image at a time. */
  readonly stages: readonly Stage[];
  /** Images of which `stages` is the median. */
  readonly stagesOf: number;
  readonly made: Date;
  /** Release of this program. */
  readonly version: string;
}

/** Up to this many classes each has a bar of its own, and the confusion matrix is drawn. */
const FEW_CLASSES = 20;
const CONFUSIONS_TOLD = 20;
const FAILURES_TOLD = 100;
const VOTERS = ['mean', 'class head', 'distillation head'];
const CLASSIFIERS = ['mean of both heads', 'class head', 'distillation head'];

/**
 * A report of an evaluation: one page that needs nothing beside it.
 *
 * @param document makes the elements of the plots (linkedom's, or a browser's)
 */
export function reportPage(contents: ReportContents, document: PlotDocument): string {
  const { model, folder, record } = contents;
  const name = (index: number) => contents.labels?.[index] ?? String(index);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '${filterHash()}'">
<title>${model} on ${folder}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<header>
<h1>${model}</h1>
<p class="soft">${heading(contents)}</p>
</header>
<main>
${tiles(contents)}
${record.counts.length > 1 ? headsSection(record) : undefined}
${record.counts.length > 0 ? calibrationSection(record, document) : undefined}
${record.classes.size > 0 ? classSection(record, name, document) : undefined}
${confusionSection(record, name)}
${mistakeSection(contents, name)}
${stageSection(contents)}
${failureSection(record)}
</main>
<footer>Made by deit-tfjs ${contents.version} on ${contents.made.toISOString().slice(0, 16).replace('T', ' ')} UTC.</footer>
<script>${new Markup(filterScript)}</script>
</body>
</html>
`.text;
}

function heading({ architecture, folder, preset, backend }: ReportContents): string {
  return `${architecture} on ${folder}; preset ${preset}; ${backend}`;
}

const figure = (value: number | null, digits: number) =>
  value === null || Number.isNaN(value) ? '–' : value.toFixed(digits);
const percent = (share: number, digits = 1) => `${figure(100 * share, digits)} %`;

function tiles({ result, record }: ReportContents): Markup {
  const { images, top1, top5, loss, failed, imagesPerSecond } = result;
  const ece = record.counts[0] ? expectedCalibrationError(record.counts[0].bins) : null;
  const tile = (title: string, value: string, unit = '') =>
    html`<div><dt>${title}</dt><dd>${value}<small>${unit && ` ${unit}`}</small></dd></div>`;
  const counts = record.counts[0];
  const interval = (correct: number) => {
    const [low, high] = wilsonInterval(correct, counts!.images);
    return html`<dd class="interval">${figure(100 * low, 2)}–${figure(100 * high, 2)} %</dd>`;
  };
  const share = (title: string, value: number | null, correct: number | undefined) =>
    html`<div><dt>${title}</dt><dd>${figure(value, 2)}<small> %</small></dd>${counts && counts.images > 0 ? interval(correct!) : undefined}</div>`;
  return html`<dl class="tiles">
${share('top-1', top1, counts?.correct1)}
${share('top-5', top5, counts?.correct5)}
${tile('loss', figure(loss, 4), 'nats')}
${tile('calibration error', figure(ece && 100 * ece, 2), '%')}
${tile(failed > 0 ? `images, ${failed} not read` : 'images', images.toLocaleString('en'))}
${tile('speed', figure(imagesPerSecond, 1), 'images/s')}
</dl>
<p class="soft">Below the accuracies: 95 % confidence intervals (Wilson).</p>`;
}

function headsSection({ counts, headsAgree }: EvaluationRecord): Markup {
  const row = (count: Counts, i: number) => html`<tr><th scope="row">${CLASSIFIERS[i]}</th>
<td class="n">${percent(count.correct1 / count.images, 2)}</td><td class="n">${percent(count.correct5 / count.images, 2)}</td>
<td class="n">${figure(count.lossSum / count.images, 4)}</td><td class="n">${percent(expectedCalibrationError(count.bins), 2)}</td></tr>`;
  return html`<section><h2>The two heads</h2>
<p class="soft">Both heads name the same class for ${percent(headsAgree / counts[0]!.images)} of the images. The
model's answer is the mean of their logits.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Both heads"><table><thead><tr><th></th><th class="n">top-1</th><th class="n">top-5</th><th class="n">loss</th>
<th class="n">calibration error</th></tr></thead><tbody>${counts.map(row)}</tbody></table></div></section>`;
}

function calibrationSection({ counts }: EvaluationRecord, document: PlotDocument): Markup {
  const { bins } = counts[0]!;
  const row = ({ from, to, images, correct, confidenceSum }: Counts['bins'][number]) =>
    html`<tr><td>${from.toFixed(3)}–${to.toFixed(3)}</td><td class="n">${images}</td>
<td class="n">${images ? percent(correct / images) : '–'}</td><td class="n">${images ? percent(confidenceSum / images) : '–'}</td></tr>`;
  return html`<section><h2>Calibration</h2>
<p class="soft">The expected calibration error is ${percent(expectedCalibrationError(bins), 2)}: the mean distance
between confidence and accuracy over ${bins.length} bins of equal width (Guo et al. 2017).</p>
<div class="pair">
<figure class="card"><figcaption>Accuracy of the images in each bin of confidence. Below the dashed line the model is
surer than it is right, above it less sure.</figcaption>
<p class="legend"><span><span class="key bar"></span>accuracy</span><span><span class="key line"></span>its 95 %
interval</span><span><span class="key mark"></span>mean confidence, and the gap to it</span></p>${reliabilityDiagram(document, bins)}</figure>
<figure class="card"><figcaption>How many images are in each bin.</figcaption>${confidenceHistogram(document, bins)}
<details><summary>The bins as a table</summary><table><thead><tr><th>confidence</th><th class="n">images</th>
<th class="n">accuracy</th><th class="n">mean confidence</th></tr></thead><tbody>${bins.map(row)}</tbody></table></details></figure>
</div></section>`;
}

/** With fewer images to a class than this its accuracy says nothing by itself: there is a table, and no chart. */
const LEAST_PER_CLASS = 5;

function classSection(
  record: EvaluationRecord,
  name: (index: number) => string,
  document: PlotDocument,
): Markup {
  const rows = [...record.classes].map(([index, { images, correct1, correct5 }]) => {
    const [low, high] = wilsonInterval(correct1, images).map((end) => 100 * end) as [number, number];
    const accuracy = (100 * correct1) / images;
    return { index, label: name(index), images, accuracy, low, high, top5: (100 * correct5) / images };
  });
  const byAccuracy = rows.toSorted(
    (a, b) => a.accuracy - b.accuracy || b.images - a.images || a.index - b.index,
  );
  const row = ({ label, images, accuracy, low, high, top5 }: (typeof rows)[number]) =>
    html`<tr><td>${label}</td><td class="n">${images}</td><td class="n">${figure(accuracy, 1)} %</td><td class="n">${figure(low, 1)}–${figure(high, 1)} %</td><td class="n">${figure(top5, 1)} %</td></tr>`;
  const few = rows.length <= FEW_CLASSES;
  const enough = median(rows.map(({ images }) => images)) >= LEAST_PER_CLASS;
  const charts = enough
    ? html`${few ? undefined : histogram(rows, document)}${bars(byAccuracy, document)}`
    : html`<p class="soft">There are too few images to a class for a chart of their accuracies.</p>`;
  return html`<section><h2>Accuracy by class</h2>
<div class="pair">${charts}${few ? matrix(record, name, document) : undefined}</div>
<details><summary>All ${rows.length} classes as a table, hardest first</summary>${filterOf('classes', 'Class')}<div id="classes" class="scroll" tabindex="0" role="region" aria-label="Classes"><table><thead><tr><th>class</th>
<th class="n">images</th><th class="n">top-1</th><th class="n">95 % interval</th><th class="n">top-5</th></tr></thead><tbody>${byAccuracy.map(row)}</tbody></table></div></details></section>`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** A field that filters the rows of an element; there where scripts run. */
function filterOf(id: string, what: string): Markup {
  return html`<p class="filter" hidden><label>${what} <input type="search" data-filters="${id}" placeholder="filter"></label> <span role="status"></span></p>`;
}

function histogram(classes: readonly ClassAccuracy[], document: PlotDocument): Markup {
  return html`<figure class="card"><figcaption>How many classes reach which accuracy.</figcaption>${classHistogram(document, classes)}</figure>`;
}

/** @param classes hardest first */
function bars(classes: readonly ClassAccuracy[], document: PlotDocument): Markup {
  const all = classes.length <= FEW_CLASSES;
  const caption = all ? 'Every class, hardest first.' : `The ${FEW_CLASSES} hardest classes.`;
  return html`<figure class="card"><figcaption>${caption}</figcaption>${classBars(document, classes.slice(0, FEW_CLASSES), caption)}</figure>`;
}

function matrix(
  record: EvaluationRecord,
  name: (index: number) => string,
  document: PlotDocument,
): Markup | undefined {
  const confusions = record.confusions();
  const present = new Set([...record.classes.keys(), ...confusions.map(({ predicted }) => predicted)]);
  if (present.size > FEW_CLASSES) return undefined;
  const order = [...present].sort((a, b) => a - b);
  const right = [...record.classes].map(([label, { correct1 }]) => ({
    label,
    predicted: label,
    count: correct1,
  }));
  const cells = [...right, ...confusions].map(({ label, predicted, count }) => ({
    label: order.indexOf(label),
    predicted: order.indexOf(predicted),
    count,
    share: count / record.classes.get(label)!.images,
  }));
  return html`<figure class="card"><figcaption>Confusion matrix: a row is a true class.</figcaption>${confusionMatrix(document, order.map(name), cells)}</figure>`;
}

function confusionSection(record: EvaluationRecord, name: (index: number) => string): Markup | undefined {
  const confusions = record.confusions();
  if (confusions.length === 0) return undefined;
  const row = ({ label, predicted, count }: (typeof confusions)[number]) =>
    html`<tr><td>${shortLabel(name(label), 40)}</td><td>${shortLabel(name(predicted), 40)}</td><td class="n">${count}</td>
<td class="n">${percent(count / record.classes.get(label)!.images)}</td></tr>`;
  return html`<section><h2>Most confused</h2>
<p class="soft">${confusions.length} pairs of classes are confused${confusions.length > CONFUSIONS_TOLD ? `; the ${CONFUSIONS_TOLD} most frequent:` : ':'}</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Confused pairs"><table><thead><tr><th>truth</th><th>taken for</th><th class="n">images</th>
<th class="n">of the true class</th></tr></thead><tbody>${confusions.slice(0, CONFUSIONS_TOLD).map(row)}</tbody></table></div></section>`;
}

function mistakeSection(
  { record, thumbnails, attention, attentionOf }: ReportContents,
  name: (index: number) => string,
): Markup | undefined {
  if (record.mistakes.length === 0) return undefined;
  const item = (mistake: Mistake) => {
    const thumbnail = thumbnails.get(mistake.file);
    const looked = attention?.get(mistake.file);
    const images = [thumbnail, looked].filter((url) => url !== undefined);
    return html`<li class="card"><div class="images">${images.map((url) => html`<img src="${url}" alt="" width="112" height="112">`)}</div>
<div><h3>${shortLabel(name(mistake.votes[0]!.top[0]!.index), 40)} <span class="soft">instead of</span> ${shortLabel(name(mistake.label), 40)}</h3>
<p class="file">${mistake.file}, loss ${figure(mistake.loss, 2)}</p>${votes(mistake, name)}</div></li>`;
  };
  return html`<section><h2>Worst mistakes</h2>
<p class="soft">Wrong answers with the highest loss: where the model gave the truth the least probability. An image is
shown as the model sees it, cropped${attentionOf ? `; beside it, ${attentionOf}` : ''}.</p>
${filterOf('mistakes', 'File or class')}
<ol id="mistakes" class="mistakes">${record.mistakes.map(item)}</ol></section>`;
}

/** What each head names and how sure it is; of a model with one head, its three most probable classes. */
function votes({ votes: all, label }: Mistake, name: (index: number) => string): Markup {
  const kind = (index: number) => (index === label ? 'right' : 'wrong');
  if (all.length === 1) {
    const { top, truth } = all[0]!;
    const row = ({ index, probability }: Vote['top'][number]) =>
      html`<dt class="n">${percent(probability)}</dt><dd class="${kind(index)} wide">${shortLabel(name(index))}</dd>`;
    const tail = html`<dt class="n">${percent(truth)}</dt><dd class="soft wide">the truth</dd>`;
    return html`<dl class="votes">${top.map(row)}${top.some(({ index }) => index === label) ? undefined : tail}</dl>`;
  }
  const row = ({ top, truth }: Vote, i: number) => {
    const { index, probability } = top[0]!;
    return html`<dt>${VOTERS[i]}</dt><dd class="${kind(index)}">${shortLabel(name(index))} <span class="n">${percent(probability)}</span></dd><dd class="soft n">truth ${percent(truth)}</dd>`;
  };
  return html`<dl class="votes">${all.map(row)}</dl>`;
}

function stageSection({ stages, stagesOf, result, backend }: ReportContents): Markup | undefined {
  if (stages.length === 0) return undefined;
  const total = stages.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const row = ({ name, milliseconds }: Stage, i: number) =>
    html`<tr><th scope="row"><span class="swatch stage${i}"></span>${name}</th><td class="n">${figure(milliseconds, 1)} ms</td><td class="n">${percent(milliseconds / total, 0)}</td></tr>`;
  return html`<section><h2>Time per stage</h2>
<p class="soft">One image after another in one thread, nothing beside it; the median of ${stagesOf} images. The
evaluation itself ran at ${figure(result.imagesPerSecond, 1)} images/s (${backend}).</p>
<div class="card"><div class="stages" aria-hidden="true">${stages.map(({ milliseconds }, i) => html`<span class="stage${i}" style="flex:${milliseconds}"></span>`)}</div>
<table><tbody>${stages.map(row)}</tbody></table></div></section>`;
}

function failureSection({ failures }: EvaluationRecord): Markup | undefined {
  if (failures.length === 0) return undefined;
  return html`<section><h2>Not read</h2>
<p class="soft">These images are in no figure above.</p>
<ul>${failures.slice(0, FAILURES_TOLD).map((line) => html`<li>${line}</li>`)}</ul>
${failures.length > FAILURES_TOLD ? html`<p>and ${failures.length - FAILURES_TOLD} more</p>` : undefined}</section>`;
}
