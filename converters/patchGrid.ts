import { UserError } from '../src/errors.js';
import type { ArchitectureHints } from './architectureHints.js';
import type { Assumption, Facts } from './facts.js';

interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** Whether prefix tokens have positions, and registers among them. */
  readonly prefix: boolean;
  readonly registers: boolean;
}

/** Position embeddings that do not stand for patches: their number, and which tokens they are for. */
interface Slots {
  readonly count: number;
  readonly prefix: boolean;
  readonly registers: boolean;
}

/** Code bases whose class and distillation tokens have positions and whose registers have none, in every model. */
const ONE_LAYOUT: ReadonlySet<string> = new Set([
  'huggingface',
  'torchvision',
  'google',
  'dino',
  'moco',
  'mae',
]);

/** What is known of a model's tokens. */
export interface TokenLayout {
  readonly classToken: boolean;
  readonly distilled: boolean;
  readonly registers: number;
  /** The code base whose names the tensors have. */
  readonly library: string;
  /** The name of the position embeddings there. */
  readonly positions: string;
}

/** The ways in which prefix tokens may have positions, likeliest first. */
function slotsOf(
  { special, registers, library, positions }: TokenLayout & { special: number },
  { facts }: ArchitectureHints,
): Slots[] {
  const told = facts.config.posEmbedPrefix;
  const usual = { count: special, prefix: special > 0, registers: false };
  const none = { count: 0, prefix: false, registers: false };
  // big_vision adds them before the class token, vision_transformer's module of its own behind it.
  if (library === 'google' && special > 0 && !positions.includes('posembed_input')) return [none, usual];
  const others = [
    ...(registers > 0 ? [{ count: special + registers, prefix: true, registers: true }] : []),
    ...(special > 0 ? [none] : []),
  ];
  return [usual, ...(ONE_LAYOUT.has(library) ? [] : others)].filter(
    ({ prefix }) => told === undefined || prefix === told.value || special === 0,
  );
}

/** The grid that position embeddings were made for: with or without slots for the prefix tokens. */
export function patchGrid(
  positions: number,
  tokens: TokenLayout,
  patch: readonly [height: number, width: number],
  hints: ArchitectureHints,
  file: string,
  assumptions: Assumption[],
): Grid {
  const special = Number(tokens.classToken) + Number(tokens.distilled);
  const all = slotsOf({ ...tokens, special }, hints);
  const told = hints.facts.config.imgSize;
  for (const { count, ...slots } of all) {
    const grid = told && gridOf(told.value, patch, positions - count);
    if (grid) return { ...grid, ...slots };
  }
  // Of two readings as squares the size that is wanted says which, if it is of one alone.
  const wanted = hints.imgSize ?? hints.facts.preprocessing?.value.crop;
  const asked = all.filter(
    ({ count }) => wanted && isSquare(positions - count) && gridOf(wanted, patch, positions - count),
  );
  const readings = asked.length === 1 ? asked : all;
  for (const { count, ...slots } of readings) {
    const grid = likelyGrid(positions - count, patch, hints, assumptions);
    if (!grid) continue;
    if (isSquare(positions - count) && !(hints.imgSize && asked.length === 1))
      untoldSlots(all, { count, ...slots }, positions, hints.facts, tokens.library, assumptions);
    return { ...grid, ...slots };
  }
  throw new UserError(
    `${file}: pos_embed has ${positions} positions, which is no square grid with or without ${special + tokens.registers} prefix token(s); ` +
      'give the input size it was made for as --img-size HEIGHTxWIDTH',
  );
}

const isSquare = (patches: number) => Math.sqrt(patches) % 1 === 0;

/** The grid of an input size in pixels, if it has this many patches. */
function gridOf(
  [height, width]: readonly [number, number],
  patch: readonly [number, number],
  patches: number,
): { rows: number; columns: number } | undefined {
  const [rows, columns] = [Math.floor(height / patch[0]), Math.floor(width / patch[1])];
  return rows * columns === patches && rows > 0 ? { rows, columns } : undefined;
}

/** A square grid of this many patches, or that of the size that was asked for, which is said where both would do. */
function likelyGrid(
  patches: number,
  patch: readonly [number, number],
  { imgSize, facts }: ArchitectureHints,
  assumptions: Assumption[],
): { rows: number; columns: number } | undefined {
  const side = Math.round(Math.sqrt(patches));
  const asked = imgSize && gridOf(imgSize, patch, patches);
  if (side <= 0 || side * side !== patches) return asked;
  if (!asked || asked.rows === side || facts.config.imgSize) return { rows: side, columns: side };
  assumptions.push({
    field: 'imgSize',
    value: imgSize.join('×'),
    why: `the position embeddings are as many as ${asked.rows}×${asked.columns} patches and are taken for that grid; ${side}×${side} would be resampled`,
  });
  return asked;
}

/** Whether prefix tokens have positions is told by what makes a square grid; where more than one does, or not the usual, it is said. */
function untoldSlots(
  slots: readonly Slots[],
  taken: Slots,
  positions: number,
  { config }: Facts,
  library: string,
  assumptions: Assumption[],
): void {
  if (config.posEmbedPrefix) return;
  const squares = slots.filter(({ count }) => count < positions && isSquare(positions - count));
  const usual = taken.prefix || slots.length === 1 || library === 'google';
  if (squares.length === 1 && usual) return;
  const side = Math.sqrt(positions - taken.count);
  const others = slots
    .filter(({ count }) => count !== taken.count && positions > count)
    .map(({ count }) => `${positions - count} patches and ${count} prefix token(s)`);
  assumptions.push({
    field: 'posEmbedPrefix',
    value: String(taken.prefix),
    why: `${positions} positions are taken for ${side}×${side} patches and ${taken.count} prefix token(s), not for ${others.join(', ')}; --img-size says which`,
  });
}
