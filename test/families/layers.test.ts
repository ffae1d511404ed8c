import { beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { UserError } from '../../src/errors.js';
import { Head } from '../../src/families/vit/layers/head.js';
import { PatchEmbed } from '../../src/families/vit/layers/patchEmbed.js';
import { Pool } from '../../src/families/vit/layers/pool.js';
import { Tokens } from '../../src/families/vit/layers/tokens.js';

beforeAll(() => tf.setBackend('cpu'));

const tokensArgs = { distilled: false, regTokens: 0, name: 'tokens' };
const patchArgs = { patchSize: 4, embedDim: 8, name: 'patch_embed' };

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
    () => new Tokens(tokensArgs as never).apply(image(null, 8)),
    'axis 1 known, axis 2 known',
  ],
  [
    'tokens of an open width',
    () => new Head({ units: 2, name: 'head' }).apply(image(null)),
    'a known last axis',
  ],
  ['features for tokens', () => new Pool({ pool: 'avg', name: 'pool' } as never).apply(image(8)), '3 axes'],
])('a layer that is given %s says so', (_, apply, message) => {
  expect(apply).toThrow(UserError);
  expect(apply).toThrow(message);
});

test('a layer of known axes takes the same input', () => {
  const tokens = new PatchEmbed({ ...patchArgs, name: 'patch_embed' }).apply(image(8, 8, 3));
  expect((tokens as tfl.SymbolicTensor).shape).toEqual([null, 4, 8]);
  tf.disposeVariables();
});
