import { UserError } from '../errors.js';
import { type ImagePrediction, Metrics } from '../evaluate/index.js';
import type { FileDataset } from './data/fileDataset.js';
import { type JsonDamage, readJsonLines } from './jsonLines.js';

/** A line of a predictions file. */
export interface PredictionLine extends ImagePrediction {
  /** Path below the val folder, with forward slashes. */
  file: string;
}

/** What a predictions file says of a run that was cut off. */
export interface PredictionRecord {
  readonly metrics: Metrics;
  /** Bytes of whole lines. */
  readonly length: number;
  /** Number of predictions in it. */
  readonly count: number;
  /** What a power cut did to the file, in one line. */
  readonly damage?: string;
  /** The last one, if any: with it the model is checked to be the same. */
  readonly last?: { readonly index: number; readonly prediction: PredictionLine };
}

/**
 * Reads the predictions of a run that was cut off. Throws a UserError for lines that do not belong to these images:
 * the folder is another one or has changed.
 */
export async function readPredictionRecord(
  path: string,
  { files, labels, length: images }: FileDataset,
): Promise<PredictionRecord> {
  const places = new Map(files.map((file, index) => [file, index]));
  const metrics = new Metrics(images);
  let length = 0;
  let count = 0;
  let last: PredictionRecord['last'];
  let damage: string | undefined;
  const onDamage = ({ number, end }: JsonDamage) => {
    damage = `${path}:${number}: zero bytes, as a power cut leaves them; the file is cut there, after ${end} bytes`;
  };
  for await (const { value, number, end } of readJsonLines(path, onDamage)) {
    const place = `${path}:${number}`;
    const prediction = requirePrediction(value, place);
    const index = places.get(prediction.file);
    if (index === undefined || labels[index] !== prediction.label) {
      throw new UserError(
        `${place}: ${prediction.file} with class ${prediction.label} is not in the folder, which is another one or ` +
          'has changed; run without --resume to begin anew',
      );
    }
    if (metrics.has(index))
      throw new UserError(`${place}: ${prediction.file} is there twice; run without --resume`);
    metrics.add(index, prediction);
    last = { index, prediction };
    length = end;
    count++;
  }
  return { metrics, length, count, last, damage };
}

function requirePrediction(value: unknown, place: string): PredictionLine {
  const { file, label, top5, logits, loss } = (value ?? {}) as Partial<PredictionLine>;
  const numbers = (list: unknown) => Array.isArray(list) && list.length > 0 && list.every(Number.isFinite);
  const whole =
    typeof file === 'string' &&
    Number.isInteger(label) &&
    numbers(top5) &&
    top5!.every(Number.isInteger) &&
    numbers(logits) &&
    logits!.length === top5!.length &&
    Number.isFinite(loss);
  if (whole) return value as PredictionLine;
  throw new UserError(
    `${place}: expected {file, label, top5, logits, loss}; the file was not written by deit eval, or is damaged`,
  );
}

/** Differences between two logits of the same image that kernels for different processors can make, relative. */
const SAME_MODEL = 1e-3;

/** Throws a UserError if an image's prediction is not what the record has of it. */
export function requireSamePrediction(path: string, recorded: PredictionLine, found: ImagePrediction): void {
  const scale = Math.max(...recorded.logits.map(Math.abs));
  const off = Math.max(
    Math.abs(recorded.loss - found.loss),
    ...recorded.logits.map((logit, i) => Math.abs(logit - (found.logits[i] ?? Number.POSITIVE_INFINITY))),
  );
  if (off <= SAME_MODEL * Math.max(1, scale)) return;
  throw new UserError(
    `${path}: says of ${recorded.file} logit ${recorded.logits[0]} for its first class, this run ${found.logits[0]}; ` +
      'it was made with another model or preset: run without --resume to begin anew',
  );
}
