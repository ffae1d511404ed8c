/** The training engine on native TensorFlow. */
import type { StepEngine } from '../../../train/stepEngine.js';
import type { Student } from '../../../train/student.js';
import { type EngineRun, vitTraining } from '../../../train/vitEngine.js';
import { loadTfjsNode } from '../tfjsNode.js';
import { createNativeTrainingEngine, type NativeTrainingOptions } from './engine.js';

/**
 * A training engine for a student on the backend `tensorflow`.
 *
 * @throws Untrainable where it cannot train it
 */
export async function openNativeTraining(
  student: Student,
  run: EngineRun,
  options: Pick<NativeTrainingOptions, 'keptBytes'> = {},
): Promise<StepEngine> {
  return createNativeTrainingEngine({
    ...vitTraining(student, run),
    tfjsNode: (await loadTfjsNode()).tfjsNode,
    onBackend: (go) => student.onBackend(go),
    ...options,
  });
}
