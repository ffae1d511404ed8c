/** The MLP's non-linearities and their derivatives as TensorFlow's operations. */
import type { Activation } from '../../../ops/interface.js';
import type { Nodes } from './nodes.js';

export interface Activated {
  readonly y: string;
  /** What the derivative reads. */
  readonly keeps: readonly string[];
  /** The gradient before the activation, by that behind it. */
  back(dy: string, kept: readonly string[]): string;
}

export const activations: Readonly<Record<Activation, (n: Nodes, z: string) => Activated>> = {
  /** y = z Φ(z); Φ(z) = ½ (1 + erf u), u = z / √2; y′ = Φ(z) + u e^(−u²) / √π. */
  gelu(n, z) {
    const u = n.times(z, Math.SQRT1_2);
    const phi = n.times(n.add(n.op('Erf', [u]), n.scalar(1)), 0.5);
    return {
      y: n.mul(z, phi),
      keeps: [u, phi],
      back(dy, [u, phi]) {
        const bell = n.op('Exp', [n.op('Neg', [n.op('Square', [u!])])]);
        const slope = n.add(n.times(n.mul(u!, bell), 1 / Math.sqrt(Math.PI)), phi!);
        return n.mul(dy, slope);
      },
    };
  },
  /** y = z p; p = ½ (1 + t), t = tanh(a (z + c z³)); y′ = p + ½ z (1 − t²) a (1 + 3 c z²). */
  gelu_tanh(n, z) {
    const [a, c] = [Math.sqrt(2 / Math.PI), 0.044715];
    const square = n.op('Square', [z]);
    const inner = n.mul(n.times(z, a), n.add(n.times(square, c), n.scalar(1)));
    const t = n.op('Tanh', [inner]);
    const p = n.times(n.add(t, n.scalar(1)), 0.5);
    return {
      y: n.mul(z, p),
      keeps: [z, t],
      back(dy, [z, t]) {
        const p = n.times(n.add(t!, n.scalar(1)), 0.5);
        const growth = n.times(n.add(n.times(n.op('Square', [z!]), 3 * c), n.scalar(1)), a / 2);
        const bend = n.sub(n.scalar(1), n.op('Square', [t!]));
        return n.mul(dy, n.add(p, n.mul(n.mul(z!, growth), bend)));
      },
    };
  },
  /** y = z s, s = sigmoid(1.702 z). */
  quick_gelu: (n, z) => sigmoidGate(n, z, 1.702),
  silu: (n, z) => sigmoidGate(n, z, 1),
  relu(n, z) {
    const y = n.op('Relu', [z]);
    return { y, keeps: [y], back: (dy, [y]) => n.op('ReluGrad', [dy, y!]) };
  },
  tanh(n, z) {
    const y = n.op('Tanh', [z]);
    return { y, keeps: [y], back: (dy, [y]) => n.op('TanhGrad', [y!, dy]) };
  },
};

/** y = z s, s = sigmoid(a z); y′ = s + a z s (1 − s). */
function sigmoidGate(n: Nodes, z: string, a: number): Activated {
  const s = n.op('Sigmoid', [a === 1 ? z : n.times(z, a)]);
  return {
    y: n.mul(z, s),
    keeps: [z, s],
    back(dy, [z, s]) {
      const bend = n.op('SigmoidGrad', [s!, a === 1 ? z! : n.times(z!, a)]);
      return n.mul(dy, n.add(s!, bend));
    },
  };
}
