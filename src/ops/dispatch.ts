import * as tf from '@tensorflow/tfjs-core';

/** Whether the current backend has a kernel of this name (see kernelNames.ts). */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Gradients by input name, computed only when asked for. */
export type LazyGradients<Names extends string> = Record<Names, () => tf.Tensor>;

type Inputs<Names extends string> = Record<Names, tf.Tensor | undefined>;

/**
 * Runs a kernel of the current backend with a gradient. Inputs that are undefined are left out.
 *
 * tf.registerGradient would not do: it cannot save inputs of which some are absent.
 *
 * @param gradient given dy and the inputs as they were, the gradient of each input
 */
export function runKernel<T extends tf.Tensor, Names extends string>(
  name: string,
  inputs: Inputs<Names>,
  attrs: tf.NamedAttrMap,
  gradient: (dy: T, inputs: Inputs<Names>) => LazyGradients<Names>,
): T {
  const compute = (given: Inputs<Names>) =>
    tf.engine().runKernel(name, given as tf.NamedTensorMap, attrs) as unknown as T;
  return runWithGradient(inputs, compute, gradient);
}

/** Runs `compute` with a gradient of one's own in place of the one that tfjs would derive. As runKernel. */
export function runWithGradient<T extends tf.Tensor, Names extends string>(
  inputs: Inputs<Names>,
  compute: (inputs: Inputs<Names>) => T,
  gradient: (dy: T, inputs: Inputs<Names>) => LazyGradients<Names>,
): T {
  const names = (Object.keys(inputs) as Names[]).filter((key) => inputs[key] !== undefined);
  const byName = (tensors: tf.Tensor[]) =>
    Object.fromEntries(names.map((key, i) => [key, tensors[i]])) as Record<Names, tf.Tensor>;
  const run = tf.customGrad((...args) => {
    const tensors = args.slice(0, -1) as tf.Tensor[];
    const save = args[args.length - 1] as unknown as tf.GradSaveFunc;
    save(tensors);
    return {
      value: compute(byName(tensors)),
      gradFunc: (dy: T, saved: tf.Tensor[]) => {
        const grads = gradient(dy, byName(saved));
        return names.map((key) => grads[key]()) as tf.Tensor[];
      },
    };
  });
  return run(...names.map((key) => inputs[key] as tf.Tensor)) as T;
}
