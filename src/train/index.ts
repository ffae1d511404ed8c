/** Training a student, under a teacher or without one. Runs in Node and in the browser. */
export { DEFAULT_CONFIG, type PartialConfig, type TrainConfig } from './config.js';
export { headAnswers } from './headAnswers.js';
export { headFeatures } from './headFeatures.js';
export { type Distillation, distillationLoss, softTargetCrossEntropy } from './loss.js';
export { resolveTrainConfig } from './resolveConfig.js';
export type { Best, Position, Snapshot } from './snapshot.js';
export { freshWeights, type Start, startFrom } from './startModel.js';
export type { StepEngine as TrainingEngine } from './stepEngine.js';
export { type Student, studentOf, studentOfLayersModel } from './student.js';
export {
  fitTeacher,
  type Graph,
  type Teacher,
  teacherOfGraphModel,
  teacherOfLayersModel,
  teacherOfModel,
} from './teacher.js';
export {
  type EpochAccuracy,
  type EpochRecord,
  type StepRecord,
  type TrainEnd,
  Trainer,
  type TrainHooks,
  type TrainSetup,
} from './trainer.js';
export type { HeadExamples, HeadTrainingOptions, HeadWeights } from './trainHead.js';
export { trainHead } from './trainOwnHead.js';
