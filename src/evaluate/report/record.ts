import { topPredictions } from '../../models/classify.js';
import { addToBins, type CalibrationBin, emptyBins } from './calibration.js';

/** What a head, or the whole model, says of an image. */
export interface Vote {
  /** The most probable classes, most probable first. */
  readonly top: readonly { readonly index: number; readonly probability: number }[];
  /** Probability of the true class. */
  readonly truth: number;
}

/** An image whose most probable class is not the truth. */
export interface Mistake {
  readonly file: string;
  readonly label: number;
  readonly loss: number;
  /** The whole model's, then the class head's and the distillation head's where there are two. */
  readonly votes: readonly Vote[];
}

export interface ClassCount {
  images: number;
  correct1: number;
  correct5: number;
}

/** How often images of one class were taken for another. */
export interface Confusion {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
}

/** Counts of one classifier over all images. */
export interface Counts {
  images: number;
  correct1: number;
  correct5: number;
  lossSum: number;
  readonly bins: CalibrationBin[];
}

/** Mistakes that are kept, those of the highest loss. */
const MISTAKES_KEPT = 24;
const CLASSES_TOLD = 3;

/**
 * Gathers what a report shows, image by image. Its memory does not grow with the number of images, but with the
 * classes and the pairs of classes that were confused.
 */
export class EvaluationRecord {
  /** Of the whole model, then of its class head and its distillation head if it has two. */
  readonly counts: Counts[] = [];
  /** By class index. */
  readonly classes = new Map<number, ClassCount>();
  /** Images of which both heads name the same class. */
  headsAgree = 0;
  /** One line for each image that could not be read. */
  readonly failures: string[] = [];
  /** Highest loss first. */
  readonly mistakes: Mistake[] = [];
  private readonly confused = new Map<number, Map<number, number>>();

  /**
   * Adds an image.
   *
   * @param logits [classes], the whole model's
   * @param heads the two heads' logits [classes], or none
   */
  add(
    file: string,
    label: number,
    logits: ArrayLike<number>,
    heads: readonly ArrayLike<number>[] = [],
  ): void {
    const all = [logits, ...heads];
    const views = all.map((values) => viewOf(values, label));
    for (const [i, view] of views.entries()) addToCounts(this.countsOf(i), view, label);
    if (heads.length === 2 && views[1]!.index === views[2]!.index) this.headsAgree++;
    const { index, loss, rank } = views[0]!;
    this.countClass(label, rank);
    if (index === label) return;
    this.countConfusion(label, index);
    this.keep(loss, () => ({ file, label, loss, votes: all.map((values) => voteOf(values, label)) }));
  }

  /** Adds the heads' votes of a kept mistake that was added without them. */
  addVotes(place: number, heads: readonly ArrayLike<number>[]): void {
    const mistake = this.mistakes[place]!;
    const votes = heads.map((logits) => voteOf(logits, mistake.label));
    this.mistakes[place] = { ...mistake, votes: [mistake.votes[0]!, ...votes] };
  }

  /** Most frequent first, then by class index. */
  confusions(): Confusion[] {
    const list: Confusion[] = [];
    for (const [label, row] of this.confused) {
      for (const [predicted, count] of row) list.push({ label, predicted, count });
    }
    return list.sort((a, b) => b.count - a.count || a.label - b.label || a.predicted - b.predicted);
  }

  private countsOf(i: number): Counts {
    this.counts[i] ??= { images: 0, correct1: 0, correct5: 0, lossSum: 0, bins: emptyBins() };
    return this.counts[i];
  }

  private countClass(label: number, rank: number): void {
    const counts = this.classes.get(label) ?? { images: 0, correct1: 0, correct5: 0 };
    this.classes.set(label, counts);
    counts.images++;
    if (rank < 1) counts.correct1++;
    if (rank < 5) counts.correct5++;
  }

  private countConfusion(label: number, predicted: number): void {
    const row = this.confused.get(label) ?? new Map<number, number>();
    this.confused.set(label, row);
    row.set(predicted, (row.get(predicted) ?? 0) + 1);
  }

  private keep(loss: number, mistake: () => Mistake): void {
    const place = this.mistakes.findIndex((kept) => kept.loss < loss);
    if (place < 0 && this.mistakes.length === MISTAKES_KEPT) return;
    this.mistakes.splice(place < 0 ? this.mistakes.length : place, 0, mistake());
    this.mistakes.length = Math.min(this.mistakes.length, MISTAKES_KEPT);
  }
}

/** One classifier's view of one image. */
interface View {
  /** The class that it names: the most probable, of equal ones the first. */
  readonly index: number;
  /** Its probability. */
  readonly confidence: number;
  /** Cross-entropy in nats. */
  readonly loss: number;
  /** Classes that come before the true one. */
  readonly rank: number;
}

function viewOf(logits: ArrayLike<number>, label: number): View {
  const truth = logits[label]!;
  let index = 0;
  let rank = 0;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! > logits[index]!) index = i;
    if (logits[i]! > truth || (logits[i] === truth && i < label)) rank++;
  }
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - logits[index]!);
  return { index, confidence: 1 / sum, loss: Math.log(sum) + logits[index]! - truth, rank };
}

function addToCounts(counts: Counts, { index, confidence, loss, rank }: View, label: number): void {
  counts.images++;
  counts.lossSum += loss;
  if (rank < 1) counts.correct1++;
  if (rank < 5) counts.correct5++;
  addToBins(counts.bins, confidence, index === label);
}

function voteOf(logits: ArrayLike<number>, label: number): Vote {
  const all = topPredictions(logits, logits.length);
  return {
    top: all.slice(0, CLASSES_TOLD).map(({ index, probability }) => ({ index, probability })),
    truth: all.find(({ index }) => index === label)!.probability,
  };
}
