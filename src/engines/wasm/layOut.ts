/** Turns a recording into a program: groups of steps, tasks, and a place in memory for each operand. */
import { aligned, allocate, LINE } from './allocate.js';
import type { Operand, RecordedStep, Recording, Tiles } from './record.js';
import { GROUP_BYTES, OPS, STEP_BYTES, writeGroup, writeStep } from './words.js';

/** How the values of an operand lie (assembly/step.ts). */
const ROWS_SHARED = 0;
const ROWS_OWN = 1;
const PANELS_OWN = 2;

/**
 * What the rows of a task may take in a thread's own memory. They stream past every panel of weights: from the second-
 * level cache at best, and from the third still faster than weights come from memory, which more tasks would read again.
 */
const OWN_BYTES = 4_000_000;

/**
 * Weights of a row of layers that caches keep from one task to the next. Where there are more, few rows are not divided
 * among threads, but the columns of each product, so that each weight is read once.
 */
const CACHED_WEIGHTS = 4_000_000;

/** Tiles of rows with which a product makes up for reading its weights from memory: those of a 224-pixel image. */
const TILES_PER_TASK = 33;

/** Tiles of rows for each thread below which columns are divided in any case: threads would be idle at the end. */
const TILES_PER_THREAD = 4;

/** Multiplications and additions of a task where tasks are all that a thread can pause between: some 10 ms. */
const SLICE_FLOPS = 4e8;

/** Tasks for each thread where columns are divided. */
const COLUMN_TASKS = 2;

/** Bytes at the head of a thread's own memory (assembly/linear.ts). */
const MEMO_BYTES = 64;

export interface Program {
  /** Steps and groups, to be written to `start`. */
  readonly words: Int32Array<ArrayBuffer>;
  readonly start: number;
  /** Address and number of the groups. */
  readonly groups: number;
  readonly count: number;
  readonly tasks: number;
  /** Where the memory of the first thread begins, and how many bytes each has: what steps lay out, then scratch. */
  readonly own: number;
  readonly ownBytes: number;
  readonly threadBytes: number;
  /** Where the images are to be written, and where the output is: a row an image. */
  readonly images: number;
  readonly output: number;
  /** Floats of a row of the output, and those between rows. */
  readonly width: number;
  readonly stride: number;
  /** The first address past all that the program uses. */
  readonly end: number;
}

interface Group {
  readonly steps: RecordedStep[];
  /** Index of its first step. */
  readonly first: number;
  readonly tiles: number;
  rowParts: number;
  columnParts: number;
}

/** An operand's life: groups and steps from its first to its last use. */
interface Life {
  readonly operand: Operand;
  firstGroup: number;
  lastGroup: number;
  firstStep: number;
  lastStep: number;
  kind: number;
  offset: number;
}

/**
 * @param start the first address that the program may use
 * @param threads most threads that will run it
 * @param sliced whether tasks are to be short, for a thread that gives way to other work between them
 */
export function layOut(
  recording: Recording,
  tiles: Tiles,
  start: number,
  threads: number,
  sliced = false,
): Program {
  const groups = makeGroups(recording.steps, tiles, threads);
  const lives = livesOf(recording, groups);
  for (const [g, group] of groups.entries()) placeOwn(group, g, lives);
  const ownOf = groups.map((group, g) => layOutOwn(group, g, lives, tiles, threads, sliced));
  const ownBytes = Math.max(...ownOf.map(({ bytes }) => bytes), LINE);
  const scratch = Math.max(...groups.map((group) => scratchBytes(group)), LINE);
  const threadBytes = ownBytes + aligned(scratch);

  const programStart = aligned(start);
  const steps = recording.steps.length;
  const groupsAt = programStart + steps * STEP_BYTES;
  const own = aligned(groupsAt + groups.length * GROUP_BYTES);
  // One thread more: the calling one, which may compute while the others do.
  const arena = own + (threads + 1) * threadBytes;
  const shared = [...lives.values()].filter(
    ({ kind, operand }) => kind === ROWS_SHARED && !isPlaced(operand),
  );
  const { offsets, bytes } = allocate(
    shared.map(({ operand, firstGroup, lastGroup }) => ({
      bytes: operand.bytes,
      first: firstGroup,
      last: lastGroup,
    })),
  );
  for (const [i, life] of shared.entries()) life.offset = arena + offsets[i]!;
  const addressOf = (operand: Operand): number => operand.weight ?? lives.get(placeOf(operand))!.offset;

  const places = { groups, ownOf, lives, addressOf, programStart, groupsAt };
  const { words, tasks } = writeProgram(places);
  const { output } = recording;
  return {
    words,
    start: programStart,
    groups: groupsAt,
    count: groups.length,
    tasks,
    own,
    ownBytes,
    threadBytes,
    images: addressOf(recording.images),
    output: addressOf(output.operand),
    width: output.width,
    stride: output.operand.stride / 4,
    end: arena + bytes,
  };
}

/** Where everything of a program lies. */
interface Places {
  readonly groups: ReturnType<typeof makeGroups>;
  readonly ownOf: readonly ReturnType<typeof layOutOwn>[];
  readonly lives: ReturnType<typeof livesOf>;
  readonly addressOf: (operand: Operand) => number;
  /** Address of the first step. */
  readonly programStart: number;
  /** Address of the first group. */
  readonly groupsAt: number;
}

/** The steps and behind them the groups, as the engine reads them, and the number of all tasks. */
function writeProgram(places: Places): { words: Int32Array<ArrayBuffer>; tasks: number } {
  const { groups, programStart, groupsAt } = places;
  const words = new Int32Array((groupsAt - programStart) / 4 + groups.length * (GROUP_BYTES / 4));
  let tasks = 0;
  for (const [g, group] of groups.entries()) {
    const before = tasks;
    tasks += group.rowParts * group.columnParts;
    const steps = programStart + group.first * STEP_BYTES;
    const { tiles, rowParts, columnParts } = group;
    const at = (groupsAt - programStart + g * GROUP_BYTES) / 4;
    writeGroup(
      { steps, count: group.steps.length, tiles, rowParts, columnParts, start: before, end: tasks },
      words.subarray(at, at + GROUP_BYTES / 4),
    );
    for (const i of group.steps.keys()) {
      const word = ((group.first + i) * STEP_BYTES) / 4;
      writeStep(stepFields(places, g, i), words.subarray(word, word + STEP_BYTES / 4));
    }
  }
  return { words, tasks };
}

/** The fields of step i of group g. */
function stepFields(
  { groups, ownOf, lives, addressOf }: Places,
  g: number,
  i: number,
): Record<string, number> {
  const group = groups[g]!;
  const step = group.steps[i]!;
  const fields: Record<string, number> = { ...step.fields, op: OPS[step.op], panels: ownOf[g]!.panels[i]! };
  for (const [name, operand] of Object.entries({ ...step.reads, ...step.writes })) {
    fields[name] = addressOf(operand);
  }
  const kind = (operand: Operand | undefined) => (operand ? (lives.get(operand)?.kind ?? 0) : 0);
  fields.xKind = kind(step.reads.x);
  fields.yKind = kind(step.writes.y);
  if ('heads' in step.over) fields.p10 = group.rowParts / step.over.heads;
  return fields;
}

/** Consecutive steps over the same rows go together, unless their columns are divided. */
function makeGroups(steps: readonly RecordedStep[], tiles: Tiles, threads: number): Group[] {
  const groups: Group[] = [];
  const divided = dividesColumns(steps, tiles, threads);
  let open = '';
  for (const [i, step] of steps.entries()) {
    const { over } = step;
    if ('heads' in over) {
      const parts = partsOfHead(over.heads, over.groups, threads);
      const tasks = over.heads * parts;
      groups.push({ steps: [step], first: i, tiles: tasks, rowParts: tasks, columnParts: 1 });
      open = '';
      continue;
    }
    const count = Math.ceil(over.rows / tiles.rows);
    const alone = divided.has(step);
    const key = alone ? '' : `${over.imageRows} ${over.rows}`;
    if (key !== '' && key === open) {
      groups.at(-1)!.steps.push(step);
    } else {
      const columnParts = alone ? columnPartsOf(step, tiles, threads) : 1;
      groups.push({ steps: [step], first: i, tiles: count, rowParts: 1, columnParts });
    }
    open = key;
  }
  return groups;
}

/** Into how many ranges of queries a head is cut, so that few heads keep all threads busy to the end. */
function partsOfHead(heads: number, groups: number, threads: number): number {
  if (threads < 2) return 1;
  return Math.max(1, Math.min(Math.ceil((8 * threads) / heads), groups));
}

/** The products whose columns are divided among threads. */
function dividesColumns(steps: readonly RecordedStep[], tiles: Tiles, threads: number): Set<RecordedStep> {
  const divided = new Set<RecordedStep>();
  if (threads < 2) return divided;
  // Products between two attentions.
  let layers: { step: RecordedStep; count: number; bytes: number }[] = [];
  const decide = () => {
    const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
    for (const { step, count } of layers) {
      const least = bytes > CACHED_WEIGHTS ? TILES_PER_TASK : TILES_PER_THREAD;
      if (count < least * threads) divided.add(step);
    }
    layers = [];
  };
  for (const step of steps) {
    if ('heads' in step.over) decide();
    else if (isProduct(step)) {
      const count = Math.ceil(step.over.rows / tiles.rows);
      const bytes = step.op === 'linear' ? 4 : 1;
      layers.push({ step, count, bytes: step.fields.k! * step.fields.n! * bytes });
    }
  }
  decide();
  return divided;
}

function columnPartsOf(step: RecordedStep, tiles: Tiles, threads: number): number {
  const panels = Math.ceil(step.fields.n! / tiles.columns);
  return Math.min(panels, COLUMN_TASKS * threads);
}

function isProduct({ op }: RecordedStep): boolean {
  return op === 'linear' || op === 'quantizedLinear';
}

/** The operand whose memory another's is: itself, or one that it takes the place of. */
function placeOf(operand: Operand): Operand {
  return operand.inPlaceOf ? placeOf(operand.inPlaceOf) : operand;
}

function isPlaced(operand: Operand): boolean {
  return operand.weight !== undefined || operand.inPlaceOf !== undefined;
}

function livesOf({ images, output, steps }: Recording, groups: readonly Group[]): Map<Operand, Life> {
  const groupOf = groups.flatMap((group, g) => group.steps.map(() => g));
  const lives = new Map<Operand, Life>();
  const use = (operand: Operand, step: number) => {
    const group = groupOf[step]!;
    const life = lives.get(operand);
    if (life) {
      life.lastGroup = group;
      life.lastStep = step;
    } else {
      lives.set(operand, {
        operand,
        firstGroup: group,
        lastGroup: group,
        firstStep: step,
        lastStep: step,
        kind: ROWS_SHARED,
        offset: 0,
      });
    }
  };
  use(images, 0);
  for (const [i, step] of steps.entries()) {
    for (const operand of [...Object.values(step.reads), ...Object.values(step.writes)]) use(operand, i);
  }
  use(output.operand, steps.length - 1);
  // An operand takes another's place only if no step reads the other after it is made, and its own step reads it as what
  // it adds alone: other tasks of the step may come later.
  const left = new Set(steps.flatMap(({ reads }) => (reads.x === reads.residual ? [reads.x] : [])));
  for (const [operand, life] of lives) {
    const other = operand.inPlaceOf;
    if (!other) continue;
    const free =
      other.weight === undefined &&
      other !== images &&
      !left.has(other) &&
      lives.get(other)!.lastStep <= life.firstStep;
    if (!free) operand.inPlaceOf = undefined;
  }
  for (const [operand, life] of lives) {
    if (!operand.inPlaceOf) continue;
    const place = lives.get(placeOf(operand))!;
    place.lastGroup = Math.max(place.lastGroup, life.lastGroup);
  }
  return lives;
}

/** Operands that only one group uses, over the same rows, lie in the threads' own memory. */
function placeOwn(group: Group, g: number, lives: ReadonlyMap<Operand, Life>): void {
  if (group.columnParts > 1) return;
  for (const step of group.steps) {
    const y = step.writes.y!;
    if (!(isProduct(step) || step.op === 'swiglu') || isPlaced(y)) continue;
    const life = lives.get(y)!;
    if (life.firstGroup !== g || life.lastGroup !== g) continue;
    const readers = group.steps.filter(({ reads }) => Object.values(reads).includes(y));
    const takesOwn = (reader: RecordedStep) =>
      reader.reads.x === y &&
      reader.reads.residual !== y &&
      (isProduct(reader) || reader.op === 'swiglu' || reader.op === 'splitHeads');
    if (readers.length === 0 || !readers.every(takesOwn)) continue;
    const takesPanels = ({ op, fields }: RecordedStep) => op === 'linear' && !fields.gamma;
    life.kind = step.op === 'linear' && readers.every(takesPanels) ? PANELS_OWN : ROWS_OWN;
  }
}

/** Divides a group's rows into tasks, and lays out what a task needs of a thread's own memory. */
function layOutOwn(
  group: Group,
  g: number,
  lives: ReadonlyMap<Operand, Life>,
  tiles: Tiles,
  threads: number,
  sliced: boolean,
): { bytes: number; panels: number[] } {
  const spans: { bytes: number; first: number; last: number; place: (offset: number) => void }[] = [];
  const panels = group.steps.map(() => 0);
  for (const [i, step] of group.steps.entries()) {
    const at = group.first + i;
    const y = step.writes.y && lives.get(step.writes.y)!;
    if (y && y.kind !== ROWS_SHARED && y.firstGroup === g) {
      const place = (offset: number) => {
        y.offset = offset;
      };
      spans.push({ bytes: y.operand.stride * tiles.rows, first: y.firstStep, last: y.lastStep, place });
    }
    if (step.panelTile > 0 && (lives.get(step.reads.x!)?.kind ?? ROWS_SHARED) !== PANELS_OWN) {
      const place = (offset: number) => {
        panels[i] = offset;
      };
      spans.push({ bytes: step.panelTile, first: at, last: at, place });
    }
  }
  const perTile = allocate(spans).bytes;
  const over = group.steps[0]!.over;
  if (!('heads' in over)) {
    const parts = rowPartsOf(group, perTile, threads);
    group.rowParts = sliced ? Math.min(group.tiles, Math.max(parts, slicesOf(group))) : parts;
  }
  const most = Math.ceil(group.tiles / group.rowParts);
  const whole = spans.map(({ bytes, ...span }) => ({ ...span, bytes: bytes * most + LINE }));
  const { offsets, bytes } = allocate(whole);
  for (const [i, span] of spans.entries()) span.place(MEMO_BYTES + offsets[i]!);
  return { bytes: MEMO_BYTES + bytes, panels };
}

function rowPartsOf(group: Group, bytesPerTile: number, threads: number): number {
  const { tiles, columnParts } = group;
  const fitting = Math.max(1, Math.floor(OWN_BYTES / Math.max(bytesPerTile, 1)));
  const parts = Math.ceil(tiles / fitting);
  if (threads < 2 || columnParts > 1) return Math.min(parts, tiles);
  // As many tasks for each thread. Two, where they are large enough: one that is kept from its core then holds up less.
  const least = tiles < 2 * threads * TILES_PER_TASK ? threads : 2 * threads;
  return Math.min(tiles, Math.ceil(Math.max(parts, least) / threads) * threads);
}

/** Into how many parts a group's rows are cut so that each is short. */
function slicesOf(group: Group): number {
  const flops = group.steps
    .filter(isProduct)
    .reduce((sum, { fields }) => sum + 2 * fields.rows! * fields.k! * fields.n!, 0);
  return Math.ceil(flops / SLICE_FLOPS);
}

function scratchBytes(group: Group): number {
  const most = Math.ceil(group.tiles / group.rowParts);
  return Math.max(...group.steps.map(({ scratch }) => scratch.fixed + most * scratch.perTile));
}
