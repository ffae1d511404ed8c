/** The first model's worker. It starts before anything else of the page does, as its library takes longest to come. */
import { ModelWorker } from './client.js';

let first: ModelWorker | undefined = new ModelWorker();

/** The worker that waits for a model, or another one. */
export function takeWorker(): ModelWorker {
  const worker = first ?? new ModelWorker();
  first = undefined;
  return worker;
}
