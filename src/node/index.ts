/** deit-tfjs for Node: everything of `deit-tfjs`, and paths of folders, checkpoints and images. */
import './load.js';

export * as tf from '@tensorflow/tfjs-core';
export { convertByTables as convert } from '../../converters/allTables.js';
export * from '../index.js';
export { openEvalData, openTrainData } from './data/loaders.js';
export { decodeImage } from './decode.js';
export { openFileSource } from './fileSource.js';
export { writeFolder } from './folderSink.js';
export { type DownloadedModel, downloadModel } from './hub/downloadModel.js';
export { type NodeHubOptions, openHub } from './hub/openHub.js';
export type { NodeImage } from './imageInputs.js';
export { type BackendInfo, listBackends } from './listBackends.js';
export { load, type NodeLoadOptions } from './load.js';
export { openLocalFolder } from './localFolder.js';
export { openCheckpoint } from './openCheckpoint.js';
export type { OpenedModel } from './openedModel.js';
export { openModel } from './openModel.js';
export { runTraining } from './runTraining.js';
export { saveLayersModel, saveModel } from './saveLayersModel.js';
export { openTrainingEngine } from './train/engine.js';
export { openTeacher } from './train/openTeacher.js';
export type { RunHooks, RunResult } from './train/run.js';
