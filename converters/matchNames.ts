import { VIT_NORMS, VIT_TENSORS, type VitPart } from '../src/families/vit/weights.js';
import type { CheckpointTensor } from './formats/types.js';
import type { Naming, Part, Rows, Source } from './namings/index.js';

/** Where one part of a weight lies. */
export interface Located {
  readonly tensor: CheckpointTensor;
  /** Rows of it, in thirds. */
  readonly thirds?: readonly [number, number];
  /** Index along its first axis, where blocks are stacked. */
  readonly stacked?: number;
}

/** A weight that a name may be a part of. */
interface Row {
  /** Our name of the weight, with `*` for numbers, e.g. `blocks.*.attn.qkv.kernel`. */
  readonly ours: string;
  /** Which of the places that are tried in turn. */
  readonly source: number;
  readonly part: number;
  readonly parts: number;
  readonly thirds?: readonly [number, number];
  readonly branch?: number;
}

/** A naming's rows by the names there, for the body and for what follows the name of a block. */
interface Index {
  readonly body: ReadonlyMap<string, readonly Row[]>;
  readonly block: ReadonlyMap<string, readonly Row[]>;
}

type Ending = readonly [ours: string, theirs: string];

/** The endings of a part's weights: ours and the naming's. */
export function endingsOf(part: string, naming: Pick<Naming, 'layout'>): readonly [Ending, ...Ending[]] {
  if ((VIT_TENSORS as readonly string[]).includes(part)) return [['', '']];
  const flax = naming.layout === 'flax';
  if ((VIT_NORMS as readonly string[]).includes(part)) {
    return flax
      ? [
          ['.gamma', '/scale'],
          ['.beta', '/bias'],
        ]
      : [
          ['.gamma', '.weight'],
          ['.beta', '.bias'],
        ];
  }
  return flax
    ? [
        ['.kernel', '/kernel'],
        ['.bias', '/bias'],
      ]
    : [
        ['.kernel', '.weight'],
        ['.bias', '.bias'],
      ];
}

/** A module's name with an ending: `in_proj_` and `.weight` are `in_proj_weight`. */
export function withEnding(module: string, ending: string): string {
  return module.endsWith('_') && ending.startsWith('.') ? module + ending.slice(1) : module + ending;
}

export const partsOf = (source: Source): readonly [Part, ...Part[]] =>
  isOnePart(source) ? [source] : source;
const isOnePart = (source: Source): source is Part => !Array.isArray(source);
export const nameOf = (part: Part): string => (typeof part === 'string' ? part : part.name);
const thirdsOf = (part: Part) => (typeof part !== 'string' && 'thirds' in part ? part.thirds : undefined);
const branchOf = (part: Part) => (typeof part !== 'string' && 'branch' in part ? part.branch : undefined);

const indices = new WeakMap<Naming, Index>();

function indexOf(naming: Naming): Index {
  const known = indices.get(naming);
  if (known) return known;
  const [body, block] = [new Map<string, Row[]>(), new Map<string, Row[]>()];
  for (const [part, sources] of Object.entries(naming.rows) as [VitPart, readonly Source[]][]) {
    const map = part.startsWith('blocks.*.') ? block : body;
    for (const [ours, theirs] of endingsOf(part, naming)) {
      for (const [source, from] of sources.entries()) {
        const parts = partsOf(from);
        for (const [i, piece] of parts.entries()) {
          const name = withEnding(nameOf(piece), theirs);
          const [thirds, branch] = [thirdsOf(piece), branchOf(piece)];
          const row = { ours: part + ours, source, part: i, parts: parts.length, thirds, branch };
          map.set(name, [...(map.get(name) ?? []), row]);
        }
      }
    }
  }
  const index = { body, block };
  indices.set(naming, index);
  return index;
}

/** Where a weight lies: one tensor or several. */
export type Parts = readonly [Located, ...Located[]];

/** The tensors of a model's body, told apart by a naming. */
export interface Matched {
  /** Our name of a weight, e.g. `blocks.0.attn.qkv.kernel` → where its parts lie, which are put one below the other. */
  readonly weights: Map<string, Parts>;
  /** Tensors that no output depends on. */
  readonly dropped: CheckpointTensor[];
  /** Tensors of the body that the naming does not have. */
  readonly unknown: CheckpointTensor[];
  /** Of weights that come in parts, of which some are there: the names there of the parts that are not. */
  readonly missingKeys: Set<string>;
  readonly numBlocks: number;
  /** Whether there is a tensor that no other naming has. */
  readonly tells: boolean;
}

/** A checkpoint with more blocks than this is not a vision transformer (the deepest published has 56). */
const MAX_BLOCKS = 1000;

/** A tensor and its name in the body. */
export interface BodyTensor {
  readonly name: string;
  readonly tensor: CheckpointTensor;
}

type PartsFound = (Located | undefined)[];
type Whole = PartsFound & [Located, ...Located[]];

/** Places of our weights as they fill: of each the sources that may be tried, of each source its parts. */
class Places {
  readonly byName = new Map<string, PartsFound[]>();

  /** Puts a tensor where a naming's rows say. `numbers` stand for the `*` of our names, in their order. */
  put(rows: readonly Row[], numbers: readonly number[], located: Located): void {
    for (const row of rows) {
      const left = row.branch === undefined ? [...numbers] : [...numbers, row.branch];
      const ours = row.ours.replace(/\*/g, () => String(left.shift()));
      const sources = this.byName.get(ours) ?? [];
      this.byName.set(ours, sources);
      const parts = sources[row.source] ?? new Array<Located | undefined>(row.parts).fill(undefined);
      sources[row.source] = parts;
      parts[row.part] = { ...located, ...(row.thirds ? { thirds: row.thirds } : {}) };
    }
  }
}

/** One look at each name: time grows with their number. */
export function matchNames(naming: Naming, body: readonly BodyTensor[]): Matched {
  const index = indexOf(naming);
  const places = new Places();
  let numBlocks = 0;
  let tells = false;
  const dropped: CheckpointTensor[] = [];
  const unknown: CheckpointTensor[] = [];
  for (const { name, tensor } of body) {
    if (naming.tell?.test(name)) tells = true;
    const blocks = putTensor(naming, index, places, name, tensor);
    if (blocks !== undefined) numBlocks = Math.max(numBlocks, blocks);
    else (naming.dropped.some((pattern) => pattern.test(name)) ? dropped : unknown).push(tensor);
  }
  return { ...settle(naming, places.byName, unknown), dropped, numBlocks, tells };
}

/** Puts a tensor in its place; gives how many blocks it shows that there are, undefined if the naming has no such name. */
function putTensor(
  naming: Naming,
  { body, block }: Index,
  places: Places,
  name: string,
  tensor: CheckpointTensor,
): number | undefined {
  const direct = body.get(name);
  if (direct) {
    places.put(direct, [], { tensor });
    return 0;
  }
  const inBlock = blockOf(naming, name);
  const found = inBlock && blockRow(block, inBlock.rest);
  if (!found) return undefined;
  if (inBlock.index !== undefined) {
    places.put(found.rows, [inBlock.index, ...found.numbers], { tensor });
    return inBlock.index + 1;
  }
  // The blocks' weights behind each other along a first axis.
  const depth = Math.min(tensor.shape[0] ?? 0, MAX_BLOCKS);
  for (let i = 0; i < depth; i++) places.put(found.rows, [i, ...found.numbers], { tensor, stacked: i });
  return depth;
}

/** The number of a block and the rest of a name; no number where blocks are stacked. */
function blockOf(naming: Naming, name: string): { index?: number; rest: string } | undefined {
  for (const start of naming.blocks) {
    if (!name.startsWith(start)) continue;
    const rest = name.slice(start.length);
    if (naming.layout === 'flax' && start.endsWith('/')) return { rest };
    // FSDP's chunks of blocks (DINOv2) have two numbers, the second being the block's.
    const match = /^(?:\d{1,4}\.(?=\d))?(\d{1,4})[./](.+)$/.exec(rest);
    const [, index, inside] = match ?? [];
    if (inside !== undefined && Number(index) < MAX_BLOCKS) return { index: Number(index), rest: inside };
  }
  return undefined;
}

function blockRow(
  rows: ReadonlyMap<string, readonly Row[]>,
  rest: string,
): { rows: readonly Row[]; numbers: number[] } | undefined {
  const direct = rows.get(rest);
  if (direct) return { rows: direct, numbers: [] };
  const match = /^([a-z]+\.)(\d{1,4})(\..+)$/.exec(rest);
  const branch = match && rows.get(`${match[1]}*${match[3]}`);
  return branch ? { rows: branch, numbers: [Number(match[2])] } : undefined;
}

/** Whether every part was found: a source that was not tried is a hole in the list. */
const isWhole = (parts: PartsFound | undefined): parts is Whole =>
  parts !== undefined && parts.length > 0 && parts.every((part) => part !== undefined);

/** Of the places of a weight the first that is whole; what else was found is unknown, or a part of what is missing. */
function settle(
  naming: Naming,
  places: ReadonlyMap<string, PartsFound[]>,
  unknown: CheckpointTensor[],
): Pick<Matched, 'weights' | 'unknown' | 'missingKeys'> {
  const weights = new Map<string, Parts>();
  const missingKeys = new Set<string>();
  const used = new Set<CheckpointTensor>();
  const spare = new Set<CheckpointTensor>();
  for (const [ours, sources] of places) {
    const whole = sources.find(isWhole);
    if (whole) weights.set(ours, whole);
    for (const part of whole ?? []) used.add(part.tensor);
    sources.forEach((parts, source) => {
      if (parts === whole) return;
      if (whole) {
        for (const part of parts) if (part) spare.add(part.tensor);
        return;
      }
      // Of query, key and value some are there: it is the others that are missing, not these that are too many.
      for (const part of parts) if (part) used.add(part.tensor);
      const names = expectedNames(naming, ours, source);
      for (const [i, name] of names.entries()) if (!parts[i]) missingKeys.add(name);
    });
  }
  return { weights, missingKeys, unknown: [...unknown, ...[...spare].filter((tensor) => !used.has(tensor))] };
}

/** Our name with `*` for the numbers of blocks and branches, and the numbers. */
function patternOf(ours: string): { pattern: string; numbers: string[] } {
  const numbers: string[] = [];
  const pattern = ours.replace(/(?<=^blocks\.|\.attns\.|\.ffns\.)\d+(?=\.)/g, (number) => {
    numbers.push(number);
    return '*';
  });
  return { pattern, numbers };
}

/** The places where a weight stands in a naming, and the ending of its name there; undefined if it has none. */
function placesOf(
  naming: Naming,
  pattern: string,
): { part: string; sources: readonly Source[]; ending: string } | undefined {
  const all: Rows = { ...naming.beside, ...naming.rows };
  for (const [part, sources] of Object.entries(all) as [VitPart, readonly Source[]][]) {
    if (!pattern.startsWith(part) || sources.length === 0) continue;
    const ending = endingsOf(part, naming).find(([ours]) => part + ours === pattern)?.[1];
    if (ending !== undefined) return { part, sources, ending };
  }
  return undefined;
}

/** Whether a naming has a weight. */
export function hasRow(naming: Naming, ours: string): boolean {
  return placesOf(naming, patternOf(ours).pattern) !== undefined;
}

/** The names in the body that the parts of a weight have, or would have. */
export function expectedNames(naming: Naming, ours: string, source = 0): string[] {
  const { pattern, numbers } = patternOf(ours);
  const place = placesOf(naming, pattern);
  if (!place) return [ours];
  const { part, sources, ending } = place;
  const separator = naming.layout === 'flax' ? '/' : '.';
  const block = part.startsWith('blocks.*.') ? `${naming.blocks[0]}${numbers[0]}${separator}` : '';
  const isOwn = (piece: Part) => [undefined, Number(numbers[1])].includes(branchOf(piece));
  const own = sources.filter((from) => partsOf(from).every(isOwn));
  return partsOf(own[Math.min(source, own.length - 1)] ?? sources[0]!).map(
    (piece) => block + withEnding(nameOf(piece), ending).replace('*', numbers[1] ?? '*'),
  );
}
