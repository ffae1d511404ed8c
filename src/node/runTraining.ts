import { checkArguments } from '../checkArguments.js';
import type { TrainConfig } from '../train/config.js';
import { resolveTrainConfig } from '../train/resolveConfig.js';
import type { RunHooks, RunResult } from './train/run.js';

/**
 * A whole training run into an output folder, on the current backend. What trains is loaded with the first call.
 *
 * @param options `resume`: go on from the folder's checkpoint, if it has one
 */
export async function runTraining(
  config: TrainConfig,
  options: RunHooks & { resume?: boolean } = {},
): Promise<RunResult> {
  checkArguments('runTraining', { config: ['fields', config], options: ['fields', options] });
  const { runTraining: run } = await import('./train/run.js');
  return run(resolveTrainConfig(config), options);
}
