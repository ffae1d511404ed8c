import type { Facts } from './facts.js';
import type { ModelTables } from './modelTables.js';

/** What is told of a model beside its tensors. */
export interface ArchitectureHints {
  /** Name of a model, or `auto`. */
  readonly model: string;
  /** Input size in pixels that was asked for. */
  readonly imgSize?: readonly [number, number];
  /** Whether a pooler that lies between the body and a classifier is a part of the way (transformers has both). */
  readonly pooler?: boolean;
  /** Whether the heads are not wanted. */
  readonly headless?: boolean;
  readonly facts: Facts;
  /** Published models by their names. */
  readonly tables: ModelTables;
}
