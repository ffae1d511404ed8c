import type { ModelEntry } from '../../src/families/modelEntry.js';
import { deitModels } from './deit.js';

/** Every model with a configuration of its own here, in the order in which `deit models` lists them. */
export const modelEntries: readonly ModelEntry[] = deitModels;
