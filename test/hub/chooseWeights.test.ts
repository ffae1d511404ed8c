import { expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { chooseWeights } from '../../src/hub/chooseWeights.js';

const TRAINING = [
  'optimizer.pt',
  'optimizer.bin',
  'scheduler.pt',
  'scaler.pt',
  'rng_state.pth',
  'rng_state_0.pth',
  'rng_state_1.pth',
  'training_args.bin',
  'trainer_state.json',
];
const OTHER_FRAMEWORKS = ['model.onnx', 'tf_model.h5', 'flax_model.msgpack', 'README.md', 'config.json'];

test.each([
  ['model.safetensors', ['pytorch_model.bin', 'model.safetensors', 'model.safetensors.index.json', 'x.pth']],
  [
    'model.safetensors.index.json',
    [
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
      'pytorch_model.bin',
    ],
  ],
  ['pytorch_model.bin', ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'other.safetensors']],
  ['pytorch_model.bin.index.json', ['pytorch_model.bin.index.json', 'other.safetensors']],
  ['open_clip_model.safetensors', ['open_clip_model.safetensors', 'open_clip_pytorch_model.bin']],
  ['deit.pth', ['deit.pth']],
  ['model-00001-of-00001.safetensors', ['model-00001-of-00001.safetensors']],
  ['a.pt', ['a.pt']],
  ['B_16.npz', ['B_16.npz']],
  ['last.ckpt', ['last.ckpt']],
  ['best.pth.tar', ['best.pth.tar', 'sub/other.pth']],
  [
    'mp_rank_00_model_states.pt',
    ['mp_rank_00_model_states.pt', 'bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt', 'sampler.bin'],
  ],
  [
    'model.safetensors.index.fp16.json',
    ['model.fp16-00001-of-00002.safetensors', 'model.safetensors.index.fp16.json'],
  ],
  ['only.bin', ['only.bin', 'adapter_model.bin', 'onnx/model.safetensors']],
])('%s of %j', (chosen, names) => {
  expect(chooseWeights(names)).toBe(chosen);
  expect(chooseWeights([...TRAINING, ...names, ...OTHER_FRAMEWORKS].reverse())).toBe(chosen);
});

test.each([
  [
    ['a.safetensors', 'b.safetensors'],
    'several files could be the weights: a.safetensors, b.safetensors; name one',
  ],
  [['a.pth', 'b.npz'], 'several files could be the weights: a.pth, b.npz; name one'],
  [[...TRAINING], `no weights were found; there are ${TRAINING.join(', ')}`],
  [['model.onnx'], 'no weights were found; there are model.onnx'],
  [
    ['.metadata', '__0_0.distcp', '__1_0.distcp'],
    '__0_0.distcp is a part of a distributed checkpoint, which is not read; join it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER whole.pth',
  ],
  [[], 'no weights were found; the folder is empty'],
  [
    ['sub/model.safetensors'],
    'no weights were found; in folders below there are sub/model.safetensors; name one',
  ],
  [
    ['model-00001-of-00002.safetensors', 'config.json'],
    'no weights were found; there are parts of weights without the index that joins them (*.index.json): ' +
      'model-00001-of-00002.safetensors',
  ],
  [
    ['adapter_model.safetensors', 'adapter_config.json'],
    'adapter_model.safetensors is an adapter, a change to another model; merge it into that model and save the whole',
  ],
  [
    Array.from({ length: 14 }, (_, i) => `${i}.pth`),
    'several files could be the weights: 0.pth, 1.pth, 2.pth, 3.pth, 4.pth, 5.pth, 6.pth, 7.pth, 8.pth, 9.pth, ' +
      '10.pth, 11.pth and 2 more; name one',
  ],
])('%j: refused', (names, message) => {
  expect(() => chooseWeights(names)).toThrow(new UserError(message));
});
