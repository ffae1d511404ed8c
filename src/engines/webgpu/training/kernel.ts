/** How the kernels of training are written: operands with a place and a stride of their own, and numbers in a uniform. */
import type { Operand } from '../../wasm/training/record.js';

/** An operand of a step, as its kernel sees it. */
export interface Use {
  readonly operand: Operand;
  /** Numbers of an element of the array: 4 where rows begin and end at multiples of four. */
  readonly width: 1 | 4;
  readonly write: boolean;
  /** Numbers from row to row, and before the first. */
  readonly stride: number;
  readonly offset: number;
}

/** A dispatch, before it is known where its operands lie. */
export interface KernelStep {
  /** WGSL. */
  readonly code: string;
  /** In the order of the bindings; behind them comes the uniform. */
  readonly uses: readonly Use[];
  /** What the uniform holds; empty if the kernel has none. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly grid: readonly [number, number, number];
  /** Of attention: numbers of a head, which it takes workgroup memory for. */
  readonly headSize?: number;
}

/** A number of a kernel's uniform: a whole one, or a float32. */
export type Field = number | { readonly float: number };

/** What gives the place of an operand's first row, in numbers from the begin of what is bound. */
export type OffsetOf = (operand: Operand) => number;

/** A row of `length` numbers of an operand, and of the rows behind it. */
export function rowsOf(operand: Operand, length: number, offset: number, write = false): Use {
  const stride = operand.stride / 4;
  const width = [length, stride, offset].every((count) => count % 4 === 0) ? 4 : 1;
  return { operand, width, write, stride, offset };
}

/** Number by number. */
export function numbersOf(use: Use): Use {
  return { ...use, width: 1 };
}

/**
 * A step. The body begins with a comment, what it is: a profile has it (bench/gpu/trainProfile.mjs). It finds operand NAME as an array of that name, the rest in the uniform `p`: each field, and of NAME
 * `NAMEBase` and `NAMEStride`, in elements of the array.
 */
export function kernelStep(
  operands: Readonly<Record<string, Use | undefined>>,
  fields: Readonly<Record<string, Field>>,
  body: string,
  grid: KernelStep['grid'],
): KernelStep {
  const given = Object.entries(operands).filter((entry): entry is [string, Use] => entry[1] !== undefined);
  const bindings = given.map(([name, { width, write }], i) => {
    const access = write ? 'read_write' : 'read';
    const type = width === 4 ? 'vec4<f32>' : 'f32';
    return `@group(0) @binding(${i}) var<storage, ${access}> ${name} : array<${type}>;`;
  });
  const places = given.flatMap(([name, { width, offset, stride }]): [string, Field][] => [
    [`${name}Base`, offset / width],
    [`${name}Stride`, stride / width],
  ]);
  const all = [...places, ...Object.entries(fields)];
  const members = all.map(([name, value]) => `${name} : ${typeof value === 'number' ? 'u32' : 'f32'},`);
  const code = [
    ...bindings,
    `struct Numbers { ${members.join(' ')} }`,
    `@group(0) @binding(${given.length}) var<uniform> p : Numbers;`,
    body,
  ].join('\n');
  const words = new Uint32Array(Math.ceil(all.length / 4) * 4);
  const floats = new Float32Array(words.buffer);
  for (const [i, [, value]] of all.entries()) {
    if (typeof value === 'number') words[i] = value;
    else floats[i] = value.float;
  }
  return { code, uses: given.map(([, use]) => use), words, grid };
}

/** Where a row of an operand begins, in elements; an expression of `row`. */
function rowStart(name: string): string {
  return `p.${name}Base + row * p.${name}Stride`;
}

/**
 * `fn NAMEAt(row, i)`: numbers 4i … 4i+3 of a row of an operand. Read number by number, those at `length` (an expression)
 * and beyond are zero; with a width of 4, `i` must be within the row.
 */
export function rowReader(name: string, { width }: Use, length: string, start = rowStart(name)): string {
  if (width === 4) {
    return `fn ${name}At(row : u32, i : u32) -> vec4<f32> { return ${name}[${start} + i]; }`;
  }
  return `
fn ${name}At(row : u32, i : u32) -> vec4<f32> {
  var values = vec4<f32>(0.0);
  let start = ${start};
  for (var j = 0u; j < 4u; j++) { if (4u * i + j < ${length}) { values[j] = ${name}[start + 4u * i + j]; } }
  return values;
}`;
}

/** `fn NAMEWrite(row, i, values)`, likewise; `adds`: to what is there. */
export function rowWriter(
  name: string,
  { width }: Use,
  length: string,
  adds = false,
  start = rowStart(name),
): string {
  const assign = adds ? '+=' : '=';
  if (width === 4) {
    return `fn ${name}Write(row : u32, i : u32, values : vec4<f32>) { ${name}[${start} + i] ${assign} values; }`;
  }
  return `
fn ${name}Write(row : u32, i : u32, values : vec4<f32>) {
  let start = ${start};
  for (var j = 0u; j < 4u; j++) { if (4u * i + j < ${length}) { ${name}[start + 4u * i + j] ${assign} values[j]; } }
}`;
}
