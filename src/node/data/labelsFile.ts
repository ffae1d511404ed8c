import { UserError } from '../../errors.js';
import { type Classes, classIndexReader } from '../../evaluate/classIndices.js';
import { nearest, shorten } from '../../text.js';
import { readLines } from '../readLines.js';
import { isImageName } from './imageFiles.js';

/** An image with its class. */
export interface LabelledFile {
  /** Path below the folder, with forward slashes. */
  readonly file: string;
  /** Class index. */
  readonly label: number;
}

/** A labels file's images, and how it was read. */
export interface LabelledFiles {
  readonly images: readonly LabelledFile[];
  /** The form of the file, for messages. */
  readonly form: string;
}

/** A line's file and class, as they stand there. */
interface Entry {
  readonly line: number;
  readonly file: string;
  readonly name: string;
}

interface Line {
  readonly number: number;
  readonly text: string;
}

/**
 * Reads the classes of images in one folder. Forms:
 *
 * - `FILE CLASS` a line, separated by spaces, a tab, a comma or a semicolon; a file's ending may be left out;
 * - CSV with quotes, and with a header of known words in its first line;
 * - Kaggle's LOC_val_solution.csv: `ImageId,PredictionString`, the class before each box;
 * - a class a line, for the images in the order of their names, as many lines as images: synsets, labels or class
 *   indices from 0. ILSVRC2012_validation_ground_truth.txt is refused: its numbers count from 1 in the development kit's
 *   own order, which is not the order of a model's classes.
 *
 * CLASS is a label of the model, a synset (of ImageNet-1k's) or a class index.
 *
 * @param images the image files that there are, with forward slashes, in code-point order
 * @throws UserError naming the line
 */
export async function readLabelsFile(
  path: string,
  images: readonly string[],
  classes: Classes,
): Promise<LabelledFiles> {
  const lines = (await readLines(path))
    .map((text, i) => ({ number: i + 1, text: text.trim() }))
    .filter(({ text }) => text !== '');
  if (lines.length === 0) throw new UserError(`${path}: is empty; expected "FILE CLASS" lines`);
  if (isKaggle(lines[0]!)) return kaggle(path, lines.slice(1), images, classes);
  return classOnly(path, lines, images, classes) ?? fileAndClass(path, lines, images, classes);
}

function fileAndClass(
  path: string,
  lines: readonly Line[],
  images: readonly string[],
  classes: Classes,
): LabelledFiles {
  const found = finder(images);
  const classOf = classIndexReader(classes);
  const rest = isHeader(lines[0]!.text, found) ? lines.slice(1) : lines;
  const entries = rest.map(({ number, text }): Entry => {
    const [file, name] = splitLine(text, found, classOf) ?? [];
    if (file !== undefined && name !== undefined) return { line: number, file, name };
    throw wrongLine(path, number, text, classes);
  });
  return { images: labelled(path, entries, found, classes), form: '"FILE CLASS" lines' };
}

function wrongLine(path: string, number: number, text: string, { numClasses, labels }: Classes): UserError {
  const near = nearest(text.split(/[\s,;]+/).at(-1)!, labels ?? []);
  const hint = near.length > 0 ? ` (near: ${near.map((name) => `"${name}"`).join(', ')})` : '';
  return new UserError(
    `${path}:${number}: expected "FILE CLASS" with one of ${numClasses} classes by index, synset or label, ` +
      `found "${shorten(text)}"${hint}`,
  );
}

function labelled(path: string, entries: readonly Entry[], found: Finder, classes: Classes): LabelledFile[] {
  const classOf = classIndexReader(classes);
  const lineOf = new Map<string, number>();
  return entries.map(({ line, file: given, name }) => {
    const file = found(given) ?? given;
    const label = classOf(name);
    if (label === undefined) throw wrongLine(path, line, `${given} ${name}`, classes);
    const before = lineOf.get(file);
    if (before !== undefined) {
      throw new UserError(`${path}:${line}: ${shorten(file)} is there twice, in line ${before} too`);
    }
    lineOf.set(file, line);
    return { file, label };
  });
}

/** The image that a name means: itself, or the only one with an ending behind it. */
type Finder = (name: string) => string | undefined;

function finder(images: readonly string[]): Finder {
  const exact = new Set(images);
  const byStem = new Map<string, string | undefined>();
  for (const image of images) {
    const stem = image.replace(/\.[^./]+$/, '');
    byStem.set(stem, byStem.has(stem) ? undefined : image);
  }
  return (given) => {
    const name = given.replaceAll('\\', '/').replace(/^\.\//, '');
    return exact.has(name) ? name : byStem.get(name);
  };
}

const SEPARATOR = /[\s,;]+/g;

/**
 * A line's file and class. Either may have spaces in it: of the places where the line can be cut, the first counts that
 * leaves an image that is there and a class of the model, then one whose file is named as an image.
 */
function splitLine(
  text: string,
  found: Finder,
  classOf: (name: string) => number | undefined,
): [string, string] | undefined {
  const fields = text.includes('"') ? csvFields(text) : undefined;
  if (fields && fields.length >= 2) return [fields[0]!, fields[1]!];
  const cuts = [...text.matchAll(SEPARATOR)].map(({ 0: separator, index }): [string, string] => [
    text.slice(0, index),
    text.slice(index + separator.length),
  ]);
  const usable = cuts.filter(([file, name]) => file !== '' && classOf(name) !== undefined);
  return (
    usable.find(([file]) => found(file) !== undefined) ??
    usable.find(([file]) => isImageName(file)) ??
    (cuts.length === 1 ? usable[0] : undefined)
  );
}

/** The fields of a line of CSV (RFC 4180): in quotes a comma is a letter, and two quotes are one. */
function csvFields(text: string): string[] {
  const fields = [...text.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"|([^,]*))/g)];
  return fields.map(([, quoted, plain]) =>
    quoted === undefined ? plain!.trim() : quoted.replaceAll('""', '"'),
  );
}

/** Words that a header's first field has in files in circulation. */
const HEADER = /^"?(?:file|file_?name|path|image|image_?id|image_?name|img|id|name)"?\s*[,;\t ]/i;

function isHeader(text: string, found: Finder): boolean {
  const first = text.split(/[,;\t ]/)[0]!;
  return HEADER.test(text) && found(first) === undefined && !isImageName(first);
}

const isKaggle = ({ text }: Line) => /^ImageId\s*,\s*PredictionString$/i.test(text);

/** Rows `ImageId,"n03995372 85 1 499 272 …"`: a class and a box's corners, again and again. */
function kaggle(
  path: string,
  lines: readonly Line[],
  images: readonly string[],
  classes: Classes,
): LabelledFiles {
  const found = finder(images);
  const entries = lines.map(({ number, text }): Entry => {
    const [file, boxes] = csvFields(text);
    const words = boxes?.split(/\s+/).filter((word) => word !== '') ?? [];
    const names = new Set(words.filter((_, i) => i % 5 === 0));
    if (!file || words.length === 0 || words.length % 5 !== 0 || names.size !== 1) {
      throw new UserError(
        `${path}:${number}: expected ImageId,PredictionString with boxes of one class, found "${shorten(text)}"`,
      );
    }
    return { line: number, file, name: [...names][0]! };
  });
  return { images: labelled(path, entries, found, classes), form: "Kaggle's LOC_val_solution" };
}

/** A class a line, or undefined if the lines are not that. */
function classOnly(
  path: string,
  lines: readonly Line[],
  images: readonly string[],
  classes: Classes,
): LabelledFiles | undefined {
  const texts = lines.map(({ text }) => text);
  if (texts.every((text) => /^\d+$/.test(text))) requireFromZero(path, texts, classes);
  const classOf = classIndexReader(classes);
  const indices = texts.map(classOf);
  const unknown = indices.indexOf(undefined);
  // A line that names a file does not belong to a list of classes; a line of one word is an unknown class.
  if (unknown >= 0 && (lines.length !== images.length || texts.some((text) => /\S[\s,;]+\S/.test(text)))) {
    return undefined;
  }
  if (unknown >= 0) throw wrongLine(path, lines[unknown]!.number, texts[unknown]!, classes);
  if (lines.length !== images.length) {
    throw new UserError(
      `${path}: has ${lines.length} classes, one a line, for ${images.length} images; ` +
        'there must be as many, in the order of the images’ names; or write "FILE CLASS" lines',
    );
  }
  const labelled = images.map((file, i) => ({ file, label: indices[i]! }));
  return { images: labelled, form: 'a class a line, for the images in the order of their names' };
}

/** Numbers without a file can be class indices, from 0, or ILSVRC's ids, from 1 in an order of their own. */
function requireFromZero(path: string, texts: readonly string[], { numClasses }: Classes): void {
  const numbers = texts.map(Number);
  if (numbers.includes(0) && numbers.every((number) => number < numClasses)) return;
  throw new UserError(
    `${path}: its lines are whole numbers that can be ILSVRC's ids (ILSVRC2012_validation_ground_truth.txt: from 1, in the ` +
      "order of the development kit's meta.mat, which is not the order of the model's classes) or class indices; write " +
      'synsets, or "FILE CLASS" lines with class indices from 0',
  );
}
