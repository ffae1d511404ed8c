/** Turns recorded steps into programs: groups, tasks, and a place in memory for each operand. */
import { aligned, allocate, LINE } from '../allocate.js';
import type { RunnableProgram } from '../team.js';
import { GROUP_BYTES, writeGroup } from '../words.js';
import type { Operand, RecordedStep } from './record.js';
import { type FieldName, OPS, STEP_WORDS, TRANSPOSED, writeStep } from './steps.js';

/** What the compiled module says of itself. */
export interface Sizes {
  readonly rows: number;
  readonly columns: number;
  productOwnBytes(k: number, tiles: number, panels: number): number;
  productScratchBytes(k: number): number;
  attendScratchBytes(t: number, d: number): number;
  attendGradientScratchBytes(t: number, d: number): number;
  normScratchBytes(): number;
}

export interface Plan {
  readonly programs: readonly RunnableProgram[];
  addressOf(operand: Operand): number;
  /** Bytes of the operands. */
  readonly arenaBytes: number;
  /** The first address past all that the programs use. */
  readonly end: number;
}

interface Group {
  readonly steps: RecordedStep[];
  /** Operands that it reads, and that it writes. */
  readonly reads: Set<Operand>;
  readonly writes: Set<Operand>;
}

interface Division {
  readonly units: number;
  readonly rowParts: number;
  readonly columnParts: number;
}

/** The operand whose memory another's is part of. */
function rootOf(operand: Operand): Operand {
  return operand.within ? rootOf(operand.within.operand) : operand;
}

function offsetOf(operand: Operand): number {
  return operand.within ? operand.within.offset + offsetOf(operand.within.operand) : 0;
}

/**
 * Programs of one arena, run one after another: what one leaves there, the next may read.
 *
 * @param kept operands that hold what is given before the first program, or read after the last
 * @param start the first address that they may use
 */
export function planPrograms(
  parts: readonly (readonly RecordedStep[])[],
  kept: readonly Operand[],
  sizes: Sizes,
  start: number,
  threads: number,
): Plan {
  const groupsOf = parts.map(makeGroups);
  const all = groupsOf.flat();
  const lives = livesOf(all, kept);
  const divisions = new Map(
    all.flatMap(({ steps }) => steps.map((step) => [step, divide(step, sizes, threads)] as const)),
  );
  const needs = [...divisions].map(([step, division]) => needsOf(step, division, sizes));
  const ownBytes = aligned(Math.max(...needs.map(({ own }) => own), LINE));
  const threadBytes = ownBytes + aligned(Math.max(...needs.map(({ scratch }) => scratch), LINE));

  let next = aligned(start);
  const starts = groupsOf.map((groups) => {
    const steps = groups.reduce((sum, group) => sum + group.steps.length, 0);
    const at = next;
    next = aligned(next + steps * STEP_WORDS * 4 + groups.length * GROUP_BYTES);
    return { at, steps };
  });
  const own = next;
  // One thread more: the calling one.
  const arena = own + (threads + 1) * threadBytes;
  const roots = [...lives.keys()];
  const { offsets, bytes } = allocate(roots.map((root) => ({ bytes: root.bytes, ...lives.get(root)! })));
  const places = new Map(roots.map((root, i) => [root, arena + offsets[i]!]));
  const addressOf = (operand: Operand): number => {
    const root = rootOf(operand);
    return (root.address ?? places.get(root)!) + offsetOf(operand);
  };
  const programs = groupsOf.map((groups, i): RunnableProgram => {
    const { at, steps } = starts[i]!;
    const groupsAt = at + steps * STEP_WORDS * 4;
    const { words, tasks } = writeProgram(groups, divisions, addressOf, at, groupsAt);
    return { words, start: at, groups: groupsAt, count: groups.length, tasks, own, ownBytes, threadBytes };
  });
  return { programs, addressOf, arenaBytes: bytes, end: arena + bytes };
}

/** Consecutive steps that need nothing of each other go together. */
function makeGroups(steps: readonly RecordedStep[]): Group[] {
  const groups: Group[] = [];
  for (const step of steps) {
    const reads = Object.values(step.reads).map(rootOf);
    const writes = Object.values(step.writes).map(rootOf);
    const last = groups.at(-1);
    const free =
      last &&
      !reads.some((operand) => last.writes.has(operand)) &&
      !writes.some((operand) => last.writes.has(operand) || last.reads.has(operand));
    const group = free ? last : { steps: [], reads: new Set<Operand>(), writes: new Set<Operand>() };
    if (!free) groups.push(group);
    group.steps.push(step);
    for (const operand of reads) group.reads.add(operand);
    for (const operand of writes) group.writes.add(operand);
  }
  return groups;
}

/** The groups between which an operand of the arena is needed. */
function livesOf(
  groups: readonly Group[],
  kept: readonly Operand[],
): Map<Operand, { first: number; last: number }> {
  const lives = new Map<Operand, { first: number; last: number }>();
  for (const [g, { reads, writes }] of groups.entries()) {
    for (const operand of [...reads, ...writes]) {
      if (operand.address !== undefined) continue;
      const life = lives.get(operand);
      if (life) life.last = g;
      else lives.set(operand, { first: g, last: g });
    }
  }
  for (const operand of kept) lives.set(rootOf(operand), { first: 0, last: groups.length });
  return lives;
}

/** Tasks for each thread: enough that none waits long for the last. */
const TASKS = 4;
/** Tiles of rows of a product's task, at most: what is packed of them stays in the second-level cache. */
const TILES = 33;
/** Panels of columns likewise, where the inner dimension is cut: the sums so far are kept. */
const PANELS = 48;

function divide(step: RecordedStep, sizes: Sizes, threads: number): Division {
  const { op, units, fields } = step;
  // A matrix' gradient packs more than others, and its group goes on with that of the layer's input: larger tasks.
  const tasks = (fields.aKind === TRANSPOSED ? TASKS / 2 : TASKS) * threads;
  if (op !== 'product') return { units, rowParts: Math.max(1, Math.min(units, 2 * tasks)), columnParts: 1 };
  const tiles = Math.ceil(fields.m! / sizes.rows);
  const panels = Math.ceil(fields.n! / sizes.columns);
  const leastRows = Math.ceil(tiles / TILES);
  const leastColumns = Math.ceil(panels / PANELS);
  let best: Division | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let rowParts = leastRows; rowParts <= Math.min(tiles, Math.max(leastRows, tasks)); rowParts++) {
    const columnParts = Math.min(panels, Math.max(leastColumns, Math.ceil(tasks / rowParts)));
    // Rows are packed for each part of the columns, and columns for each part of the rows; few tasks leave threads idle.
    const idle = Math.max(0, tasks - rowParts * columnParts) * tiles * panels;
    const packed = tiles * sizes.rows * columnParts + panels * sizes.columns * rowParts + idle;
    if (packed >= least) continue;
    least = packed;
    best = { units: tiles, rowParts, columnParts };
  }
  return best!;
}

/** Bytes that a task needs of a thread's own memory. */
function needsOf(
  { op, fields }: RecordedStep,
  { units, rowParts, columnParts }: Division,
  sizes: Sizes,
): { own: number; scratch: number } {
  switch (op) {
    case 'product': {
      const panels = Math.ceil(Math.ceil(fields.n! / sizes.columns) / columnParts);
      return {
        own: sizes.productOwnBytes(fields.k!, Math.ceil(units / rowParts), panels),
        scratch: sizes.productScratchBytes(fields.k!),
      };
    }
    case 'attend':
      return { own: 0, scratch: sizes.attendScratchBytes(fields.p2!, fields.p1!) };
    case 'attendGradient':
      return { own: 0, scratch: sizes.attendGradientScratchBytes(fields.p2!, fields.p1!) };
    default:
      return { own: 0, scratch: sizes.normScratchBytes() };
  }
}

/** Fields that hold the stride of an operand. */
const STRIDES: Partial<Record<FieldName, FieldName>> = {
  a: 'aStride',
  b: 'bStride',
  y: 'yStride',
  z: 'zStride',
  residual: 'residualStride',
};

function writeProgram(
  groups: readonly Group[],
  divisions: ReadonlyMap<RecordedStep, Division>,
  addressOf: (operand: Operand) => number,
  start: number,
  groupsAt: number,
): { words: Int32Array<ArrayBuffer>; tasks: number } {
  const words = new Int32Array((groupsAt - start) / 4 + groups.length * (GROUP_BYTES / 4));
  let tasks = 0;
  let index = 0;
  for (const [g, { steps }] of groups.entries()) {
    const before = tasks;
    const first = start + index * STEP_WORDS * 4;
    for (const step of steps) {
      const { units, rowParts, columnParts } = divisions.get(step)!;
      const fields: Partial<Record<FieldName, number>> = {
        ...step.fields,
        op: OPS[step.op],
        units,
        rowParts,
        columnParts,
      };
      for (const [name, operand] of Object.entries({ ...step.reads, ...step.writes })) {
        fields[name as FieldName] = addressOf(operand);
        const stride = STRIDES[name as FieldName];
        if (stride) fields[stride] = operand.stride;
      }
      writeStep(fields, words.subarray(index * STEP_WORDS, (index + 1) * STEP_WORDS));
      tasks += rowParts * columnParts;
      index += 1;
    }
    const at = (groupsAt - start + g * GROUP_BYTES) / 4;
    writeGroup(
      { steps: first, count: steps.length, tiles: 0, rowParts: 1, columnParts: 1, start: before, end: tasks },
      words.subarray(at, at + GROUP_BYTES / 4),
    );
  }
  return { words, tasks };
}
