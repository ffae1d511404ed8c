import type { ModelCard } from '../../src/models/card.js';
import { deitModels } from './deit.js';

/** Every model with a configuration of its own here, in the order in which `deit models` lists them. */
export const modelCards: readonly ModelCard[] = deitModels;
