import type { VitConfig } from '../src/families/vit/config.js';

/** transformers' names of activations (ACT2FN) that this family has. */
export const activations: Readonly<Record<string, NonNullable<VitConfig['activation']>>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_accurate: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_python_tanh: 'gelu_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
};
