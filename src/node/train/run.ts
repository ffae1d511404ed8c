import { readFile, rm } from 'node:fs/promises';
import { type WritableModel, writeLayersModel } from '../../../converters/write/layersModel.js';
import { stateDictChunks } from '../../../converters/write/stateDict.js';
import { UserError } from '../../errors.js';
import { countParameters } from '../../families/vit/flops.js';
import { sizeOf } from '../../shape.js';
import type { TrainConfig } from '../../train/config.js';
import type { Best, Position } from '../../train/snapshot.js';
import {
  type EpochRecord,
  type StepRecord,
  type TrainEnd,
  Trainer,
  type TrainHooks,
} from '../../train/trainer.js';
import { writeFileAtomically } from '../atomicFile.js';
import { writeFolder } from '../folderSink.js';
import { intactLength, JsonLinesWriter } from '../jsonLines.js';
import { importOptional } from '../optionalPackages.js';
import { readCheckpoint, writeCheckpoint } from './checkpointFile.js';
import { EventRuns } from './eventFile.js';
import type { CurvePoint } from './learningCurve.js';
import { type Prepared, prepareTraining, weightReaderOf } from './prepare.js';
import { checkRoom, openRunFolder, type RunFolder } from './runFolder.js';
import { identityOf, type RunIdentity, requireSameRun } from './runIdentity.js';

/** What the caller sees and says of a run. */
export interface RunHooks {
  onNote?(line: string): void;
  /** Called once before the first step. */
  onStart?(run: { steps: number; done: number; imagesPerStep: number }): void;
  onStep?(record: StepRecord): void;
  onEvaluate?(done: number, total: number): void;
  onEpoch?(record: EpochRecord): void;
  shouldStop?(): boolean;
}

export interface RunResult {
  readonly end: TrainEnd;
  readonly epochs: number;
  readonly steps: number;
  readonly best: Best | null;
  readonly output: string;
}

/**
 * A whole training run into an output folder, on the current backend.
 *
 * @param resume go on from the folder's checkpoint, if it has one
 */
export async function runTraining(
  config: TrainConfig,
  { resume = false, ...hooks }: RunHooks & { resume?: boolean } = {},
): Promise<RunResult> {
  const folder = await openRunFolder(config, resume);
  try {
    const prepared = await prepareTraining(config);
    try {
      return await trainInto(folder, prepared, config, hooks);
    } finally {
      await prepared.close();
    }
  } finally {
    await folder.release();
  }
}

async function trainInto(
  folder: RunFolder,
  prepared: Prepared,
  config: TrainConfig,
  hooks: RunHooks,
): Promise<RunResult> {
  for (const note of prepared.notes) hooks.onNote?.(note);
  const drawCurve = await curveDrawer(folder, hooks);
  await checkRoom(folder.path, bytesWritten(prepared, config));
  const trainer = new Trainer(prepared);
  const run = identityOf(prepared, config);
  const logs = await openLogs(folder, prepared, run, trainer, hooks).catch((error) => {
    trainer.dispose();
    throw error;
  });
  try {
    const total = trainer.stepsPerEpoch * config.schedule.epochs;
    const imagesPerStep = config.batchSize * config.accumulate;
    hooks.onStart?.({ steps: total, done: trainer.at.step, imagesPerStep });
    const end = await trainer.run(trainHooks(folder, prepared, run, logs, hooks));
    if (end === 'done') await writeModel(folder.file('last'), writable(prepared));
    if (drawCurve) await writeCurve(folder, prepared, drawCurve);
    const { epoch, step } = trainer.at;
    return { end, epochs: epoch, steps: step, best: trainer.bestSoFar, output: folder.path };
  } finally {
    trainer.dispose();
    await logs.close();
  }
}

/** Checkpoint, best and last model, each as layers model and state_dict, and a checkpoint that is being written. */
function bytesWritten({ model, student }: Prepared, config: TrainConfig): number {
  const weights = 4 * countParameters(model.config);
  const trained = student.trainable.reduce((sum, name) => {
    const shape = student.weights.get(name)!.shape as number[];
    return sum + 4 * sizeOf(shape);
  }, 0);
  const checkpoint = weights + (config.emaDecay === null ? 2 : 3) * trained;
  return 2 * checkpoint + 6 * weights;
}

/** TensorBoard's runs: equal tags of them share a chart. */
const RUNS = ['train', 'val', 'val_ema'];

interface Logs {
  readonly metrics: JsonLinesWriter;
  readonly events: EventRuns;
  close(): Promise<void>;
}

/** Restores the trainer from a checkpoint, if there is one, and opens the logs behind what it has seen. */
async function openLogs(
  folder: RunFolder,
  prepared: Prepared,
  run: RunIdentity,
  trainer: Trainer,
  hooks: RunHooks,
): Promise<Logs> {
  let metricsBytes = 0;
  if (folder.resumes) {
    const path = folder.file('checkpoint');
    const stored = await readCheckpoint(path);
    const notes = stored.run ? requireSameRun(stored.run, run, path, prepared) : [];
    requirePlace(stored.snapshot.position, trainer, prepared.config, path);
    for (const note of notes) hooks.onNote?.(note);
    trainer.restore(stored.snapshot);
    metricsBytes = await intactLength(folder.file('metrics'), stored.metricsBytes);
    if (metricsBytes < stored.metricsBytes) {
      hooks.onNote?.(
        `${folder.file('metrics')}: ${stored.metricsBytes - metricsBytes} of the ${stored.metricsBytes} bytes that the ` +
          'checkpoint counts are lost or damaged (a power cut?); what was recorded there is missing in the learning curve, ' +
          'the training itself is whole',
      );
    }
    const { step, epoch, batch } = trainer.at;
    hooks.onNote?.(`goes on after step ${step} (epoch ${epoch}, ${batch} batches of it done)`);
  } else {
    await rm(folder.file('tensorboard'), { recursive: true, force: true });
  }
  await folder.begin();
  const metrics = await JsonLinesWriter.append(folder.file('metrics'), metricsBytes);
  const events = await EventRuns.create(folder.file('tensorboard'), RUNS, trainer.at.step + 1);
  return {
    metrics,
    events,
    close: async () => {
      await metrics.close();
      await events.close();
    },
  };
}

/** Throws a UserError for a place that this run, with its data and configuration, never reaches. */
function requirePlace(position: Position, trainer: Trainer, config: Prepared['config'], path: string): void {
  const { epoch, batch, step } = position;
  const { epochs } = config.schedule;
  const inEpoch = batch / config.accumulate;
  if (epoch <= epochs && inEpoch <= trainer.stepsPerEpoch && step === epoch * trainer.stepsPerEpoch + inEpoch)
    return;
  throw new UserError(
    `${path}: is of step ${step}, epoch ${epoch}, batch ${batch}, which a run of ${epochs} epochs of ` +
      `${trainer.stepsPerEpoch} steps never reaches; the data has changed, or the file is damaged`,
  );
}

function trainHooks(
  folder: RunFolder,
  prepared: Prepared,
  run: RunIdentity,
  logs: Logs,
  hooks: RunHooks,
): TrainHooks {
  return {
    shouldStop: hooks.shouldStop,
    onEvaluate: hooks.onEvaluate,
    onStep: async (record) => {
      await logStep(logs, record);
      hooks.onStep?.(record);
    },
    onEpoch: async (record) => {
      await logEpoch(logs, record);
      hooks.onEpoch?.(record);
    },
    saveBest: () => writeModel(folder.file('best'), writable(prepared)),
    save: async (snapshot) => {
      await writeCheckpoint(folder.file('checkpoint'), snapshot, logs.metrics.bytes, run);
    },
  };
}

async function logStep({ metrics, events }: Logs, record: StepRecord): Promise<void> {
  const { step, epoch, loss, base, teacher, learningRate, gradNorm } = record;
  await metrics.write({ kind: 'step', step, epoch, loss, base, teacher, learningRate, gradNorm });
  const train = {
    loss,
    loss_labels: base,
    loss_teacher: teacher,
    learning_rate: learningRate,
    gradient_norm: gradNorm,
  };
  await events.scalars(step, { train });
}

async function logEpoch({ metrics, events }: Logs, record: EpochRecord): Promise<void> {
  const { epoch, step, trainLoss, learningRate, val, ema, best } = record;
  await metrics.write({ kind: 'epoch', epoch, step, trainLoss, learningRate, val, ema, best });
  const tagsOf = (accuracy: typeof ema) => ({
    loss: accuracy?.loss,
    epoch_loss: accuracy?.loss,
    top1: accuracy?.top1,
    top5: accuracy?.top5,
  });
  await events.scalars(step, { train: { epoch_loss: trainLoss }, val: tagsOf(val), val_ema: tagsOf(ema) });
}

function writable(prepared: Prepared): WritableModel {
  const { config, labels, preprocessing } = prepared.model;
  return { config, labels, preprocessing, readWeight: weightReaderOf(prepared) };
}

/** A model as a folder (tfjs layers model) and beside it as NAME.safetensors (facebookresearch/deit's state_dict). */
async function writeModel(folder: string, model: WritableModel): Promise<void> {
  await writeFolder(folder, (sink) => writeLayersModel(model, sink));
  await writeFileAtomically(`${folder}.safetensors`, stateDictChunks(model));
}

type CurveDrawer = (points: readonly CurvePoint[], title: string) => string;

/** Draws the learning curve; without the packages for that a run has none, and says so at its start. */
async function curveDrawer(folder: RunFolder, hooks: RunHooks): Promise<CurveDrawer | undefined> {
  try {
    const what = `the learning curve (${folder.file('curve')})`;
    const { learningCurve, openDrawing } = await import('./learningCurve.js');
    const drawing = await importOptional('drawing', what, openDrawing);
    return (points, title) => learningCurve(points, title, drawing);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    hooks.onNote?.(`${error.message}; the run goes on without it`);
    return undefined;
  }
}

async function writeCurve(folder: RunFolder, { model }: Prepared, draw: CurveDrawer): Promise<void> {
  const lines = (await readFile(folder.file('metrics'), 'utf8')).split('\n').filter(Boolean);
  const epochs = lines
    .map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === 'epoch') as EpochRecord[];
  if (epochs.length === 0) return;
  const points: CurvePoint[] = epochs.map(({ epoch, trainLoss, val, ema, learningRate, best }) => ({
    epoch,
    trainLoss,
    valLoss: val.loss,
    top1: val.top1,
    emaTop1: ema?.top1,
    learningRate,
    best,
  }));
  const svg = draw(points, model.config.name);
  await writeFileAtomically(folder.file('curve'), [new TextEncoder().encode(svg)]);
}
