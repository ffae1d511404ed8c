/** The binary form of a program: what assembly/step.ts and assembly/program.ts read. */

/** The kinds of steps, by the numbers of assembly/program.ts. */
export const OPS = {
  linear: 0,
  splitHeads: 1,
  attention: 2,
  layerNorm: 3,
  swiglu: 4,
  addTokens: 5,
  copyRows: 6,
  meanTokens: 7,
  addScaled: 8,
  quantizedLinear: 9,
  attentionWeights: 10,
} as const;

export type OpName = keyof typeof OPS;

/** The fields of a step in their order, one word each (assembly/step.ts says what they are). */
const FIELDS = [
  'op',
  'x',
  'xStride',
  'xKind',
  'k',
  'n',
  'w',
  'bias',
  'activation',
  'scale',
  'residual',
  'residualStride',
  'y',
  'yStride',
  'yKind',
  'gamma',
  'beta',
  'epsilon',
  'panels',
  'rows',
  'p0',
  'p1',
  'p2',
  'p3',
  'p4',
  'p5',
  'p6',
  'p7',
  'p8',
  'p9',
  'p10',
  'p11',
] as const;

export type StepFields = { readonly [name in (typeof FIELDS)[number]]?: number };

export const STEP_BYTES = FIELDS.length * 4;
export const GROUP_BYTES = 32;

export interface GroupFields {
  /** Address of the first of its steps. */
  readonly steps: number;
  readonly count: number;
  readonly tiles: number;
  readonly rowParts: number;
  readonly columnParts: number;
  /** Tasks of the groups before it, and with its own. */
  readonly start: number;
  readonly end: number;
}

export function writeStep(step: StepFields, words: Int32Array): void {
  writeFields(FIELDS, step, words);
}

/** A word for each name, in their order; 0 for what is missing. `epsilon` is a float, all else are whole numbers. */
export function writeFields<Name extends string>(
  names: readonly Name[],
  fields: { readonly [name in Name]?: number },
  words: Int32Array,
): void {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  for (const [i, name] of names.entries()) {
    const value = fields[name] ?? 0;
    if (name === 'epsilon') floats[i] = value;
    else words[i] = value;
  }
}

export function writeGroup(group: GroupFields, words: Int32Array): void {
  const { steps, count, tiles, rowParts, columnParts, start, end } = group;
  words.set([steps, count, tiles, rowParts, columnParts, start, end, 0]);
}
