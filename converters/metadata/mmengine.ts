/** Facts of the configuration that mmengine and mmcv keep beside the weights as text (`meta.cfg`, `meta.config`). */
import { UserError } from '../../src/errors.js';
import type { VitConfig } from '../../src/families/vit/config.js';
import {
  channels,
  deviations,
  interpolationNamed,
  pixels,
  shown,
} from '../../src/image/checkPreprocessing.js';
import type { Interpolation, Preprocessing, Resize } from '../../src/image/types.js';
import type { Facts } from '../facts.js';
import { orByPreset } from '../orByPreset.js';
import { isDict, type PythonValue, parsePythonAssignments, UNREAD } from './pythonLiterals.js';

type Dict = { readonly [key: string]: PythonValue };

/** Backbones of mmpretrain that are ViTs, with what each of them does. */
const BACKBONES: Readonly<Record<string, Partial<VitConfig>>> = {
  VisionTransformer: {},
  DistilledVisionTransformer: { distilled: true },
  DeiT3: { posEmbedPrefix: false },
  MAEViT: {},
  MoCoV3ViT: {},
};

interface Arch {
  readonly embedDim: number;
  readonly depth: number;
  readonly numHeads: number;
  readonly hidden: number;
}

const arch = (embedDim: number, depth: number, numHeads: number, hidden = 4 * embedDim): Arch => ({
  embedDim,
  depth,
  numHeads,
  hidden,
});

/** mmpretrain's arch_zoo (mmpretrain/models/backbones/vision_transformer.py, mae_vit.py, mocov3_vit.py, deit3.py). */
const ARCHS: Readonly<Record<string, Arch>> = {
  s: arch(768, 8, 8, 2304),
  small: arch(768, 8, 8, 2304),
  b: arch(768, 12, 12),
  base: arch(768, 12, 12),
  l: arch(1024, 24, 16),
  large: arch(1024, 24, 16),
  h: arch(1280, 32, 16),
  huge: arch(1280, 32, 16),
  'eva-g': arch(1408, 40, 16, 6144),
  'eva-giant': arch(1408, 40, 16, 6144),
  'deit-t': arch(192, 12, 3),
  'deit-tiny': arch(192, 12, 3),
  'deit-s': arch(384, 12, 6),
  'deit-small': arch(384, 12, 6),
  'dinov2-s': arch(384, 12, 6),
  'dinov2-small': arch(384, 12, 6),
  'deit-b': arch(768, 12, 12),
  'deit-base': arch(768, 12, 12),
  'dinov2-g': arch(1536, 40, 24, 6144),
  'dinov2-giant': arch(1536, 40, 24, 6144),
};

/** Names that mean another model in one backbone than in the others. */
const OWN_ARCHS: Readonly<Record<string, Readonly<Record<string, Arch>>>> = {
  MoCoV3ViT: { 'mocov3-s': arch(384, 12, 12), 'mocov3-small': arch(384, 12, 12) },
  DeiT3: {
    s: arch(384, 12, 6),
    small: arch(384, 12, 6),
    m: arch(512, 12, 8),
    medium: arch(512, 12, 8),
  },
};

const POOLS: Readonly<Record<string, VitConfig['pool']>> = { cls_token: 'token', avg_featmap: 'mean' };

export interface MmengineOptions {
  readonly skipPreprocessing: boolean;
  /** Names of the checkpoint's tensors: scripts change a model without its configuration. */
  readonly tensorNames: Iterable<string>;
}

/**
 * Facts of an mmpretrain configuration: its backbone, and how it prepares images for testing.
 *
 * @param text the configuration as Python text
 * @param source where it stands, e.g. `meta.cfg`
 * @throws UserError for a backbone that is no ViT of this family, by its name, and for a setting that is not supported
 */
export function mmengineFacts(
  text: string,
  source: string,
  { skipPreprocessing, tensorNames }: MmengineOptions,
): Facts | undefined {
  const config = parsePythonAssignments(text);
  const backbone = partOf(config, 'backbone');
  if (!backbone) return undefined;
  const type = typeof backbone.type === 'string' ? backbone.type.split('.').at(-1)! : '';
  if (!Object.hasOwn(BACKBONES, type)) {
    throw new UserError(
      `${source}: its backbone is ${shown(type)}, no ViT of those that are read: ${Object.keys(BACKBONES).join(', ')}`,
    );
  }
  checkPatches(backbone.patch_cfg, source);
  checkHead(config, source);
  const fields = { ...BACKBONES[type], ...backboneFields(backbone, type, source, layersOf(tensorNames)) };
  const at = `${source}: model.backbone`;
  const images = skipPreprocessing ? {} : orByPreset(() => imageFacts(config, source));
  return {
    library: { value: 'mmpretrain', source },
    name: { value: typeof backbone.arch === 'string' ? `${type} ${backbone.arch}` : type, source: at },
    config: Object.fromEntries(
      Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, { value, source: at }]),
    ) as Facts['config'],
    ...images,
    ...severalLabels(config, source),
  };
}

/** mmpretrain's heads for labels that do not exclude each other predict by a sigmoid; of the others all do by softmax. */
function severalLabels(config: Dict, source: string): Pick<Facts, 'assumptions'> {
  const type = partOf(config, 'head')?.type;
  if (typeof type !== 'string' || !/MultiLabel|CSRA/.test(type)) return {};
  const why = `${source}: model.head is ${shown(type)}: its classes do not exclude each other, so read the logits by a sigmoid of each`;
  return { assumptions: [{ field: 'probabilities', value: 'softmax', why }] };
}

function partOf({ model }: Dict, name: 'backbone' | 'head'): Dict | undefined {
  const inner = isDict(model) && isDict(model.model) ? model.model : model;
  const part = isDict(inner) ? inner[name] : undefined;
  return isDict(part) ? part : undefined;
}

/** Patches that lie side by side and cover the image have no padding (ViTPose's have), and no dilation or stride of their own. */
function checkPatches(patches: PythonValue | undefined, source: string): void {
  if (patches === undefined || patches === null) return;
  const {
    padding = 0,
    dilation = 1,
    stride,
    conv_type: convolution = 'Conv2d',
  } = isDict(patches) ? patches : {};
  const isPlain = String(padding) === '0' && String(dilation) === '1' && stride === undefined;
  if (isDict(patches) && isPlain && convolution === 'Conv2d') return;
  throw new UserError(
    `${source}: model.backbone.patch_cfg is ${shownPython(patches)}; patches with padding, dilation or a stride are not computed here`,
  );
}

/** VisionTransformerClsHead's hidden layer has tanh unless it says otherwise; no tensor tells. */
function checkHead(config: Dict, source: string): void {
  const head = partOf(config, 'head');
  if (!head || head.hidden_dim === undefined || head.hidden_dim === null || head.act_cfg === undefined)
    return;
  const name = isDict(head.act_cfg) ? head.act_cfg.type : head.act_cfg;
  if (name === 'Tanh') return;
  throw new UserError(
    `${source}: model.head.act_cfg is ${shownPython(name)}; behind a hidden layer only Tanh is computed here`,
  );
}

/** What the names of the tensors tell of the backbone. */
interface Layers {
  readonly depth: number;
  /** Whether there is the norm that out_type avg_featmap has. */
  readonly pooledNorm: boolean;
}

function layersOf(names: Iterable<string>): Layers {
  let depth = 0;
  let pooledNorm = false;
  for (const name of names) {
    const layer = /(?:^|\.)layers\.(\d{1,4})\./.exec(name)?.[1];
    if (layer !== undefined) depth = Math.max(depth, Number(layer) + 1);
    if (/^(.*\.)?backbone\.ln2\./.test(name)) pooledNorm = true;
  }
  return { depth, pooledNorm };
}

function backboneFields(backbone: Dict, type: string, source: string, layers: Layers): Partial<VitConfig> {
  const named = archOf(backbone.arch, type, source);
  // Of a configuration with another number of blocks than the tensors nothing is believed about the blocks.
  const shape = named?.depth === layers.depth ? named : undefined;
  const isDefault = backbone.out_type === undefined && backbone.avg_token === undefined;
  const pool = isDefault && layers.pooledNorm ? undefined : poolOf(backbone, source);
  return {
    ...(shape && { embedDim: shape.embedDim, depth: shape.depth, numHeads: shape.numHeads }),
    ...(shape &&
      backbone.swiglu !== true && {
        mlpRatio: swigluOf(backbone) ? undefined : shape.hidden / shape.embedDim,
      }),
    ...sizeField('imgSize', backbone.img_size, source),
    ...sizeField('patchSize', backbone.patch_size, source),
    ...(pool && { pool }),
    ...(typeof backbone.with_cls_token === 'boolean' && { classToken: backbone.with_cls_token }),
    ...(typeof backbone.qkv_bias === 'boolean' && { qkvBias: backbone.qkv_bias }),
    ...(typeof backbone.pre_norm === 'boolean' && { preNorm: backbone.pre_norm }),
    // It is about the norm before the pooling; a mean has one behind it whatever this says.
    ...(pool !== 'mean' && typeof backbone.final_norm === 'boolean' && { finalNorm: backbone.final_norm }),
    layerNormEps: epsilonOf(backbone.norm_cfg, `${source}: model.backbone.norm_cfg`),
    activation: activationOf(backbone, source),
  };
}

const swigluOf = (backbone: Dict) =>
  isDict(backbone.layer_cfgs) && backbone.layer_cfgs.ffn_type === 'swiglu_fused';

function archOf(value: PythonValue | undefined, type: string, source: string): Arch | undefined {
  if (value === undefined) return type === 'MoCoV3ViT' ? undefined : ARCHS.base;
  if (isDict(value)) {
    const {
      embed_dims: embedDim,
      num_layers: depth,
      num_heads: numHeads,
      feedforward_channels: hidden,
    } = value;
    const all = [embedDim, depth, numHeads, hidden];
    if (all.every((number): number is number => Number.isSafeInteger(number) && (number as number) > 0)) {
      return { embedDim: all[0]!, depth: all[1]!, numHeads: all[2]!, hidden: all[3]! };
    }
  }
  const name = typeof value === 'string' ? value.toLowerCase() : '';
  const own = OWN_ARCHS[type] ?? {};
  if (Object.hasOwn(own, name)) return own[name];
  if (Object.hasOwn(ARCHS, name)) return ARCHS[name];
  throw new UserError(`${source}: model.backbone.arch is ${shownPython(value)}, which is not known here`);
}

const shownPython = (value: PythonValue | undefined) => (value === UNREAD ? 'an expression' : shown(value));

function sizeField(field: 'imgSize' | 'patchSize', value: PythonValue | undefined, source: string) {
  const what = `${source}: model.backbone.${field === 'imgSize' ? 'img_size' : 'patch_size'}`;
  if (value === undefined || value === UNREAD) return {};
  const sides = Array.isArray(value) ? value : [value, value];
  const [height, width] = [pixels(sides[0], what), pixels(sides[1], what)];
  if (field === 'imgSize') return { imgSize: [height, width] as const };
  return { patchSize: height === width ? height : ([height, width] as const) };
}

function poolOf(backbone: Dict, source: string): VitConfig['pool'] {
  // mmcls had a flag in the place of out_type.
  if (backbone.avg_token === true) return 'mean';
  const type = backbone.out_type ?? 'cls_token';
  if (typeof type === 'string' && Object.hasOwn(POOLS, type)) return POOLS[type];
  // raw and featmap: a head that pools by itself, or none.
  if (type === 'raw' || type === 'featmap') return undefined;
  throw new UserError(
    `${source}: model.backbone.out_type is ${shownPython(type)}; expected one of ${Object.keys(POOLS).join(', ')}`,
  );
}

function epsilonOf(norm: PythonValue | undefined, what: string): number {
  if (norm === undefined) return 1e-6;
  if (!isDict(norm) || norm.type !== 'LN')
    throw new UserError(`${what} is ${shownPython(norm)}; expected LN`);
  // torch's own default, where the configuration names none.
  const eps = norm.eps ?? 1e-5;
  if (typeof eps === 'number' && eps > 0 && eps < 1) return eps;
  throw new UserError(`${what}.eps is ${shownPython(eps)}; expected a number above 0 and below 1`);
}

/** The settings of the blocks: one for all of them, or a list of equal ones. */
function layerSettings({ layer_cfgs: layers, norm_cfg: norm }: Dict, source: string): Dict {
  const what = `${source}: model.backbone.layer_cfgs`;
  if (layers === undefined || layers === null) return {};
  const list: readonly PythonValue[] = Array.isArray(layers) ? layers : [layers as PythonValue];
  const [first = {}] = list;
  if (!isDict(first) || list.some((one) => JSON.stringify(one) !== JSON.stringify(first))) {
    throw new UserError(
      `${what} is ${shownPython(layers as PythonValue)}; expected a dict, or a list of equal ones`,
    );
  }
  // A block's own norms; the norm behind the blocks has the backbone's.
  if (
    first.norm_cfg !== undefined &&
    epsilonOf(first.norm_cfg, `${what}.norm_cfg`) !== epsilonOf(norm, `${source}: model.backbone.norm_cfg`)
  ) {
    throw new UserError(`${what}.norm_cfg has another epsilon than norm_cfg; here all norms have the same`);
  }
  return first;
}

function activationOf(backbone: Dict, source: string): VitConfig['activation'] {
  const { act_cfg: act } = layerSettings(backbone, source);
  if (swigluOf(backbone)) return undefined;
  if (act === undefined) return 'gelu';
  const name = isDict(act) ? act.type : act;
  const known: Readonly<Record<string, VitConfig['activation']>> = {
    GELU: 'gelu',
    QuickGELU: 'quick_gelu',
    ReLU: 'relu',
    SiLU: 'silu',
  };
  if (typeof name === 'string' && Object.hasOwn(known, name)) return known[name];
  throw new UserError(
    `${source}: model.backbone.layer_cfgs.act_cfg is ${shownPython(name)}; expected one of ${Object.keys(known).join(', ')}`,
  );
}

/** The test pipeline's resize and crop, with the mean and deviation of data_preprocessor (levels 0…255). */
function imageFacts(config: Dict, source: string): Pick<Facts, 'preprocessing' | 'normalization'> {
  const pipeline = pipelineOf(config);
  const norm = normOf(config, pipeline);
  if (!norm) return {};
  if (norm.to_rgb === false || norm.bgr_to_rgb === false) {
    throw new UserError(`${source}: to_rgb is False, but images are read as RGB here`);
  }
  const mean = scaled(channels(norm.mean, `${source}: data_preprocessor.mean`));
  const std = scaled(deviations(norm.std, `${source}: data_preprocessor.std`));
  const at = `${source}: test_pipeline`;
  const { resize, interpolation, crop } = transformsOf(pipeline ?? [], at);
  if (!crop) return { normalization: { value: { mean, std }, source: `${source}: data_preprocessor` } };
  const value: Preprocessing = {
    preset: source,
    resize,
    ...(interpolation !== 'bicubic' && { interpolation }),
    crop,
    mean,
    std,
  };
  return { preprocessing: { value, source: at } };
}

/** On levels 0…1, as a decimal that is written times 255: 123.675 is 0.485. */
const scaled = (values: readonly [number, number, number]) =>
  values.map((value) => Number((value / 255).toPrecision(12))) as [number, number, number];

function pipelineOf({
  test_pipeline: own,
  test_dataloader: loader,
  data,
}: Dict): readonly PythonValue[] | undefined {
  const inner = isDict(loader) && isDict(loader.dataset) ? loader.dataset.pipeline : undefined;
  const older = isDict(data) && isDict(data.test) ? data.test.pipeline : undefined;
  const found = [inner, own, older].find(Array.isArray);
  return found as readonly PythonValue[] | undefined;
}

function normOf(config: Dict, pipeline: readonly PythonValue[] | undefined): Dict | undefined {
  const { data_preprocessor: own, model, img_norm_cfg: older } = config;
  const inner = isDict(model) ? model.data_preprocessor : undefined;
  const step = pipeline?.find((transform) => isDict(transform) && transform.type === 'Normalize');
  const candidates: readonly (PythonValue | undefined)[] = [own, inner, older, step];
  const found = candidates.find((value) => isDict(value) && value.mean !== undefined);
  return isDict(found) ? found : undefined;
}

/** Transforms of a pipeline that leave the pixels of an image as they are. */
const WITHOUT_EFFECT = [
  'LoadImageFromFile',
  'PackInputs',
  'PackClsInputs',
  'Normalize',
  'ImageToTensor',
  'ToTensor',
  'Collect',
];

interface Transforms {
  readonly resize: Resize;
  readonly interpolation: Interpolation;
  readonly crop?: readonly [number, number];
}

function transformsOf(pipeline: readonly PythonValue[], at: string): Transforms {
  let found: Transforms = { resize: { mode: 'none' }, interpolation: 'bicubic' };
  for (const step of pipeline) {
    const type = isDict(step) && typeof step.type === 'string' ? step.type.split('.').at(-1)! : '';
    if (!isDict(step) || (!WITHOUT_EFFECT.includes(type) && !TRANSFORMS.includes(type))) {
      throw new UserError(`${at}: the transform ${shown(type)} is not supported`);
    }
    if (type === 'ResizeEdge' || type === 'Resize') found = { ...found, ...resizeStep(step, type, at) };
    if (type === 'CenterCrop')
      found = { ...found, crop: pairOf(step.crop_size, `${at}: CenterCrop.crop_size`) };
  }
  return found;
}

const TRANSFORMS = ['ResizeEdge', 'Resize', 'CenterCrop'];

function resizeStep(step: Dict, type: string, at: string): Partial<Transforms> {
  const { backend = 'cv2' } = step;
  if (backend !== 'pillow') {
    throw new UserError(
      `${at}: ${type} by ${shownPython(backend)} gives other pixels than Pillow's, which are computed here`,
    );
  }
  const interpolation = interpolationNamed(step.interpolation ?? 'bilinear', `${at}: ${type}.interpolation`);
  if (type === 'ResizeEdge') {
    if ((step.edge ?? 'short') !== 'short') {
      throw new UserError(`${at}: ResizeEdge.edge is ${shownPython(step.edge)}; expected short`);
    }
    return { interpolation, resize: { mode: 'short', size: pixels(step.scale, `${at}: ResizeEdge.scale`) } };
  }
  const scale: PythonValue | undefined = step.scale ?? step.size;
  if (Array.isArray(scale) && scale[1] === -1) {
    return { interpolation, resize: { mode: 'short', size: pixels(scale[0], `${at}: Resize.size`) } };
  }
  // mmcv's scale is [width, height], mmcls' size was [height, width].
  const [first, second] = pairOf(scale as PythonValue | undefined, `${at}: Resize.scale`);
  const [height, width] = step.scale === undefined ? [first, second] : [second, first];
  return { interpolation, resize: { mode: 'squash', height, width }, crop: [height, width] };
}

function pairOf(value: PythonValue | undefined, what: string): readonly [number, number] {
  const sides = Array.isArray(value) ? value : [value, value];
  return [pixels(sides[0], what), pixels(sides[1], what)];
}
