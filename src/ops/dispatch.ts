import * as tf from '@tensorflow/tfjs-core';

/** Whether the current backend has a kernel of this name (see kernelNames.ts). */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Gradients by input name, computed only when asked for. */
export type LazyGradients<Names extends string> = Record<Names, () => tf.Tensor>;

type Inputs<Names extends string> = Record<Names, tf.Tensor | undefined>;

/** What a forward pass has computed: its result, and what the gradient would otherwise compute once more. */
export interface Forward<T extends tf.Tensor> {
  value: T;
  kept?: Kept;
}

/** Tensors by name; absent ones are computed again. */
export type Kept = Readonly<Record<string, tf.Tensor | undefined>>;

/**
 * Runs a kernel of the current backend.
 *
 * @param inputs those that are undefined are left out
 */
export function runKernel<T extends tf.Tensor>(
  name: string,
  inputs: Record<string, tf.Tensor | undefined>,
  attrs: tf.NamedAttrMap,
): T {
  const given = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor !== undefined));
  return tf.engine().runKernel(name, given as tf.NamedTensorMap, attrs) as unknown as T;
}

/**
 * Runs `compute` with a gradient written out, in place of the one that tfjs would derive op by op.
 *
 * tf.registerGradient would not do: it cannot save inputs of which some are absent, nor what the forward pass found.
 *
 * @param inputs those that are undefined have no gradient
 * @param gradient given dy, the inputs as they were and what the forward pass kept, the gradient of each input
 */
export function withGradient<T extends tf.Tensor, Names extends string>(
  inputs: Inputs<Names>,
  compute: () => Forward<T>,
  gradient: (dy: T, inputs: Inputs<Names>, kept: Kept) => LazyGradients<Names>,
): T {
  const names = (Object.keys(inputs) as Names[]).filter((key) => inputs[key] !== undefined);
  const given = names.map((key) => inputs[key] as tf.Tensor);
  const run = tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as tf.GradSaveFunc;
    const { value, kept = {} } = compute();
    const keptNames = Object.keys(kept).filter((key) => kept[key] !== undefined);
    save([...given, ...keptNames.map((key) => kept[key] as tf.Tensor)]);
    return {
      value,
      gradFunc: (dy: T, saved: tf.Tensor[]) => {
        const at = (keys: readonly string[], from: number) =>
          Object.fromEntries(keys.map((key, i) => [key, saved[from + i]]));
        const grads = gradient(dy, at(names, 0) as Inputs<Names>, at(keptNames, names.length));
        return names.map((key) => grads[key]()) as tf.Tensor[];
      },
    };
  });
  return run(...given) as T;
}
