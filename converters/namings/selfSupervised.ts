import { plainBicubic } from '../resamplePosEmbed.js';
import { facebook, headsBeside, sharedRows } from './facebook.js';
import type { Naming } from './types.js';

const shared = {
  ...facebook,
  rows: sharedRows,
} as const;

/** Scale factors a little above the ratio, against rounding: facebookresearch/dino, vision_transformer.py. */
const OFFSET = 0.1;

/** facebookresearch/dino (vision_transformer.py). */
export const dino = {
  ...shared,
  name: 'dino',
  library: 'dino',
  dropped: [/^head\.(mlp\.\d+|last_layer)\./],
  tell: /^head\.(mlp\.\d+|last_layer)\./,
  resample: { ...plainBicubic, offset: OFFSET },
  resampledAs: 'facebookresearch/dino',
} as const satisfies Naming;

/** facebookresearch/dinov2 (dinov2/models/vision_transformer.py, hub/backbones.py). */
export const dinov2 = {
  ...shared,
  name: 'dinov2',
  library: 'dinov2',
  rows: {
    ...sharedRows,
    reg_token: ['register_tokens'],
    'blocks.*.ls1.gamma': ['ls1.gamma'],
    'blocks.*.ls2.gamma': ['ls2.gamma'],
    'blocks.*.mlp.fc1': ['mlp.fc1', 'mlp.w12'],
    'blocks.*.mlp.fc2': ['mlp.fc2', 'mlp.w3'],
  },
  beside: { ...headsBeside, head: ['linear_head', ...headsBeside.head] },
  dropped: [/^mask_token$/],
  tell: /^(register_tokens|mask_token)$/,
  resample: { ...plainBicubic, offset: OFFSET },
  resampledAs: 'facebookresearch/dinov2',
} as const satisfies Naming;

/** The same with registers, whose position embeddings its hub resamples in another way. */
export const dinov2Registers = {
  ...dinov2,
  tell: /^register_tokens$/,
  resample: { ...plainBicubic, antialias: true },
} as const satisfies Naming;

/** facebookresearch/mae (models_vit.py fine-tuned, models_mae.py pretrained). */
export const mae = {
  ...shared,
  name: 'mae',
  library: 'mae',
  dropped: [/^mask_token$/, /^decoder_/],
  tell: /^decoder_(embed|pos_embed|blocks|norm|pred)\b/,
  resampledAs: 'facebookresearch/mae',
} as const satisfies Naming;

/** facebookresearch/moco-v3 (vits.py, moco/builder.py): in pretraining the head is a projection, which nothing else reads. */
export const moco = {
  ...shared,
  name: 'moco',
  library: 'moco',
  prefix: /(^|\.)(base_encoder|momentum_encoder)\.$/,
  rows: { ...sharedRows, head: [] },
  beside: {},
  dropped: [/^head\.\d+\./],
  tell: /^head\.\d+\./,
  resampledAs: 'facebookresearch/moco-v3',
} as const satisfies Naming;
