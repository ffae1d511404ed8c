import type { VitConfig } from '../src/families/vit/config.js';
import { type PreprocessingOptions, preprocessingFromOptions } from '../src/image/fromOptions.js';
import { preprocessingFor } from '../src/image/presets.js';
import type { Preprocessing, Resize } from '../src/image/types.js';
import type { Assumption, Fact, Facts, Library } from './facts.js';
import { type ModelTables, ownTables } from './modelTables.js';

/** How images are prepared, and what of it is a guess. */
export interface ChosenPreprocessing {
  readonly value: Preprocessing;
  readonly assumptions: readonly Assumption[];
}

/**
 * How a converted model's images are prepared: as the options say, else the facts, else as its code base does with most
 * of its models, which is an assumption.
 *
 * @param config the model as it will be, at its input size
 * @param library the code base that the names of the tensors tell
 * @param tables published models; by default DeiT's alone
 */
export function choosePreprocessing(
  config: VitConfig,
  facts: Facts,
  library: Library | undefined,
  options: PreprocessingOptions = {},
  tables: ModelTables = ownTables,
): ChosenPreprocessing {
  const { preset, ...settings } = options;
  const chosen =
    preset === undefined
      ? (ofFacts(facts.preprocessing, config.imgSize) ?? ofLibrary(config, facts, library, tables))
      : { value: preprocessingFor(preset, config.imgSize), assumptions: [] };
  const value = preprocessingFromOptions(chosen.value, config.imgSize, settings);
  // With all four of them given nothing is left of what was assumed.
  const { mean, std, interpolation, crop } = settings;
  const told = [mean, std, interpolation, crop].every((setting) => setting !== undefined);
  return { value, assumptions: told ? [] : chosen.assumptions };
}

function ofFacts(
  fact: Fact<Preprocessing> | undefined,
  imgSize: readonly [number, number],
): ChosenPreprocessing | undefined {
  if (!fact) return undefined;
  const { value } = fact;
  if (String(value.crop) === String(imgSize)) return { value, assumptions: [] };
  return resizedTo(imgSize, fact);
}

/** The same preprocessing at another input size, and that it is an assumption. */
export function resizedTo(
  imgSize: readonly [number, number],
  { value, source }: Fact<Preprocessing>,
): ChosenPreprocessing {
  const why = `${source} gives images of ${value.crop.join('×')} pixels, the model takes ${imgSize.join('×')}: its resize was scaled; --preset says otherwise`;
  return {
    value: { ...value, resize: scaled(value, imgSize), crop: imgSize },
    assumptions: [{ field: 'preprocessing', value: `for ${imgSize.join('×')} pixels`, why }],
  };
}

/** The same ratio of resize and crop at another size. */
function scaled({ resize, crop }: Preprocessing, imgSize: readonly [number, number]): Resize {
  const scale = (size: number, axis: 0 | 1) => Math.floor((size * imgSize[axis]) / crop[axis]);
  if (resize.mode === 'none') return resize;
  if (resize.mode === 'short') {
    return { ...resize, size: scale(resize.size, imgSize[0] >= imgSize[1] ? 0 : 1) };
  }
  return { ...resize, height: scale(resize.height, 0), width: scale(resize.width, 1) };
}

function ofLibrary(
  config: VitConfig,
  facts: Facts,
  library: Library | undefined,
  tables: ModelTables,
): ChosenPreprocessing {
  const [preset, who] = ofName(facts.name?.value, tables) ?? usual(config, facts, library);
  const { normalization } = facts;
  if (normalization) {
    const why = `${normalization.source} says mean and deviation, nothing says how images are resized and cropped: as ${who}; --preset says otherwise`;
    return {
      value: { ...preprocessingFor(preset, config.imgSize), ...normalization.value, preset: 'custom' },
      assumptions: [{ field: 'preprocessing', value: `resize and crop of preset ${preset}`, why }],
    };
  }
  const others = tables.otherConventions(config, preset);
  const why =
    `nothing in the file or beside it says how images are prepared: as ${who}, at ${config.imgSize.join('×')} pixels` +
    `${others ? `; of the same shape ${others}` : ''}; --preset says otherwise`;
  return {
    value: preprocessingFor(preset, config.imgSize),
    assumptions: [{ field: 'preprocessing', value: `preset ${preset}`, why }],
  };
}

/** What a named model has; of timm's names without a tag the plain ViTs are augreg's. */
function ofName(
  name: string | undefined,
  tables: ModelTables,
): readonly [preset: string, who: string] | undefined {
  const named = name === undefined ? undefined : tables.namedModel(name);
  if (!named) return undefined;
  const preset = named.preset ?? tables.timmPreset(named.name);
  return preset ? [preset, named.name] : undefined;
}

/** What a code base does with most of its models. */
function usual(
  config: VitConfig,
  { library: told, name }: Facts,
  library: Library | undefined,
): readonly [preset: string, who: string] {
  switch (told?.value ?? library) {
    case 'huggingface':
      return huggingFace(config, name?.value);
    case 'dinov2':
      return ['dinov2', 'DINOv2'];
    case 'mae':
      return ['mae', 'MAE'];
    case 'mmpretrain':
      return told ? ['mmpretrain', 'mmpretrain'] : byShape(config);
    case 'torchvision':
      return ['torchvision', 'torchvision'];
    case 'google':
      return ['augreg', "google-research's ViTs"];
    default:
      return byShape(config);
  }
}

/** Of timm's and facebookresearch's names the shape tells more than the code base. */
function byShape(config: VitConfig): readonly [preset: string, who: string] {
  if (config.preNorm) return ['clip', 'OpenAI’s CLIP'];
  if (config.pool === 'map') return ['siglip', 'SigLIP'];
  if (config.patchSize === 14 && config.layerScale !== null && (config.posEmbedPrefix || config.registers)) {
    return ['dinov2', 'DINOv2'];
  }
  return config.posEmbedPrefix ? ['deit', 'DeiT'] : ['deit3', 'DeiT III'];
}

function huggingFace(config: VitConfig, name = ''): readonly [preset: string, who: string] {
  if (/^clip/i.test(name) || config.preNorm) return ['clip', 'OpenAI’s CLIP'];
  const isSiglip =
    config.pool === 'map' || (config.classToken === false && config.activation === 'gelu_tanh');
  if (/^siglip/i.test(name) || isSiglip) return ['siglip', 'SigLIP'];
  if (/^dinov2/i.test(name) || config.layerScale !== null) return ['dinov2', 'DINOv2'];
  if (/^deit/i.test(name) || config.distilled) return ['huggingface', 'DeiT on Hugging Face'];
  return ['huggingface-vit', "Google's ViTs on Hugging Face"];
}
