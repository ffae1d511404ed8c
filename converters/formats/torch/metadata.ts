import {
  MAX_METADATA_CHARACTERS,
  MAX_METADATA_LENGTH,
  MAX_METADATA_VALUES,
  MAX_STATE_VALUES,
} from '../limits.js';

export type PlainValue = string | number | boolean | null;

/** Top-level parts of a training checkpoint that hold a run's state by the thousand values, and no facts of the model. */
const STATE = /^[^.]*(optim|sched|scaler|amp|message_hub|loops|callbacks|rng|random_state)/i;

/** Plain values by dotted path, as many as limits.ts allows. What is left out is state first, then what comes last. */
export class Metadata {
  /** No prototype: a key named `__proto__` is a key like any other. */
  readonly values: Record<string, PlainValue> = Object.create(null);
  #count = 0;
  #stateCount = 0;
  #characters = 0;

  add(path: string, value: PlainValue | bigint): void {
    const length = path.length + (typeof value === 'string' ? value.length : 0);
    if (path === '' || (typeof value === 'string' && value.length > MAX_METADATA_LENGTH)) return;
    if (this.#count === MAX_METADATA_VALUES || this.#characters + length > MAX_METADATA_CHARACTERS) return;
    if (STATE.test(path)) {
      if (this.#stateCount === MAX_STATE_VALUES) return;
      this.#stateCount += 1;
    }
    this.#count += 1;
    this.#characters += length;
    this.values[path] = typeof value === 'bigint' ? String(value) : value;
  }
}
