/** Facts of the arguments that training scripts keep beside the weights: timm's, and facebookresearch's. */
import { UserError } from '../../src/errors.js';
import { type Fields, shown } from '../../src/image/checkPreprocessing.js';
import { timmPreprocessing } from '../../src/image/timm.js';
import type { Assumption, Facts } from '../facts.js';
import { fieldReader } from '../folders/fields.js';
import { modelArguments } from '../folders/timm.js';
import { architectureFactsOf, namedModel } from '../namedFacts.js';
import { orByPreset } from '../orByPreset.js';
import { refusedByName, timmArchitecture, timmPretrained } from '../timmModels.js';
import type { Entries } from './entries.js';
import {
  type EvaluationFacts,
  facebookEvaluation,
  normalizationOf,
  torchvisionEvaluation,
} from './evaluationArguments.js';
import { timmPool } from './modelParameters.js';

/** What the caller tells in place of what the file says. */
export interface MetadataOptions {
  /** Name of the model. */
  readonly model?: string;
  /** Whether another preprocessing was chosen, so that the file's need not be read. */
  readonly skipPreprocessing?: boolean;
}

/** Facts of `args` with a model's name: of timm's, torchvision's, DeiT's and MAE's scripts, and of people's own. */
export async function argumentFacts(
  entries: Entries,
  options: MetadataOptions = {},
): Promise<Facts | undefined> {
  const model = entries.text('args.model');
  if (model === undefined) return undefined;
  const refused = refusedByName(model);
  if (refused)
    throw new UserError(`args.model is ${shown(model)}, which ${refused}: it is not computed here`);
  if (isFacebook(entries)) return facebookFacts(entries, model, options);
  if (entries.has('args.val_crop_size')) return torchvisionFacts(entries, model, options);
  return timmTrainFacts(entries, model, options);
}

/** The scripts of facebookresearch and their descendants keep both; timm's input_size has three numbers. */
function isFacebook(entries: Entries): boolean {
  return entries.has('args.nb_classes') && entries.list('args.input_size')?.length === 1;
}

/** Facts of a model's name alone; undefined if no table has it. */
export function nameFacts(name: string, source: string): Facts | undefined {
  const refused = refusedByName(name);
  if (refused) throw new UserError(`${source} is ${shown(name)}, which ${refused}: it is not computed here`);
  const model = namedModel(name);
  if (!model) return undefined;
  const facts = architectureFactsOf(model, source);
  // Others pool the tokens of such a model in another way; then its tensors tell.
  if (facts.config.pool?.value !== 'token') return facts;
  const { pool: _, ...config } = facts.config;
  return { ...facts, config };
}

/** What timm's script, and hardly another, keeps together. */
const TIMM_TRANSFORM = ['mean', 'std', 'crop_pct', 'interpolation', 'img_size'] as const;

async function timmTrainFacts(
  entries: Entries,
  model: string,
  { skipPreprocessing }: MetadataOptions,
): Promise<Facts> {
  const named = nameFacts(model, 'args.model');
  // timm's script keeps all of its arguments, those that were not given as None.
  const isTimm = TIMM_TRANSFORM.every((name) => entries.has(`args.${name}`));
  const gp = entries.text('args.gp');
  const pool = gp === undefined ? undefined : timmPool(gp);
  const given = entries.fields('args.model_kwargs');
  const config = {
    ...named?.config,
    ...(given && modelArguments(fieldReader(given, 'args.model_kwargs'))),
    ...(pool && { pool: { value: pool, source: 'args.gp' } }),
  } as Facts['config'];
  const base = { name: { value: model, source: 'args.model' }, ...named, config };
  if (!isTimm) {
    const normalization = skipPreprocessing ? undefined : normalizationOf(entries, 'args');
    return { ...base, ...(normalization && { normalization }) };
  }
  const library = { value: 'timm' as const, source: 'args' };
  return { ...base, library, ...(skipPreprocessing ? {} : await timmTransform(entries, model)) };
}

/** resolve_data_config: what was given, then what timm's table has for the model. */
async function timmTransform(entries: Entries, model: string): Promise<EvaluationFacts> {
  const pretrained = await timmPretrained(model);
  const given: Record<string, unknown> = {};
  for (const name of ['mean', 'std', 'input_size']) {
    const list = entries.list(`args.${name}`);
    if (list) given[name] = list;
  }
  for (const name of ['crop_pct', 'img_size']) given[name] = entries.number(`args.${name}`);
  if (given.img_size === undefined && given.input_size === undefined) {
    const sides = entries.list('args.model_kwargs.img_size');
    if (sides) given.input_size = [3, sides[0], sides.at(-1)];
  }
  for (const name of ['crop_mode', 'interpolation']) given[name] = entries.text(`args.${name}`);
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (!pretrained && Object.keys(chosen).length === 0) return {};
  const config: Fields = { ...tableConfig(pretrained?.config, chosen), ...chosen };
  const value = orByPreset(() => ({ ...timmPreprocessing(config, 'args'), preset: 'args' }));
  const assumptions = pretrained ? [] : untoldOfModel(model, chosen);
  return { preprocessing: { value, source: 'args' }, ...(assumptions.length > 0 && { assumptions }) };
}

/** A model of one's own has settings in its code, which timm takes for those that are not given. */
function untoldOfModel(model: string, chosen: Fields): Assumption[] {
  const untold = ['mean', 'std', 'crop_pct', 'interpolation'].filter((name) => chosen[name] === undefined);
  if (untold.length === 0) return [];
  const why = `args.model is ${shown(model)}, whose settings are not known here, and args do not tell: as timm has it for a model without settings; --preset says otherwise`;
  return [{ field: 'preprocessing', value: `timm's defaults for ${untold.join(', ')}`, why }];
}

/** Of the table's size nothing is left where an argument gives one. */
function tableConfig(config: Fields | undefined, chosen: Fields): Fields {
  if (!config || chosen.img_size === undefined) return config ?? {};
  const { input_size: _, ...rest } = config;
  return rest;
}

/** torchvision's references/classification/train.py. */
function torchvisionFacts(entries: Entries, model: string, { skipPreprocessing }: MetadataOptions): Facts {
  return {
    name: { value: model, source: 'args.model' },
    config: {},
    ...nameFacts(model, 'args.model'),
    ...(skipPreprocessing ? {} : torchvisionEvaluation(entries)),
  };
}

/** DeiT's and MAE's scripts, and what others made of them. */
function facebookFacts(entries: Entries, model: string, { skipPreprocessing }: MetadataOptions): Facts {
  const isMae = entries.flag('args.global_pool') !== undefined;
  const named = isMae ? maeFacts(model) : nameFacts(model, 'args.model');
  const pool = entries.flag('args.global_pool') ? 'mean' : 'token';
  const config = {
    ...named?.config,
    ...(isMae && { pool: { value: pool, source: 'args.global_pool' } }),
  } as Facts['config'];
  const evaluation: EvaluationFacts = skipPreprocessing ? {} : facebookEvaluation(entries, isMae);
  return {
    name: { value: model, source: 'args.model' },
    library: { value: isMae ? 'mae' : 'facebook', source: 'args' },
    config,
    ...evaluation,
  };
}

/** MAE's names, `vit_base_patch16`, have no size. */
function maeFacts(model: string): Facts | undefined {
  const name = `${model.replace(/^mae_/, '').replace(/_dec\w+$/, '')}_224`;
  return timmArchitecture(name) && nameFacts(name, 'args.model');
}

/** Of the self-supervised code bases, whose `vit_small` are not one model: heads by the code base. */
const SELF_SUPERVISED: Readonly<Record<'dino' | 'moco', Readonly<Record<string, number>>>> = {
  dino: { vit_tiny: 3, deit_tiny: 3, vit_small: 6, deit_small: 6, vit_base: 12 },
  moco: { vit_small: 12, vit_base: 12 },
};

/** Facts of DINO's `args.arch` and of MoCo v3's `arch`. */
export function selfSupervisedFacts(entries: Entries, tensorNames: Iterable<string>): Facts | undefined {
  const dino = entries.text('args.arch');
  if (dino !== undefined && entries.has('args.patch_size')) return headFacts('dino', dino, 'args.arch');
  const moco = entries.text('arch');
  if (moco === undefined || !(moco in SELF_SUPERVISED.moco)) return undefined;
  const isMoco =
    entries.has('best_acc1') ||
    [...tensorNames].some((name) => /^best_acc1$|(base|momentum)_encoder\./.test(name));
  return isMoco ? headFacts('moco', moco, 'arch') : undefined;
}

function headFacts(library: 'dino' | 'moco', arch: string, source: string): Facts | undefined {
  const heads = Object.hasOwn(SELF_SUPERVISED[library], arch) ? SELF_SUPERVISED[library][arch] : undefined;
  if (heads === undefined) return undefined;
  return {
    library: { value: library, source },
    name: { value: arch, source },
    config: {
      numHeads: { value: heads, source },
      layerNormEps: { value: 1e-6, source },
      activation: { value: 'gelu', source },
      pool: { value: 'token', source },
    },
  };
}
