/** Facts of the open_clip_config.json that open_clip writes beside the weights of a model around one of timm's. */
import { UserError } from '../../src/errors.js';
import type { VitConfig } from '../../src/families/vit/config.js';
import { timmPreprocessing } from '../../src/image/timm.js';
import type { Fact, Facts } from '../facts.js';
import { nameFacts } from '../metadata/trainingArguments.js';
import { orByPreset } from '../orByPreset.js';
import { defined, type FieldReader, type Fields, fieldReader, shown } from './fields.js';

/** What open_clip has where its file says nothing (constants.py, transform.py). */
const DEFAULTS = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  interpolation: 'bicubic',
};

/** Its names of what timm calls a crop mode; `longest` fills with black. */
const MODES: Readonly<Record<string, string>> = { shortest: 'center', squash: 'squash' };

/** timm's poolings, as open_clip passes them on; by default the mean. */
const POOLS: Readonly<Record<string, NonNullable<VitConfig['pool']>>> = {
  avg: 'mean',
  token: 'token',
  map: 'map',
};

/**
 * The trunk's architecture by its name in timm, its pooling, and how images are prepared. A tower of open_clip's own has
 * other tensors, which say so themselves.
 *
 * @throws UserError for a trunk, a pooling or a resize that is not computed here
 */
export function openClipFacts(config: Fields, file: string, skipPreprocessing = false): Facts {
  const root = fieldReader(config, file);
  const vision = root.object('model_cfg')?.object('vision_cfg');
  const name = vision?.text('timm_model_name');
  if (!vision || name === undefined) return { config: {} };
  const source = vision.at('timm_model_name');
  const named = nameFacts(name, source);
  if (!named) throw new UserError(`${source} is ${shown(name)}, which is not known here`);
  const imgSize = vision.size('image_size') ?? [224, 224];
  const preprocessing = skipPreprocessing ? undefined : preprocessingFact(root, imgSize);
  return defined({
    ...named,
    library: { value: 'timm' as const, source },
    config: {
      ...named.config,
      ...poolFact(vision),
      imgSize: { value: imgSize, source: vision.at('image_size') },
    },
    preprocessing,
  });
}

function poolFact(vision: FieldReader): Facts['config'] {
  const pool = vision.text('timm_pool') ?? 'avg';
  const at = vision.at('timm_pool');
  // Nothing is pooled: what the trunk does by itself.
  if (pool === '') return {};
  if (Object.hasOwn(POOLS, pool)) return { pool: { value: POOLS[pool]!, source: at } };
  throw new UserError(`${at} is ${shown(pool)}; expected one of ${Object.keys(POOLS).join(', ')}`);
}

function preprocessingFact(
  root: FieldReader,
  imgSize: readonly [number, number],
): Fact<ReturnType<typeof timmPreprocessing>> {
  const own = root.object('preprocess_cfg') ?? fieldReader({}, root.at('preprocess_cfg'));
  const mode = own.text('resize_mode') ?? 'shortest';
  return {
    source: own.where,
    value: orByPreset(() => {
      if (!Object.hasOwn(MODES, mode)) {
        throw new UserError(`${own.at('resize_mode')} is ${shown(mode)}; expected shortest or squash`);
      }
      const fields = { ...DEFAULTS, ...own.fields, crop_pct: 1, crop_mode: MODES[mode] };
      return { ...timmPreprocessing(fields, own.where, imgSize), preset: own.where };
    }),
  };
}
