/** What lies in a file around a model: it may be a part of another one. */
import { UserError } from '../src/errors.js';
import { sizeOf } from '../src/shape.js';
import type { Assumption } from './facts.js';
import type { FoundModel } from './findModel.js';

/** Up to three names, as they are said. */
export const someNames = (tensors: readonly { readonly name: string }[]) =>
  tensors
    .slice(0, 3)
    .map(({ name }) => name)
    .join(', ') + (tensors.length > 3 ? ', …' : '');

/** What a model takes and gives: channels of its input, and the widths of its tokens, features and logits. */
export interface Around {
  readonly inChans: number;
  readonly outputs: ReadonlySet<number>;
}

/**
 * A model with its own head may be a part of another one, which computes on from its logits or its tokens, adds tokens of
 * its own, makes its input, or reads the same images: what beside it fits its outputs or its input.
 */
export function checkAroundWhole(found: FoundModel, around: Around, file: string): void {
  if (found.chosen) return;
  const fitting = found.besideBody.filter(({ shape }) => fits(shape, around));
  if (fitting.length === 0) return;
  throw new UserError(
    `${file}: beside the ${found.naming.name} model ${JSON.stringify(found.shownPrefix)} and its head lie ` +
      `${someNames(fitting)}, which fit its outputs or its input: it may be a part of another model; ` +
      `--root ${rootOf(found)} takes it by itself`,
  );
}

const rootOf = ({ shownPrefix }: FoundModel) => shownPrefix.replace(/[./]$/, '');

/** Rows of tokens, features or logits; a convolution that makes or takes images; a change to their pixels. */
export function fits(shape: readonly number[], { inChans, outputs }: Around): boolean {
  // A number for each channel is a statistic of images.
  if (shape.length < 2 || sizeOf(shape) === inChans) return false;
  if (outputs.has(shape.at(-1)!)) return true;
  return shape.length === 3
    ? shape[0] === inChans
    : shape.length === 4 && shape.slice(0, 2).includes(inChans);
}

/**
 * What beside a model is not read and may change what it computes, and is said: statistics of a wrapper's own
 * normalisation, a factor behind the head, and, of a model with a head, all else that is no part of training.
 */
export function aroundModel(found: FoundModel, inChans: number, headless: boolean): Assumption[] {
  const { besideBody, chosen, weights } = found;
  const matching = (pattern: RegExp, size: number) =>
    besideBody.filter(({ name, shape }) => pattern.test(name) && sizeOf(shape) === size);
  const said: Assumption[] = [];
  const statistics = matching(/(^|[._])(mean|std|var|variance)$/, inChans);
  if (statistics.length > 0) {
    const why = `${someNames(statistics)} beside it may normalise images and is not read; --mean and --std say it`;
    said.push({ field: 'normalization', value: 'none in the model', why });
  }
  const factors = matching(/(^|[._])(temperature|temp|tau|scale|logit_scale|logit_bias)$/, 1);
  if (factors.length > 0) {
    const why = `${someNames(factors)} beside the model is not read`;
    said.push({ field: 'temperature', value: '1', why });
  }
  const explained = new Set([...statistics, ...factors]);
  const others = besideBody.filter((tensor) => !explained.has(tensor));
  if (others.length > 0 && !chosen && !headless && weights.has('head.kernel')) {
    const why = `${someNames(others)} beside the model and its head are not read: it may be a part of another model; --root ${rootOf(found)} takes it by itself`;
    said.push({ field: 'beside', value: 'left out', why });
  }
  return said;
}
