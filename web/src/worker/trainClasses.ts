/** Heads for classes of one's own, by the library's training, and the model with them as a checkpoint. */

import type { Preprocessing } from '../../../src/image/types.js';
import type { HeadWeights } from '../../../src/train/trainHead.js';
import type { Deit } from './modelHost.js';
import type { OwnClasses, TrainedClasses } from './protocol.js';

type Model = Awaited<ReturnType<Deit['load']>>;
type Examples = Pick<OwnClasses, 'features' | 'labels' | 'names'>;

/** One example in so many of each class is held out of a first training. */
const HELD_OUT = 5;
const STEPS = 200;
/** Steps between which the worker hears whether it is to stop. */
const STEPS_AT_ONCE = 10;

interface Watch {
  readonly signal: AbortSignal;
  readonly onProgress: (fraction: number) => void;
}

/** @throws UserError if neither timm nor facebookresearch/deit has such a model, so that nothing could be saved */
export async function trainClasses(
  deit: Deit,
  model: Model,
  { preprocessing, ...examples }: Examples & { readonly preprocessing: Preprocessing },
  watch: Watch,
): Promise<TrainedClasses> {
  await deit.exportStateDict(model); // says at once if it cannot be
  const heldOut = await tryHeldOut(deit, model, examples, half(watch, 0));
  const { heads, loss } = await train(deit, model, examples, half(watch, 1));
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const options = { heads, labels: examples.names, preprocessing };
  for await (const chunk of await deit.exportStateDict(model, options)) chunks.push(chunk.slice());
  return { checkpoint: new Blob(chunks), loss, heldOut };
}

/** Progress in the first or the second half of the bar. */
function half({ signal, onProgress }: Watch, place: number): Watch {
  return { signal, onProgress: (fraction) => onProgress((place + fraction) / 2) };
}

async function train(
  deit: Deit,
  model: Model,
  { features, labels, names }: Examples,
  { signal, onProgress }: Watch,
): Promise<{ heads: HeadWeights; loss: number }> {
  let loss = Number.NaN;
  const heads = await deit.trainHead(
    model,
    { features, labels, numClasses: names.length },
    {
      steps: STEPS,
      signal,
      onStep: async (done, now) => {
        loss = now;
        if (done % STEPS_AT_ONCE > 0) return;
        onProgress(done / STEPS);
        await new Promise((resolve) => setTimeout(resolve));
      },
    },
  );
  return { heads, loss };
}

/** How well heads do on examples that they were not trained on. */
async function tryHeldOut(
  deit: Deit,
  model: Model,
  { features, labels, names }: Examples,
  watch: Watch,
): Promise<TrainedClasses['heldOut']> {
  const held = heldOutOf(labels);
  if (held.size === 0) return undefined;
  const part = (isHeld: boolean) => {
    const places = [...labels.keys()].filter((i) => held.has(i) === isHeld);
    return { features: places.map((i) => features[i]!), labels: places.map((i) => labels[i]!), names };
  };
  const { heads } = await train(deit, model, part(false), watch);
  const test = part(true);
  const answers = deit.headAnswers(heads, test.features);
  const correct = answers.filter(
    (logits, i) => logits.indexOf(Math.max(...logits)) === test.labels[i],
  ).length;
  return { correct, total: held.size };
}

/** Every fifth example of each class, or none if a class has fewer than five. */
function heldOutOf(labels: readonly number[]): Set<number> {
  const seen = new Map<number, number>();
  const held = new Set<number>();
  for (const [i, label] of labels.entries()) {
    const count = (seen.get(label) ?? 0) + 1;
    seen.set(label, count);
    if (count % HELD_OUT === 0) held.add(i);
  }
  return [...seen.values()].every((count) => count >= HELD_OUT) ? held : new Set();
}
