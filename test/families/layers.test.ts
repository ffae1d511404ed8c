import { beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { UserError } from '../../src/errors.js';
import {
  Attention,
  DropPath,
  Head,
  LayerNorm,
  LayerScale,
  Mlp,
  PatchEmbed,
  Pool,
  PooledHead,
  PreLogits,
  RegnetBlock,
  RegnetStem,
  Tokens,
  TransformerBlock,
} from '../../src/families/layers/index.js';

beforeAll(() => tf.setBackend('cpu'));

const tokensArgs = { distilled: false, posEmbedPrefix: true, name: 'tokens' };
const patchArgs = { patchSize: 4, embedDim: 8, name: 'patch_embed' };

const blockArgs = {
  numHeads: 2,
  mlpDim: 16,
  qkvBias: true,
  layerScale: null,
  dropPathRate: 0,
  epsilon: 1e-6,
};

const image = (...shape: (number | null)[]) => tfl.input({ shape });

test.each([
  [
    'an image of open size',
    () => new PatchEmbed(patchArgs).apply(image(null, null, 3)),
    '4 axes, axis 1 known, axis 2 known; got [null,null,null,3]',
  ],
  [
    'an image without channels',
    () => new PatchEmbed(patchArgs).apply(image(8, 8)),
    'has 4 axes, axis 3 known; got [null,8,8]',
  ],
  [
    'an image with an open number of channels',
    () => new PatchEmbed(patchArgs).apply(image(8, 8, null)),
    'axis 3 known; got [null,8,8,null]',
  ],
  [
    'an open number of tokens',
    () => new Tokens(tokensArgs).apply(image(null, 8)),
    'axis 1 known, axis 2 known',
  ],
  [
    'tokens of an open width',
    () => new PreLogits({ units: 2, name: 'head' }).apply(image(null)),
    'a known last axis',
  ],
  ['features for tokens', () => new Pool({ pool: 'mean', prefixTokens: 1 }).apply(image(8)), '3 axes'],
  [
    'an image smaller than a patch',
    () => new PatchEmbed(patchArgs).apply(image(3, 8, 3)),
    'layer patch_embed: an image of 3×8 pixels is smaller than a patch of 4×4',
  ],
  [
    'a width that heads do not divide',
    () => new Attention({ numHeads: 3, qkvBias: true, name: 'attn' }).apply(image(5, 8)),
    'layer attn: its input of width 8 does not divide into 3 heads',
  ],
  [
    'a width that heads of a block do not divide',
    () => new TransformerBlock({ ...blockArgs, numHeads: 3 }).apply(image(5, 8)),
    'does not divide into 3 heads',
  ],
  [
    'a width that heads of a pooling do not divide',
    () =>
      new Pool({ pool: 'map', prefixTokens: 0, numHeads: 3, mlpDim: 8, epsilon: 1e-6 }).apply(image(5, 8)),
    'does not divide into 3 heads',
  ],
  [
    'too few tokens for a head',
    () => new Head({ units: 2, token: 1, name: 'head' }).apply(image(1, 8)),
    'layer head: there is no token 1 in [null,1,8]',
  ],
  [
    'tokens for features',
    () => new Head({ units: 2, name: 'head' }).apply(image(5, 8)),
    'layer head: its input has 2 axes; got [null,5,8]',
  ],
])('a layer that is given %s says so', (_, apply, message) => {
  expect(apply).toThrow(UserError);
  expect(apply).toThrow(message);
});

test('a layer of known axes takes the same input', () => {
  const tokens = new PatchEmbed({ ...patchArgs, name: 'patch_embed' }).apply(image(8, 8, 3));
  expect((tokens as tfl.SymbolicTensor).shape).toEqual([null, 4, 8]);
  tf.disposeVariables();
});

/** Every layer with arguments that it takes. */
const COMPLETE: Record<string, readonly [new (args: never) => tfl.layers.Layer, Record<string, unknown>]> = {
  Attention: [Attention, { numHeads: 2, qkvBias: true }],
  DropPath: [DropPath, { rate: 0.1 }],
  Head: [Head, { units: 2 }],
  LayerNorm: [LayerNorm, { epsilon: 1e-6 }],
  LayerScale: [LayerScale, { initValue: 1e-4 }],
  Mlp: [Mlp, { hiddenDim: 16 }],
  PatchEmbed: [PatchEmbed, { patchSize: 4, embedDim: 8 }],
  Pool: [Pool, { pool: 'mean', prefixTokens: 1 }],
  PooledHead: [PooledHead, { units: 2 }],
  PreLogits: [PreLogits, { units: 8 }],
  RegnetBlock: [RegnetBlock, { width: 8, groupWidth: 4, squeeze: null, stride: 2 }],
  RegnetStem: [RegnetStem, { width: 8 }],
  Tokens: [Tokens, { distilled: true, posEmbedPrefix: true }],
  TransformerBlock: [TransformerBlock, blockArgs],
};

test.each(Object.keys(COMPLETE))('%s names what is unknown, missing, or of another kind', (name) => {
  const [Layer, args] = COMPLETE[name]!;
  const make = (given: unknown) => () => new Layer(given as never);
  expect(make(args)).not.toThrow();
  expect(make({ ...args, name: 'a', trainable: false, dtype: 'float32' })).not.toThrow();
  expect(make(undefined)).toThrow(UserError);
  expect(make({ ...args, typo: 1 })).toThrow(`${name} has no field "typo"`);
  for (const field of Object.keys(args)) {
    expect(make({ ...args, [field]: undefined })).toThrow(new RegExp(`^${name}: ${field} must .*undefined$`));
    expect(make({ ...args, [field]: 'some' })).toThrow(new RegExp(`^${name}: ${field} must .*"?some"?$`));
  }
});

test.each([
  ['qkNorm', () => new Attention({ numHeads: 2, qkvBias: true, qkNorm: true }), 'epsilon is missing'],
  ['pool map', () => new Pool({ pool: 'map', prefixTokens: 0 }), 'numHeads is missing'],
])('%s asks for fields of its own', (cause, make, message) => {
  expect(make).toThrow(`${message}, which ${cause} needs`);
});

test('a model of these layers is the same once tfjs has saved and loaded it', async () => {
  const images = image(8, 8, 3) as tfl.SymbolicTensor;
  let x = new PatchEmbed(patchArgs).apply(images);
  x = new Tokens(tokensArgs).apply(x);
  x = new Attention({ numHeads: 2, qkvBias: true, qkNorm: true, epsilon: 1e-6 }).apply(x);
  x = new Mlp({ hiddenDim: 16, activation: 'gelu_tanh' }).apply(x);
  x = new TransformerBlock({ ...blockArgs, activation: 'quick_gelu' }).apply(x);
  const mapArgs = { numHeads: 2, mlpDim: 16, activation: 'gelu_tanh', epsilon: 1e-6 } as const;
  x = new Pool({ pool: 'map', prefixTokens: 1, ...mapArgs }).apply(x);
  x = new Head({ units: 3 }).apply(x);
  const model = tfl.model({ inputs: images, outputs: x as tfl.SymbolicTensor });
  let saved: tf.io.ModelArtifacts | undefined;
  const info = { dateSaved: new Date(0), modelTopologyType: 'JSON' as const };
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = { ...artifacts, modelTopology: JSON.parse(JSON.stringify(artifacts.modelTopology)) };
      return { modelArtifactsInfo: info };
    }),
  );
  const loaded = await tfl.loadLayersModel(tf.io.fromMemory(saved!));
  const input = tf.randomNormal([2, 8, 8, 3], 0, 1, 'float32', 1);
  const [expected, found] = [model, loaded].map((one) => (one.predict(input) as tf.Tensor).dataSync());
  expect(found).toEqual(expected);
  tf.disposeVariables();
});
