import { UserError } from '../errors.js';
import { type LabelledPicture, type PicturePrediction, Scores } from '../evaluate/index.js';
import { type JsonDamage, readJsonLines } from './jsonLines.js';

/** What a predictions file says of a run that was cut off. */
export interface PredictionRecord {
  readonly scores: Scores;
  /** Bytes of whole lines. */
  readonly length: number;
  /** Number of predictions in it. */
  readonly count: number;
  /** What a power cut did to the file, in one line. */
  readonly damage?: string;
  /** The last one, if any: with it the model is checked to be the same. */
  readonly last?: { readonly index: number; readonly prediction: PicturePrediction };
}

/**
 * Reads the predictions of a run that was cut off. Throws a UserError for lines that do not belong to these pictures:
 * the folder is another one or has changed.
 */
export async function readPredictionRecord(
  path: string,
  pictures: readonly LabelledPicture[],
): Promise<PredictionRecord> {
  const places = new Map(pictures.map(({ file }, index) => [file, index]));
  const scores = new Scores(pictures.length);
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
    if (index === undefined || pictures[index].label !== prediction.label) {
      throw new UserError(
        `${place}: ${prediction.file} with class ${prediction.label} is not in the folder, which is another one or ` +
          'has changed; run without --resume to begin anew',
      );
    }
    if (scores.has(index))
      throw new UserError(`${place}: ${prediction.file} is there twice; run without --resume`);
    scores.add(index, prediction);
    last = { index, prediction };
    length = end;
    count++;
  }
  return { scores, length, count, last, damage };
}

function requirePrediction(value: unknown, place: string): PicturePrediction {
  const { file, label, top5, logits, loss } = (value ?? {}) as Partial<PicturePrediction>;
  const numbers = (list: unknown) => Array.isArray(list) && list.length > 0 && list.every(Number.isFinite);
  const whole =
    typeof file === 'string' &&
    Number.isInteger(label) &&
    numbers(top5) &&
    top5!.every(Number.isInteger) &&
    numbers(logits) &&
    logits!.length === top5!.length &&
    Number.isFinite(loss);
  if (whole) return value as PicturePrediction;
  throw new UserError(
    `${place}: expected {file, label, top5, logits, loss}; the file was not written by deit eval, or is damaged`,
  );
}

/** Differences between two logits of the same picture that kernels for different processors can make, relative. */
const SAME_MODEL = 1e-3;

/** Throws a UserError if a picture's prediction is not what the record has of it. */
export function requireSamePrediction(
  path: string,
  recorded: PicturePrediction,
  found: PicturePrediction,
): void {
  const scale = Math.max(...recorded.logits.map(Math.abs));
  const off = Math.max(
    Math.abs(recorded.loss - found.loss),
    ...recorded.logits.map((logit, i) => Math.abs(logit - found.logits[i])),
  );
  if (off <= SAME_MODEL * Math.max(1, scale)) return;
  throw new UserError(
    `${path}: says of ${found.file} logit ${recorded.logits[0]} for its first class, this run ${found.logits[0]}; ` +
      'it was made with another model or preset: run without --resume to begin anew',
  );
}
