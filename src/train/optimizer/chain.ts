import type { GradientStep, OptimizerState } from './types.js';

/** Steps one after the other, as one. Their slots must have different names. */
export function chain(...steps: readonly GradientStep[]): GradientStep {
  const slots = steps.flatMap((step) => step.slots);
  if (new Set(slots).size !== slots.length) throw new Error(`two steps keep a slot of one name: ${slots}`);
  return {
    slots,
    apply(gradients, context) {
      let updates = gradients;
      let state: OptimizerState = context.state;
      for (const step of steps) {
        const result = step.apply(updates, { ...context, state });
        updates = result.updates;
        if (result.state) state = { ...state, ...result.state };
      }
      return { updates, state };
    },
  };
}
