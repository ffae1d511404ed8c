import { UserError } from '../../src/errors.js';
import { chooseWeights } from '../../src/hub/chooseWeights.js';
import type { FolderFiles } from '../../src/hub/folderFiles.js';
import { huggingFacePreprocessing } from '../../src/image/huggingFace.js';
import type { Preprocessing } from '../../src/image/types.js';
import { resizedTo } from '../choosePreprocessing.js';
import type { Assumption, Fact, Facts } from '../facts.js';
import { openShards, parseCheckpoint, shardPaths } from '../formats/index.js';
import type { Checkpoint } from '../formats/types.js';
import { mergeFacts } from '../mergeFacts.js';
import { parametersOfObject } from '../metadata/modelParameters.js';
import { metadataFacts } from '../metadataFacts.js';
import { orByPreset } from '../orByPreset.js';
import { timmPreprocessingOf } from '../timmModels.js';
import { type Fields, isObject, parseJsonObject, shown } from './fields.js';
import { huggingFaceFacts } from './huggingFace.js';
import type { HuggingFaceType } from './huggingFaceTypes.js';
import { openClipFacts } from './openClip.js';
import { isTimmConfig, type TimmOptions, timmFacts, unpooledAssumption } from './timm.js';

/** A model's folder: its weights, and what the files beside them say. */
export interface ReadFolder {
  readonly checkpoint: Checkpoint;
  readonly facts: Facts;
  readonly assumptions: readonly Assumption[];
}

export interface ReadFolderOptions extends TimmOptions {
  /** Input size [height, width] that the model is wanted for, where it is not the folder's own. */
  readonly imgSize?: readonly [number, number];
}

const CONFIG = 'config.json';
/** open_clip's own, where it writes no config.json. */
const OPEN_CLIP = 'open_clip_config.json';
const PROCESSOR = 'processor_config.json';
const IMAGE_PROCESSOR = 'preprocessor_config.json';

/** What is read beside the weights, where it is there. */
const DESCRIPTIONS = [CONFIG, OPEN_CLIP, PROCESSOR, IMAGE_PROCESSOR];

/**
 * Reads a model's folder as Hugging Face's libraries and timm write it: config.json and preprocessor_config.json (both
 * generations) beside the weights, which are one file or shards with an index. The tensors' values are read later, so
 * that the folder must stay open until then.
 *
 * @throws UserError for a model that is none of this family, by its own name, and for a field that is not supported
 */
export async function readFolder(files: FolderFiles, options: ReadFolderOptions = {}): Promise<ReadFolder> {
  // The description first: it says of a model of another kind what it is.
  const text = await files.readText(CONFIG);
  const described =
    text === undefined
      ? await openClipDescription(files, options)
      : await describedBy(parseJsonObject(text, CONFIG), files, options);
  const checkpoint = await openWeights(files);
  const facts = mergeFacts(described.facts, await metadataFacts(checkpoint, options));
  return { checkpoint, facts, assumptions: [...described.assumptions, ...(await adapterBeside(files))] };
}

/** A change to the weights (PEFT) that lies beside them: transformers would apply it. */
async function adapterBeside(files: FolderFiles): Promise<Assumption[]> {
  const adapter = (await files.list()).find((name) => /^adapter_(config\.json|model\.\w+)$/.test(name));
  if (adapter === undefined || files.chosen !== undefined) return [];
  const why = `${adapter} beside the weights is a change to a model (PEFT) and is not applied; merge it, and save the whole`;
  return [{ field: 'adapter', value: 'none', why }];
}

interface Described {
  readonly facts: Facts;
  readonly assumptions: readonly Assumption[];
}

const none: Described = { facts: { config: {} }, assumptions: [] };

async function describedBy(
  config: Fields,
  files: FolderFiles,
  options: ReadFolderOptions,
): Promise<Described> {
  if (isTimmConfig(config)) return timmDescription(config, options);
  if (config.model_type !== undefined) return huggingFaceDescription(config, files, options);
  const told = parametersOfObject(config, CONFIG);
  if (Object.keys(told).length > 0) return { facts: { config: told }, assumptions: [] };
  throw new UserError(
    `${files.name}: ${CONFIG} has neither model_type (transformers) nor architecture (timm) nor a number of heads, so it does not describe a model; it has ${shown(Object.keys(config).slice(0, 5))}`,
  );
}

async function openClipDescription(
  files: FolderFiles,
  { skipPreprocessing }: ReadFolderOptions,
): Promise<Described> {
  const text = await files.readText(OPEN_CLIP);
  if (text === undefined) return none;
  const facts = openClipFacts(parseJsonObject(text, OPEN_CLIP), OPEN_CLIP, skipPreprocessing);
  return { facts, assumptions: [] };
}

async function timmDescription(config: Fields, options: ReadFolderOptions): Promise<Described> {
  const facts = timmFacts(config, CONFIG, options);
  const assumptions = unpooledAssumption(config, CONFIG, options);
  const { name, preprocessing } = facts;
  if (preprocessing || options.skipPreprocessing) return { facts, assumptions };
  // Without pretrained_cfg, timm itself takes what its table has for the architecture.
  const value = await timmPreprocessingOf(name!.value, facts.config.imgSize!.value);
  if (!value) return { facts, assumptions };
  const why = `${CONFIG} has no pretrained_cfg: as timm has it for ${value.preset}; --preset says otherwise`;
  return {
    facts: { ...facts, preprocessing: { value, source: name!.source } },
    assumptions: [...assumptions, { field: 'preprocessing', value: value.preset, why }],
  };
}

async function huggingFaceDescription(
  config: Fields,
  files: FolderFiles,
  { skipPreprocessing, imgSize: wanted }: ReadFolderOptions,
): Promise<Described> {
  const { facts, assumptions, type } = huggingFaceFacts(config, CONFIG);
  const preprocessing = skipPreprocessing ? undefined : await processorFact(files, type);
  if (!preprocessing) return { facts, assumptions };
  const imgSize = facts.config.imgSize!.value;
  const fits = String(preprocessing.value.crop) === String(imgSize);
  if (type.anySize || fits || wanted) return { facts: { ...facts, preprocessing }, assumptions };
  const scaled = resizedTo(imgSize, preprocessing);
  return {
    facts: { ...facts, preprocessing: { ...preprocessing, value: scaled.value } },
    assumptions: [...assumptions, ...scaled.assumptions],
  };
}

/** How the folder prepares images; undefined if it does not say. */
async function processorFact(
  files: FolderFiles,
  type: HuggingFaceType,
): Promise<Fact<Preprocessing> | undefined> {
  const found = await processorFields(files);
  if (!found) return undefined;
  const { fields, file } = found;
  const named = fields.image_processor_type ?? fields.feature_extractor_type;
  const config = named === undefined ? { ...fields, image_processor_type: type.processor } : fields;
  const value = orByPreset(() => huggingFacePreprocessing(config, file));
  return { value: { ...value, preset: file }, source: file };
}

/** As AutoImageProcessor finds it: the image processor within processor_config.json, else preprocessor_config.json. */
async function processorFields(files: FolderFiles): Promise<{ fields: Fields; file: string } | undefined> {
  const outer = await files.readText(PROCESSOR);
  const nested = outer === undefined ? undefined : parseJsonObject(outer, PROCESSOR).image_processor;
  if (isObject(nested)) return { fields: nested, file: PROCESSOR };
  const text = await files.readText(IMAGE_PROCESSOR);
  return text === undefined
    ? undefined
    : { fields: parseJsonObject(text, IMAGE_PROCESSOR), file: IMAGE_PROCESSOR };
}

/**
 * Paths of the files that make a model of such a folder: its weights, an index's shards among them, and what describes them.
 *
 * @throws UserError if there are no weights, or an index that cannot be read
 */
export async function folderPaths(files: FolderFiles): Promise<readonly string[]> {
  const names = await files.list();
  const weights = files.chosen ?? chosen(files.name, names);
  const index = weights.endsWith('.json') ? await readIndex(files, weights) : undefined;
  const shards = index ? shardPaths(index.text, index.name) : [];
  return [...DESCRIPTIONS.filter((name) => names.includes(name)), weights, ...shards];
}

export async function openWeights(files: FolderFiles): Promise<Checkpoint> {
  const weights = files.chosen ?? chosen(files.name, await files.list());
  if (!weights.endsWith('.json')) return parseCheckpoint(await files.open(weights));
  const { text, name } = await readIndex(files, weights);
  return openShards(text, name, (path) => files.open(path));
}

async function readIndex(files: FolderFiles, path: string): Promise<{ text: string; name: string }> {
  const text = await files.readText(path);
  if (text === undefined) throw new UserError(`${files.name}: ${path} is missing`);
  return { text, name: `${files.name}/${path}` };
}

function chosen(folder: string, names: readonly string[]): string {
  try {
    return chooseWeights(names);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${folder}: ${error.message}`) : error;
  }
}
