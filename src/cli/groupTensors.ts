/** Tensors of one shape and dtype whose names differ in one number, e.g. `blocks.0…11.attn.qkv.weight`. */
export interface TensorGroup {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly count: number;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** Groups tensors by the first number in their names; groups stand where their first tensor does. */
export function groupTensors(tensors: Iterable<Tensor>): TensorGroup[] {
  const groups = new Map<string, { first: Tensor; before: string; after: string; numbers: number[] }>();
  for (const tensor of tensors) {
    const parts = tensor.name.split('.');
    const at = parts.findIndex((part) => /^\d{1,6}$/.test(part));
    const before = parts.slice(0, Math.max(at, 0)).join('.');
    const after = at < 0 ? tensor.name : parts.slice(at + 1).join('.');
    const key = JSON.stringify([at < 0, before, after, tensor.shape, tensor.dtype]);
    const group = groups.get(key) ?? { first: tensor, before, after, numbers: [] };
    groups.set(key, group);
    if (at >= 0) group.numbers.push(Number(parts[at]));
  }
  return [...groups.values()].map(({ first: { name, shape, dtype }, before, after, numbers }) => {
    if (numbers.length < 2) return { name, shape, dtype, count: 1 };
    const path = [before, ranges(numbers), after].filter((part) => part !== '');
    return { name: path.join('.'), shape, dtype, count: numbers.length };
  });
}

/** `0…11`, `0,2,5…7` for whole numbers in any order. */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && n <= last[1] + 1) last[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}…${to}`)).join(',');
}
