/** What a model.json may say, and what is refused in one line before anything is built. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { useBackend } from '../../src/backend.js';
import { savedWeightName, weightSpecs } from '../../src/families/vit/weights.js';
import { checkModelJson } from '../../src/models/checkMetadata.js';
import { resolveConfig } from '../../src/models/create.js';
import { openLayersModelFolder } from '../../src/models/layersModelFolder.js';
import { loadFrom } from '../../src/models/load.js';
import { defaultPreprocessing } from '../../src/models/preprocessing.js';
import { timed } from '../timed.js';

const config = resolveConfig(
  { embedDim: 8, depth: 1, numHeads: 2, numClasses: 3, patchSize: 8, name: 'tiny' },
  { imgSize: 16 },
);

// biome-ignore lint/suspicious/noExplicitAny: fields are changed to anything
type Json = any;

function modelJson(): Json {
  const weights = weightSpecs(config).map(({ name, shape }) => ({
    name: savedWeightName(name),
    shape,
    dtype: 'float32',
  }));
  const deit = {
    architecture: config,
    preprocessing: defaultPreprocessing(config),
    labels: ['a', 'b', 'c'],
  };
  return structuredClone({
    format: 'layers-model',
    userDefinedMetadata: { deit },
    weightsManifest: [{ paths: ['weights.bin'], weights }],
  });
}

const bytes = weightSpecs(config).reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);

const open = (json: unknown, weights = new Uint8Array(bytes)) =>
  openLayersModelFolder({
    name: 'folder',
    read: async (path) => (path === 'model.json' ? new TextEncoder().encode(JSON.stringify(json)) : weights),
  });

beforeAll(() => useBackend('wasm'));

test('a folder as deit-convert writes it is taken', async () => {
  const model = await loadFrom(await open(modelJson()));
  expect(model.labels).toEqual(['a', 'b', 'c']);
  model.dispose();
});

test.each<[string, object, object]>([
  ['a patch that is not square', { patchSize: [8, 8] }, {}],
  ['a resize that is smaller than the crop', {}, { resize: { mode: 'short', size: 8 }, fill: [1, 2, 3] }],
  ['other resizes', {}, { resize: { mode: 'fit', height: 16, width: 16 }, interpolation: 'lanczos' }],
  ['no resize', {}, { resize: { mode: 'none' }, cropRounding: 'down', rescaleFactor: 1 / 127.5 }],
])('%s is taken', (_, architecture, preprocessing) => {
  const json = modelJson();
  Object.assign(json.userDefinedMetadata.deit.architecture, architecture);
  Object.assign(json.userDefinedMetadata.deit.preprocessing, preprocessing);
  expect(() => checkModelJson(json, 'folder')).not.toThrow();
});

test('a manifest of several groups, quantized weights and no labels are taken', () => {
  const json = modelJson();
  const [{ weights }] = json.weightsManifest;
  weights[0].quantization = { dtype: 'uint8', scale: 0.5, min: -1 };
  weights[1].quantization = { dtype: 'float16' };
  json.weightsManifest = weights.map((weight: Json, i: number) => ({
    paths: [`${i}.bin`],
    weights: [weight],
  }));
  delete json.userDefinedMetadata.deit.labels;
  expect(checkModelJson(json, 'folder').groups.length).toBe(weights.length);
});

const changes: Record<
  string,
  [(parts: Record<'json' | 'deit' | 'architecture' | 'preprocessing' | 'weights', Json>) => void, RegExp]
> = {
  'an epsilon that is missing': [
    ({ architecture }) => delete architecture.layerNormEps,
    /layerNormEps must be a number above 0, got undefined$/,
  ],
  'an epsilon of 0': [
    ({ architecture }) => (architecture.layerNormEps = 0),
    /layerNormEps must be a number above 0, got the number 0$/,
  ],
  'an epsilon below 0': [({ architecture }) => (architecture.layerNormEps = -1e-6), /layerNormEps/],
  'an epsilon as text': [
    ({ architecture }) => (architecture.layerNormEps = '1e-6'),
    /layerNormEps .*got the text "1e-6"$/,
  ],
  'an epsilon of NaN, which JSON has as null': [
    ({ architecture }) => (architecture.layerNormEps = Number.NaN),
    /layerNormEps .*got null$/,
  ],
  'a depth of 1e9': [
    ({ architecture }) => (architecture.depth = 1e9),
    /depth must be a whole number of 1…1000, got the number 1000000000$/,
  ],
  'a depth beyond the manifest': [
    ({ architecture }) => (architecture.depth = 999),
    /depth is 999, but the manifest lists only \d+ weights$/,
  ],
  'a depth of half a block': [({ architecture }) => (architecture.depth = 1.5), /depth/],
  'heads that do not divide the width': [
    ({ architecture }) => (architecture.numHeads = 3),
    /does not divide into 3 heads$/,
  ],
  'a width as text': [({ architecture }) => (architecture.embedDim = '8'), /embedDim .*got the text "8"$/],
  'a huge width': [({ architecture }) => (architecture.embedDim = 1e12), /embedDim must be at most 65536/],
  'a huge patch': [({ architecture }) => (architecture.patchSize = 1e9), /smaller than a patch/],
  'no input size': [({ architecture }) => delete architecture.imgSize, /imgSize must be \[height, width\]/],
  'an input size of one number': [({ architecture }) => (architecture.imgSize = 16), /imgSize/],
  'a huge input': [({ architecture }) => (architecture.imgSize = [1e6, 1e6]), /imgSize/],
  'distilled as text': [
    ({ architecture }) => (architecture.distilled = 'yes'),
    /distilled must be true or false, got the text "yes"$/,
  ],
  'an mlpRatio of 0': [
    ({ architecture }) => (architecture.mlpRatio = 0),
    /mlpRatio must be a number above 0/,
  ],
  'a layerScale as text': [
    ({ architecture }) => (architecture.layerScale = 'x'),
    /layerScale must be null or a number/,
  ],
  'a drop path rate as text': [({ architecture }) => (architecture.dropPathRate = '0'), /dropPathRate/],
  'a name that is none': [
    ({ architecture }) => (architecture.name = { a: 1 }),
    /name must be a text of one line, got an object with a$/,
  ],
  'a name that acts on terminals': [
    ({ architecture }) => (architecture.name = 'a\u001b[2J\nb'),
    /name must be a text of one line, got the text "a\\u001b\[2J\\nb"$/,
  ],
  'another quantization': [
    ({ architecture }) => (architecture.quantization = 'int4'),
    /quantization must be int8/,
  ],
  'an architecture that is a list': [
    ({ deit }) => (deit.architecture = [1]),
    /architecture must be an object, got \[1\]$/,
  ],
  'a std of 0': [
    ({ preprocessing }) => (preprocessing.std = [0, 0, 0]),
    /std must be three numbers above 0, got \[0, 0, 0\]$/,
  ],
  'a std of two numbers': [
    ({ preprocessing }) => (preprocessing.std = [1, 1]),
    /std must be three numbers above 0/,
  ],
  'no mean': [({ preprocessing }) => delete preprocessing.mean, /mean must be three numbers, got undefined$/],
  'a mean with null': [
    ({ preprocessing }) => (preprocessing.mean = [null, 0, 0]),
    /mean must be three numbers/,
  ],
  'a crop that is not the input size': [
    ({ preprocessing }) => (preprocessing.crop = [24, 24]),
    /crop is 24×24, the model’s input is 16×16$/,
  ],
  'no crop': [({ preprocessing }) => delete preprocessing.crop, /crop must be \[height, width\]/],
  'no resize': [({ preprocessing }) => delete preprocessing.resize, /resize must be \{mode/],
  'a resize to nothing': [
    ({ preprocessing }) => (preprocessing.resize = { mode: 'short', size: 0 }),
    /resize must be/,
  ],
  'another filter': [
    ({ preprocessing }) => (preprocessing.interpolation = 'cubic'),
    /interpolation must be one of nearest, .*got the text "cubic"$/,
  ],
  'a fill of text': [({ preprocessing }) => (preprocessing.fill = 'black'), /fill must be three levels/],
  'a rescale factor of 0': [
    ({ preprocessing }) => (preprocessing.rescaleFactor = 0),
    /rescaleFactor must be/,
  ],
  'a field of the preprocessing that nobody knows': [
    ({ preprocessing }) => (preprocessing.gamma = 2),
    /preprocessing has the field "gamma", which this release does not know; update it$/,
  ],
  'a field of the architecture that nobody knows': [
    ({ architecture }) => (architecture.rope = true),
    /architecture has the field "rope", which this release does not know; update it$/,
  ],
  'a patch of three sides': [({ architecture }) => (architecture.patchSize = [8, 8, 8]), /patchSize must be/],
  'a patch as text': [({ architecture }) => (architecture.patchSize = '8'), /patchSize must be/],
  'more parallel branches than weights': [
    ({ architecture }) => (architecture.parallel = 1000),
    /depth is 1, but the manifest lists only/,
  ],
  'a huge resize': [
    ({ preprocessing }) => (preprocessing.resize = { mode: 'short', size: 1e9 }),
    /resize must be/,
  ],
  'a preprocessing that is a text': [
    ({ deit }) => (deit.preprocessing = 'deit'),
    /preprocessing must be an object, got the text "deit"$/,
  ],
  'too few labels': [({ deit }) => (deit.labels = ['a', 'b']), /it has 2 labels, the model has 3 classes$/],
  'too many labels': [({ deit }) => (deit.labels = ['a', 'b', 'c', 'd']), /it has 4 labels/],
  'labels that are no texts': [
    ({ deit }) => (deit.labels = ['a', 2, 'c']),
    /labels\[1\] must be a text, got the number 2$/,
  ],
  'labels that are an object': [({ deit }) => (deit.labels = { 0: 'a' }), /labels must be a list of texts/],
  'no metadata': [({ json }) => delete json.userDefinedMetadata, /has no userDefinedMetadata\.deit/],
  'metadata that is a text': [
    ({ json }) => (json.userDefinedMetadata = 'deit'),
    /has no userDefinedMetadata\.deit/,
  ],
  'a manifest that is an object': [
    ({ json }) => (json.weightsManifest = {}),
    /weightsManifest must be a list/,
  ],
  'a group that is null': [
    ({ json }) => (json.weightsManifest = [null]),
    /weightsManifest\[0\] must be \{paths, weights\}, got null$/,
  ],
  'no paths': [({ json }) => delete json.weightsManifest[0].paths, /weightsManifest\[0\] must be/],
  'a shard in another folder': [
    ({ json }) => (json.weightsManifest[0].paths = ['../weights.bin']),
    /names of files in its folder, got the text "\.\.\/weights\.bin"$/,
  ],
  'a shard by an absolute path': [
    ({ json }) => (json.weightsManifest[0].paths = ['/etc/passwd']),
    /names of files in its folder/,
  ],
  'a shard of another server': [
    ({ json }) => (json.weightsManifest[0].paths = ['http://example.org/w']),
    /names of files in its folder/,
  ],
  'a shard behind encoded dots': [
    ({ json }) => (json.weightsManifest[0].paths = ['%2e%2e/w']),
    /names of files in its folder/,
  ],
  'a shard of Windows': [
    ({ json }) => (json.weightsManifest[0].paths = ['..\\w']),
    /names of files in its folder/,
  ],
  'a shard that is a number': [
    ({ json }) => (json.weightsManifest[0].paths = [1]),
    /names of files in its folder, got the number 1$/,
  ],
  'a shard twice': [({ json }) => (json.weightsManifest[0].paths = ['a', 'a']), /names a file twice$/],
  'a weight that is null': [
    ({ weights }) => (weights[0] = null),
    /weights\[0\] must be \{name, shape, dtype\}, got null$/,
  ],
  'a weight without a name': [
    ({ weights }) => delete weights[0].name,
    /weights\[0\]\.name must be a text of one line/,
  ],
  'a shape of NaN': [
    ({ weights }) => (weights[0].shape = [Number.NaN]),
    /shape of .* must be a list of whole numbers/,
  ],
  'a negative shape': [
    ({ weights }) => (weights[0].shape = [-8, -8]),
    /shape of .* must be a list of whole numbers/,
  ],
  'a huge shape': [
    ({ weights }) => (weights[0].shape = [1e9, 1e9]),
    /shape of .* must be that of a tensor in memory/,
  ],
  'a shape that is a text': [
    ({ weights }) => (weights[0].shape = '8,8,3,8'),
    /shape of .* must be a list of whole numbers/,
  ],
  'another shape': [
    ({ weights }) => (weights[1].shape = [9]),
    /patch_embed\.bias should have shape \[8\], model\.json says \[9\]/,
  ],
  'another dtype': [
    ({ weights }) => (weights[0].dtype = 'string'),
    /dtype of .* must be float32, got the text "string"$/,
  ],
  'another quantization of a weight': [
    ({ weights }) => (weights[0].quantization = { dtype: 'int4' }),
    /quantization of .* must be/,
  ],
  'a scale that is no number': [
    ({ weights }) => (weights[0].quantization = { dtype: 'uint8', scale: null, min: 0 }),
    /quantization of/,
  ],
  'a weight that is missing': [({ weights }) => weights.pop(), /lists no weight head\.bias/],
  'a weight twice': [
    ({ weights }) => weights.push(weights[0]),
    /lists patch_embed\/patch_embed\.kernel twice/,
  ],
  'weights that nothing asks for': [
    ({ weights }) => weights.push({ ...weights[0], name: 'x/a' }, { ...weights[0], name: 'x/b' }),
    /lists x\/a, which its architecture does not have, and 1 more/,
  ],
  'biases that the architecture has not': [
    ({ architecture }) => (architecture.qkvBias = false),
    /lists blocks\.0\/blocks\.0\.attn\.qkv\.bias, which its architecture does not have/,
  ],
};

test.each(Object.entries(changes))('%s', async (_, [change, message]) => {
  const json = modelJson();
  const { deit } = json.userDefinedMetadata;
  const { architecture, preprocessing } = deit;
  change({ json, deit, architecture, preprocessing, weights: json.weightsManifest[0].weights });
  const { value: error, busy } = await timed(() =>
    open(json).then(
      () => undefined,
      (reason: Error) => reason,
    ),
  );
  expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
  expect(error!.message).toMatch(/^(folder|tiny): [^\n]*$/);
  expect(busy).toBeLessThan(2);
});

test.each([
  ['null', 'null'],
  ['a list', '[]'],
  ['a number', '1'],
  ['a text', '"a"'],
])('%s for JSON', async (_, text) => {
  const read = async () => new TextEncoder().encode(text);
  await expect(openLayersModelFolder({ name: 'folder', read })).rejects.toMatchObject({ name: 'UserError' });
});

describe('values that are not finite', () => {
  test.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ])('%d is refused with the weight’s name', async (value) => {
    const weights = new Float32Array(bytes / 4);
    weights[8 * 8 * 3 * 8 + 5] = value;
    const source = await open(modelJson(), new Uint8Array(weights.buffer));
    await expect(loadFrom(source)).rejects.toThrow(
      `folder: weight patch_embed.bias holds ${value} at place 5; its training has diverged, or the file is damaged`,
    );
  });
});

test('weights that are not there take no memory', async () => {
  const json = modelJson();
  const { architecture } = json.userDefinedMetadata.deit;
  architecture.embedDim = 40_000;
  json.weightsManifest[0].weights = weightSpecs(architecture).map(({ name, shape }) => ({
    name: savedWeightName(name),
    shape,
    dtype: 'float32',
  }));
  const { busy } = await timed(async () =>
    expect(loadFrom(await open(json))).rejects.toThrow(
      /^folder: the weight files are shorter than model\.json says/,
    ),
  );
  expect(busy).toBeLessThan(2);
});

test('a model that WASM has no room for is refused before it is built', async () => {
  const huge = resolveConfig({ embedDim: 4096, depth: 24, numHeads: 32, numClasses: 3, name: 'huge' });
  const source = {
    family: 'vit' as const,
    config: huge,
    labels: undefined,
    preprocessing: defaultPreprocessing(huge),
    readWeight: async () => new Float32Array(),
    weightBytes: 0,
  };
  await expect(loadFrom(source, { backend: 'wasm' })).rejects.toThrow(
    /^huge: its weights take 18\.\d GiB, and WASM has less than 4; load it on another backend$/,
  );
});
