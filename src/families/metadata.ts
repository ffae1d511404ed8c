import type { VitConfig } from '../families/vit/config.js';
import type { Preprocessing } from '../image/types.js';

/** What a saved model's model.json holds beside tfjs' own fields, as userDefinedMetadata.deit. */
export interface ModelMetadata {
  readonly architecture: VitConfig;
  readonly preprocessing: Preprocessing;
  readonly labels?: readonly string[];
}

/** What goes with a model's weights, so that one folder is all that a program needs. */
export function modelMetadata(model: {
  readonly config: VitConfig;
  readonly labels: readonly string[] | undefined;
  readonly preprocessing: Preprocessing;
}): ModelMetadata {
  return {
    architecture: model.config,
    preprocessing: model.preprocessing,
    ...(model.labels ? { labels: model.labels } : {}),
  };
}
