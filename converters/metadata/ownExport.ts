/** What this package writes of images and classes beside the weights that it exports, and reads again. */
import { UserError } from '../../src/errors.js';
import { checkPreprocessing } from '../../src/image/checkPreprocessing.js';
import type { Preprocessing } from '../../src/image/types.js';
import type { Facts } from '../facts.js';
import type { CheckpointMetadata } from '../formats/types.js';

const PREPROCESSING = 'deit.preprocessing';
const LABELS = 'deit.labels';

/** The texts that an export holds beside its tensors. */
export function exportedTexts(model: {
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | undefined;
}): Record<string, string> {
  const { preprocessing, labels } = model;
  return {
    [PREPROCESSING]: JSON.stringify(preprocessing),
    ...(labels && { [LABELS]: JSON.stringify(labels) }),
  };
}

/** The facts of those texts. Throws a UserError if they were damaged. */
export function exportedFacts(metadata: CheckpointMetadata): Pick<Facts, 'preprocessing' | 'labels'> {
  const { [PREPROCESSING]: preprocessing, [LABELS]: labels } = metadata;
  return {
    ...(typeof preprocessing === 'string' && {
      preprocessing: {
        value: checkPreprocessing(parse(preprocessing, PREPROCESSING), 'metadata'),
        source: PREPROCESSING,
      },
    }),
    ...(typeof labels === 'string' && { labels: { value: labelsOf(labels), source: LABELS } }),
  };
}

function labelsOf(text: string): readonly string[] {
  const labels = parse(text, LABELS);
  if (Array.isArray(labels) && labels.every((label) => typeof label === 'string')) return labels;
  throw damaged(LABELS);
}

function parse(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(key);
  }
}

function damaged(key: string): UserError {
  return new UserError(`${key} in the file's metadata is damaged; export the model again`);
}
