import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseHTML } from 'linkedom';
import { addToBins, emptyBins } from '../../src/evaluate/report/calibration.js';
import {
  EvaluationRecord,
  expectedCalibrationError,
  type ReportContents,
  reportPage,
} from '../../src/evaluate/report/index.js';
import { wilsonInterval } from '../../src/evaluate/report/interval.js';

/** Made by test/fixtures/make_report.py. */
const reference = JSON.parse(readFileSync('test/fixtures/report.json', 'utf8')) as {
  labels: number[];
  heads: number[][];
  counts: { correct1: number; correct5: number; loss: number; ece: number }[];
  headsAgree: number;
  classes: [images: number, correct: number][];
  confusions: [label: number, predicted: number, count: number][];
  worst: number[];
  worstTruth: number[][];
};
const images = reference.labels.length;
const classes = reference.classes.length;

function recordOf(): EvaluationRecord {
  const record = new EvaluationRecord();
  for (const [i, label] of reference.labels.entries()) {
    const heads = reference.heads.map((head) => head.slice(i * classes, (i + 1) * classes));
    const mean = heads[0]!.map((logit, k) => (logit + heads[1]![k]!) / 2);
    record.add(`${i}.png`, label, mean, heads);
  }
  return record;
}

function pageOf(changes: Partial<ReportContents>): Document {
  const record = changes.record ?? recordOf();
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const text = reportPage(
    {
      model: 'model.pth',
      architecture: 'deit_tiny',
      folder: 'val',
      preset: 'deit',
      backend: 'wasm',
      labels: undefined,
      result: { images, top1: 80, top5: 99, loss: 0.5, failed: 0, imagesPerSecond: 10 },
      record,
      thumbnails: new Map(),
      stages: [],
      stagesOf: 0,
      made: new Date(0),
      version: '1.2.3',
      ...changes,
    },
    document,
  );
  return parseHTML(text).document;
}

test('counts, loss and calibration error of the model and of both heads are PyTorch’s', () => {
  const { counts, headsAgree } = recordOf();
  expect(headsAgree).toBe(reference.headsAgree);
  expect(counts.length).toBe(3);
  for (const [i, { correct1, correct5, loss, ece }] of reference.counts.entries()) {
    expect(counts[i]).toMatchObject({ images, correct1, correct5 });
    expect(counts[i]!.lossSum / images).toBeCloseTo(loss, 10);
    expect(expectedCalibrationError(counts[i]!.bins)).toBeCloseTo(ece, 10);
  }
});

test('classes, confused pairs and worst mistakes too', () => {
  const record = recordOf();
  const found = reference.classes.map((_, c) => [
    record.classes.get(c)!.images,
    record.classes.get(c)!.correct1,
  ]);
  expect(found).toEqual(reference.classes);
  expect(record.confusions().map(({ label, predicted, count }) => [label, predicted, count])).toEqual(
    reference.confusions,
  );
  expect(record.mistakes.map(({ file }) => file)).toEqual(reference.worst.map((i) => `${i}.png`));
  for (const [i, { votes }] of record.mistakes.entries()) {
    for (const [k, truth] of reference.worstTruth[i]!.entries())
      expect(votes[k]!.truth).toBeCloseTo(truth, 10);
  }
});

test('votes of heads that are asked later are the same', () => {
  const [place, i] = [3, reference.worst[3]!];
  const record = new EvaluationRecord();
  for (const [k, { file, label, votes }] of recordOf().mistakes.entries()) {
    const { index, probability } = votes[0]!.top[0]!;
    const logits = Array.from({ length: classes }, (_, c) =>
      c === index ? Math.log(probability) + 9 : c === label ? -k : 0,
    );
    record.add(file, label, logits);
  }
  const mistake = record.mistakes.findIndex(({ file }) => file === `${i}.png`);
  record.addVotes(
    mistake,
    reference.heads.map((head) => head.slice(i * classes, (i + 1) * classes)),
  );
  expect(record.mistakes[mistake]!.votes.slice(1)).toEqual(recordOf().mistakes[place]!.votes.slice(1));
});

test('a confidence on the edge of two bins is in the lower, 1 is in the last', () => {
  const bins = emptyBins(4);
  for (const confidence of [0.25, 0.2500001, 1, 0]) addToBins(bins, confidence, true);
  expect(bins.map((bin) => bin.images)).toEqual([2, 1, 0, 1]);
});

test('the page says what was counted', () => {
  const document = pageOf({ stages: [{ name: 'model', milliseconds: 12.345 }], stagesOf: 7 });
  const text = (selector: string) =>
    [...document.querySelectorAll(selector)].map((element) =>
      element.textContent!.replace(/\s+/g, ' ').trim(),
    );
  const [mean] = reference.counts;
  expect(text('.tiles dd')).toContain(`${(100 * mean!.ece).toFixed(2)} %`);
  expect(text('section:nth-of-type(1) tbody tr')[0]).toContain(
    `${((100 * mean!.correct1) / images).toFixed(2)} %`,
  );
  const [label, predicted, count] = reference.confusions[0]!;
  expect(text('main')[0]).toContain('12.3 ms');
  const pairs = [...document.querySelectorAll('section')].find(
    (s) => s.querySelector('h2')!.textContent === 'Most confused',
  )!;
  const cells = [...pairs.querySelectorAll('tbody tr')[0]!.querySelectorAll('td')].map(
    (td) => td.textContent,
  );
  expect(cells.slice(0, 3)).toEqual([String(label), String(predicted), String(count)]);
  expect(document.querySelectorAll('.mistakes li').length).toBe(24);
  expect(document.querySelectorAll('svg[role=img]').length).toBe(4);
});

test('names of files and classes stay text, and nothing is fetched', () => {
  const record = new EvaluationRecord();
  record.add('a"><script>alert(1)</script>.png', 0, [0, 1]);
  record.failures.push('<b>cut.jpg</b>: cannot be decoded');
  const document = pageOf({ record, model: '<i>m</i>', labels: ['<u>zero</u>', 'one & "two"'] });
  expect(document.querySelectorAll('i, b, u, link, iframe, [src^=http], [href]').length).toBe(0);
  // One script, the page's own, which the policy names by its hash; of no other would a browser run a line.
  const [script, ...others] = document.querySelectorAll('script');
  expect(others).toEqual([]);
  const hash = createHash('sha256').update(script!.textContent!).digest('base64');
  const policy = document.querySelector('meta[http-equiv]')!.getAttribute('content')!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).toMatch(/script-src 'sha256-[^']*'$/);
  expect(policy).toContain(`'sha256-${hash}'`);
  expect(document.querySelector('h1')!.textContent).toBe('<i>m</i>');
  expect(document.querySelector('.mistakes h3')!.textContent).toContain('one & "two" instead of <u>zero</u>');
  expect(document.querySelector('main')!.textContent).toContain('<b>cut.jpg</b>: cannot be decoded');
});

test('where no image was read, the page is there and says so', () => {
  const record = new EvaluationRecord();
  record.failures.push('x.png: cut');
  const result = { images: 0, top1: null, top5: null, loss: null, failed: 1, imagesPerSecond: 0 };
  const text = pageOf({ record, result }).querySelector('main')!.textContent!;
  expect(text).toContain('x.png: cut');
  expect(text).not.toContain('NaN');
});

test('intervals are those of statsmodels', () => {
  // statsmodels 0.15: proportion_confint(correct, total, method='wilson')
  const expected = [
    [4, 5, 0.3755347, 0.9637758],
    [0, 10, 0, 0.2775328],
    [10, 10, 0.7224672, 1],
    [797, 1000, 0.7709551, 0.8207718],
  ] as const;
  for (const [correct, total, low, high] of expected) {
    const found = wilsonInterval(correct, total);
    expect(found[0]).toBeCloseTo(low, 6);
    expect(found[1]).toBeCloseTo(high, 6);
  }
  expect(wilsonInterval(0, 0)).toEqual([0, 1]);
});

/** The section of that title. */
function section(document: Document, title: string): Element {
  return [...document.querySelectorAll('section')].find(
    (each) => each.querySelector('h2')!.textContent === title,
  )!;
}

/** A record in which every prediction is right, with about this confidence. */
function rightRecord(confidence: number, labels: readonly number[]): EvaluationRecord {
  const record = new EvaluationRecord();
  const odds = Math.log(confidence / (1 - confidence));
  for (const [i, label] of labels.entries())
    record.add(`${i}.png`, label, label === 0 ? [odds, 0] : [0, odds]);
  return record;
}

test('a model that is less sure than right is not drawn as a perfect one', () => {
  const diagram = (confidence: number) => {
    const labels = Array.from({ length: 20 }, (_, i) => i % 2);
    const [figure] = section(
      pageOf({ record: rightRecord(confidence, labels) }),
      'Calibration',
    ).querySelectorAll('figure');
    const bar = figure!.querySelector('rect[fill="var(--bar)"], g[fill="var(--bar)"] rect')!;
    const lines = [...figure!.querySelectorAll('line')].filter(
      (line) => (line.getAttribute('stroke') ?? line.parentElement!.getAttribute('stroke')) === 'var(--gap)',
    );
    const drop = Math.max(
      ...lines.map((line) => Math.abs(Number(line.getAttribute('y1')) - Number(line.getAttribute('y2')))),
    );
    return {
      bar: Number(bar.getAttribute('height')),
      gap: drop,
      width: Number(lines[0]!.parentElement!.getAttribute('stroke-width')),
    };
  };
  const [unsure, sure] = [diagram(0.6), diagram(0.97)];
  // The bar of an accuracy of 1 is as high in both, and the gap of the unsure one is a thin line before it.
  expect(unsure.bar).toBeCloseTo(sure.bar, 6);
  expect(unsure.gap).toBeGreaterThan(5 * sure.gap);
  expect(unsure.width).toBeLessThan(6);
  const legend = section(pageOf({}), 'Calibration')
    .querySelector('.legend')!
    .textContent!.replace(/\s+/g, ' ');
  expect(legend).toBe('accuracyits 95 % intervalmean confidence, and the gap to it');
});

test('where a class has one image there is a table and no chart of its accuracy', () => {
  const one = section(pageOf({ record: rightRecord(0.9, [0, 1]) }), 'Accuracy by class');
  expect(one.textContent).toContain('too few images to a class');
  expect(one.querySelectorAll('figure').length).toBe(1); // the confusion matrix
  expect(one.querySelectorAll('tbody tr').length).toBe(2);
});

test('what the model looked at stands beside each mistake', () => {
  const record = recordOf();
  const { file } = record.mistakes[0]!;
  const url = 'data:image/png;base64,AA==';
  const both = new Map([[file, url]]);
  const document = pageOf({ record, thumbnails: both, attention: both, attentionOf: 'the attention of it' });
  expect(document.querySelectorAll('.mistakes li')[0]!.querySelectorAll('img').length).toBe(2);
  expect(section(document, 'Worst mistakes').textContent).toContain('beside it, the attention of it');
});
