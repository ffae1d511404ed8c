import { access, constants, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { parseHTML } from 'linkedom';
import { UserError } from '../errors.js';
import type { EvaluationResult } from '../evaluate/index.js';
import {
  EvaluationRecord,
  type Mistake,
  type ReportContents,
  reportPage,
  type Stage,
} from '../evaluate/report/index.js';
import { seenPart } from '../explain/index.js';
import { preprocess } from '../image/index.js';
import type { Preprocessing } from '../image/types.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { writeFileAtomically } from './atomicFile.js';
import { decodeImage } from './decode.js';
import { asUserError } from './fileErrors.js';
import { loadSharp } from './sharp.js';
import type { ValFolder } from './valFolder.js';
import { packageVersion } from './version.js';

/** Side of a thumbnail in pixels: twice that on the page, for dense screens. */
const THUMBNAIL_SIDE = 224;

/** Pictures that the stages are timed on. */
const TIMED_PICTURES = 15;

/** An evaluation of which there will be a report. */
export interface EvaluationReport {
  /** What the report tells; the evaluation adds each picture to it. */
  readonly record: EvaluationRecord;
  /** Writes the page, whole or not at all. Throws a UserError if it cannot be written. */
  write(evaluated: Evaluated): Promise<void>;
}

/** A finished evaluation. */
export interface Evaluated {
  /** The model as the user named it. */
  readonly name: string;
  /** Times its stages; the evaluation may have been run by others like it. */
  readonly model: VisionTransformer;
  readonly folder: ValFolder;
  readonly preprocessing: Preprocessing;
  readonly summary: EvaluationResult & { readonly backend: string };
}

/** Begins a report. Throws a UserError where it could not be written: better before a long evaluation than after. */
export async function startReport(path: string): Promise<EvaluationReport> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    throw new UserError(`${path}: is a folder; a report needs the name of an HTML file`);
  }
  const parent = await stat(dirname(path)).catch(() => undefined);
  if (parent && !parent.isDirectory()) {
    throw new UserError(`${path}: ${dirname(path)} is a file and not a folder; choose another place`);
  }
  await access(dirname(path), constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw asUserError(error, path); // a folder that is not there will be made
  });
  const record = new EvaluationRecord();
  return {
    record,
    write: async (evaluated) =>
      writeFileAtomically(path, [new TextEncoder().encode(await pageOf(record, evaluated))]),
  };
}

async function pageOf(record: EvaluationRecord, evaluated: Evaluated): Promise<string> {
  const { name, model, folder, preprocessing, summary } = evaluated;
  await addVotes(record, model, folder, preprocessing);
  const times = await timePictures(model, folder, preprocessing);
  const contents: ReportContents = {
    model: basename(name),
    architecture: model.config.name,
    folder: folder.root,
    preset: preprocessing.preset,
    backend: summary.backend,
    labels: model.labels,
    result: summary,
    record,
    thumbnails: await thumbnailsOf(record.mistakes, folder, preprocessing),
    stages: medians(times),
    stagesOf: times.length,
    made: new Date(),
    version: packageVersion(),
  };
  return reportPage(contents, parseHTML('<!doctype html><html><body></body></html>').document);
}

/** Asks for both heads' votes where the evaluation gave the mean alone, as one through a queue does. */
async function addVotes(
  record: EvaluationRecord,
  model: VisionTransformer,
  { root }: ValFolder,
  preprocessing: Preprocessing,
): Promise<void> {
  const predictHeads = model.predictHeads?.bind(model);
  if (!predictHeads) return;
  for (const [place, { file, votes }] of record.mistakes.entries()) {
    if (votes.length > 1) continue;
    const pixels = preprocess(await decodeImage(join(root, file)), preprocessing);
    const heads = tf.tidy(() => predictHeads(asBatch(pixels, preprocessing)));
    record.addVotes(place, await Promise.all(heads.map((logits) => logits.data())));
    tf.dispose(heads);
  }
}

function asBatch(pixels: Float32Array, { crop: [height, width] }: Preprocessing): tf.Tensor4D {
  return tf.tensor4d(pixels, [1, height, width, 3]);
}

async function thumbnailsOf(
  mistakes: readonly Mistake[],
  folder: ValFolder,
  preprocessing: Preprocessing,
): Promise<Map<string, string>> {
  const thumbnails = new Map<string, string>();
  for (const { file } of mistakes) {
    const { data, width, height } = seenPart(await decodeImage(join(folder.root, file)), preprocessing);
    const jpeg = await (await loadSharp())(data, { raw: { width, height, channels: 3 } })
      .resize(THUMBNAIL_SIDE, THUMBNAIL_SIDE, { fit: 'inside', withoutEnlargement: true })
      .jpeg({ quality: 80 })
      .toBuffer();
    thumbnails.set(file, `data:image/jpeg;base64,${jpeg.toString('base64')}`);
  }
  return thumbnails;
}

/** Milliseconds of one picture in each of STAGES. */
type PictureTimes = readonly number[];

const STAGES = ['read and decode', 'resize, crop, normalise', 'model'];

/** Times pictures spread evenly over the folder, one after another; those that cannot be read are left out. */
async function timePictures(
  model: VisionTransformer,
  { root, pictures }: ValFolder,
  preprocessing: Preprocessing,
): Promise<PictureTimes[]> {
  const count = Math.min(TIMED_PICTURES, pictures.length);
  const times: PictureTimes[] = [];
  for (let i = 0; i < count; i++) {
    const { file } = pictures[Math.floor((i * pictures.length) / count)]!;
    const time = () => timePicture(model, join(root, file), preprocessing);
    try {
      if (times.length === 0) await time(); // the first run prepares the weights
      times.push(await time());
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return times;
}

async function timePicture(
  model: VisionTransformer,
  path: string,
  preprocessing: Preprocessing,
): Promise<PictureTimes> {
  const start = performance.now();
  const image = await decodeImage(path);
  const decoded = performance.now();
  const pixels = preprocess(image, preprocessing);
  const prepared = performance.now();
  const logits = tf.tidy(() => model.predict(asBatch(pixels, preprocessing)));
  await logits.data();
  logits.dispose();
  return [decoded - start, prepared - decoded, performance.now() - prepared];
}

function medians(times: readonly PictureTimes[]): Stage[] {
  if (times.length === 0) return [];
  return STAGES.map((name, stage) => {
    const sorted = times.map((time) => time[stage]!).sort((a, b) => a - b);
    return { name, milliseconds: sorted[Math.floor(sorted.length / 2)]! };
  });
}
