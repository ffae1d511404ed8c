/** test/fixtures/make_closed_forms.py: what torch and timm compute. */
import { readFileSync } from 'node:fs';

/** Two weights of the optimizer's cases, as nested arrays. */
interface Weights {
  readonly matrix: number[][];
  readonly vector: number[];
}

export const closedForms = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/train/closedForms.json', import.meta.url), 'utf8'),
) as {
  start: Weights;
  gradients: Weights[];
  optimizers: {
    lr: number;
    beta1: number;
    beta2: number;
    eps: number;
    weightDecay: number;
    clipGrad: number | null;
    norms: number[];
    after: Weights[];
  }[];
  losses: {
    head: number[][];
    dist: number[][];
    teacher: number[][];
    targets: number[][];
    cases: { type: 'none' | 'soft' | 'hard'; alpha: number; tau: number; total: number }[];
  };
  /** By model, by PyTorch's name of a parameter. */
  decays: Record<string, Record<string, boolean>>;
  /** The same, PyTorch's shape. */
  shapes: Record<string, Record<string, number[]>>;
  activations: Record<'x' | 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'silu' | 'relu' | 'tanh', number[]>;
  dropPathRates: number[];
  resampled: {
    start: [number, number];
    end: [number, number];
    antialias: boolean;
    grid: number[];
    out: number[];
  }[];
};
