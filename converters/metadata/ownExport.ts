/** What this package writes of images and classes beside the weights that it exports, and reads again. */
import { UserError } from '../../src/errors.js';
import { checkPreprocessing } from '../../src/image/checkPreprocessing.js';
import type { Preprocessing } from '../../src/image/types.js';
import type { Facts } from '../facts.js';
import type { CheckpointMetadata } from '../formats/types.js';

const PREPROCESSING = 'deit.preprocessing';
/** Older than the other key: written since exports have class names. */
const LABELS = 'labels';

/** What an export holds beside its tensors and labels. */
export function exportedTexts({
  preprocessing,
}: {
  readonly preprocessing: Preprocessing;
}): Record<string, string> {
  return { [PREPROCESSING]: JSON.stringify(preprocessing) };
}

/** The facts of those texts. Throws a UserError if they were damaged. */
export function exportedFacts(metadata: CheckpointMetadata): Pick<Facts, 'preprocessing' | 'labels'> {
  const { [PREPROCESSING]: preprocessing, [LABELS]: labels } = metadata;
  const names = typeof labels === 'string' ? labelsOf(labels) : undefined;
  return {
    ...(typeof preprocessing === 'string' && {
      preprocessing: {
        value: checkPreprocessing(parse(preprocessing, PREPROCESSING), 'metadata'),
        source: PREPROCESSING,
      },
    }),
    ...(names && { labels: { value: names, source: LABELS } }),
  };
}

/** The names of classes; other programs may have another text by this name. */
function labelsOf(text: string): readonly string[] | undefined {
  try {
    const labels: unknown = JSON.parse(text);
    return Array.isArray(labels) && labels.every((label) => typeof label === 'string') ? labels : undefined;
  } catch {
    return undefined;
  }
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
