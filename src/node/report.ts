import { basename, join } from 'node:path';
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
import { attentionMap, attentionStack, modelCrop, overlay } from '../explain/index.js';
import { preprocess } from '../image/index.js';
import type { Preprocessing, RgbImage } from '../image/types.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { writeFileAtomically } from './atomicFile.js';
import { checkOutput } from './checkOutput.js';
import type { FileDataset } from './data/fileDataset.js';
import { decodeImage } from './decode.js';
import { loadSharp } from './sharp.js';
import { packageVersion } from './version.js';

/** Side of a thumbnail in pixels: twice that on the page, for dense screens. */
const THUMBNAIL_SIDE = 224;

/** Images that the stages are timed on. */
const TIMED_IMAGES = 15;

/** An evaluation of which there will be a report. */
export interface EvaluationReport {
  /** What the report tells; the evaluation adds each image to it. */
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
  readonly folder: FileDataset;
  readonly preprocessing: Preprocessing;
  readonly summary: EvaluationResult & { readonly backend: string };
}

/** Begins a report. Throws a UserError where it could not be written: better before a long evaluation than after. */
export async function startReport(path: string): Promise<EvaluationReport> {
  await checkOutput(path);
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
  const times = await timeImages(model, folder, preprocessing);
  const contents: ReportContents = {
    model: basename(name),
    architecture: model.config.name,
    folder: folder.root,
    preset: preprocessing.preset,
    backend: summary.backend,
    labels: model.labels,
    result: summary,
    record,
    ...(await imagesOf(record.mistakes, model, folder, preprocessing)),
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
  { root }: FileDataset,
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

type MistakeImages = Pick<ReportContents, 'thumbnails' | 'attention' | 'attentionOf'>;

/** The images of mistakes, and what the model looked at in each. */
async function imagesOf(
  mistakes: readonly Mistake[],
  model: VisionTransformer,
  folder: FileDataset,
  preprocessing: Preprocessing,
): Promise<MistakeImages> {
  const thumbnails = new Map<string, string>();
  const attention = new Map<string, string>();
  const token = model.config.classToken === false ? 'mean' : 'cls';
  for (const { file } of mistakes) {
    const image = await decodeImage(join(folder.root, file));
    const seen = modelCrop(image, preprocessing);
    thumbnails.set(file, await jpegUrl(seen));
    const x = asBatch(preprocess(image, preprocessing), preprocessing);
    try {
      const map = attentionMap(await attentionStack(model, x), { token });
      attention.set(file, await jpegUrl(overlay(await enlarged(seen), map)));
    } finally {
      x.dispose();
    }
  }
  const whose = token === 'cls' ? 'the class token' : 'the patches';
  return {
    thumbnails,
    attention,
    attentionOf: `the attention of ${whose} in the last layer, mean of the heads`,
  };
}

async function jpegUrl({ data, width, height }: RgbImage): Promise<string> {
  const jpeg = await (await loadSharp())(data, { raw: { width, height, channels: 3 } })
    .resize(THUMBNAIL_SIDE, THUMBNAIL_SIDE, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: 80 })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}

/** At least as large as a thumbnail: colours over a few pixels would be squares. */
async function enlarged({ data, width, height }: RgbImage): Promise<RgbImage> {
  if (Math.max(width, height) >= THUMBNAIL_SIDE) return { data, width, height };
  const scaled = await (await loadSharp())(data, { raw: { width, height, channels: 3 } })
    .resize(THUMBNAIL_SIDE, THUMBNAIL_SIDE, { fit: 'inside', kernel: 'nearest' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: scaled.data, width: scaled.info.width, height: scaled.info.height };
}

/** Milliseconds of one image in each of STAGES. */
type ImageTimes = readonly number[];

const STAGES = ['read and decode', 'resize, crop, normalise', 'model'];

/** Times images spread evenly over the folder, one after another; those that cannot be read are left out. */
async function timeImages(
  model: VisionTransformer,
  { length, describe }: FileDataset,
  preprocessing: Preprocessing,
): Promise<ImageTimes[]> {
  const count = Math.min(TIMED_IMAGES, length);
  const times: ImageTimes[] = [];
  for (let i = 0; i < count; i++) {
    const path = describe(Math.floor((i * length) / count));
    const time = () => timeImage(model, path, preprocessing);
    try {
      if (times.length === 0) await time(); // the first run prepares the weights
      times.push(await time());
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return times;
}

async function timeImage(
  model: VisionTransformer,
  path: string,
  preprocessing: Preprocessing,
): Promise<ImageTimes> {
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

function medians(times: readonly ImageTimes[]): Stage[] {
  if (times.length === 0) return [];
  return STAGES.map((name, stage) => {
    const sorted = times.map((time) => time[stage]!).sort((a, b) => a - b);
    return { name, milliseconds: sorted[Math.floor(sorted.length / 2)]! };
  });
}
