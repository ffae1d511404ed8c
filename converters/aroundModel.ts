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

/**
 * A model with its own head may be a part of another one, which computes on from its logits or its tokens, or makes its
 * input: a matrix beside it that fits its outputs, a convolution that gives as many channels as it takes.
 */
export function checkAroundWhole(
  found: FoundModel,
  { inChans, outputs }: { inChans: number; outputs: ReadonlySet<number> },
  file: string,
): void {
  if (found.chosen) return;
  const around = found.besideBody.filter(
    ({ name, shape }) =>
      !OPTIMIZER_STATE.test(name) &&
      ((shape.length === 2 && outputs.has(shape[1]!)) || (shape.length === 4 && shape[0] === inChans)),
  );
  if (around.length === 0) return;
  throw new UserError(
    `${file}: beside a whole ${found.naming.name} model (${JSON.stringify(found.shownPrefix)}, with its head) lie ` +
      `${someNames(around)}, which fit its outputs or its input, so that it may be a part of another model; ` +
      `--root ${found.shownPrefix.replace(/[./]$/, '')} takes it by itself`,
  );
}

/** What optimisers keep of each weight, in its shape. */
const OPTIMIZER_STATE = /(^|\.)(\w*exp_avg\w*|exp_inf|momentum_buffer|square_avg|acc_delta|grad_avg|z)$/;

/** Statistics of a wrapper's own normalisation, and a factor behind the head, are not a part of the model: they are said. */
export function aroundModel({ besideBody }: FoundModel, inChans: number): Assumption[] {
  const statistics = besideBody.filter(
    ({ name, shape }) => /(^|[._])(mean|std|var|variance)$/.test(name) && sizeOf(shape) === inChans,
  );
  const factors = besideBody.filter(
    ({ name, shape }) => /(^|[._])(temperature|temp|logit_bias)$/.test(name) && sizeOf(shape) === 1,
  );
  return [
    ...(statistics.length === 0
      ? []
      : [
          {
            field: 'normalization',
            value: 'none in the model',
            why: `${someNames(statistics)} beside it may be a wrapper’s own normalisation of images: it is not read; --mean and --std say it`,
          },
        ]),
    ...(factors.length === 0
      ? []
      : [
          {
            field: 'temperature',
            value: '1',
            why: `${someNames(factors)} beside the model is not read: logits are the model’s own`,
          },
        ]),
  ];
}
