import type { VitConfig } from '../families/vit/config.js';
import { forward, headLogits, type VitOps } from '../families/vit/forward.js';
import { embeddingForward } from './embedding.js';
import { inspectionForward } from './inspectionForward.js';

/** Forward passes that a whole-model engine offers, by the name of what they give: one row an image each. */
export interface EngineOutputs {
  /** What `predict` gives: [B, classes]. */
  logits<V>(ops: VitOps<V>, images: V): V;
  /** The rows of embeddingForward. */
  embedding<V>(ops: VitOps<V>, images: V): V;
  /** Every head's logits side by side. */
  heads<V>(ops: VitOps<V>, images: V): V;
}

/** Of an engine that gives attention weights, the rows of inspectionForward too. */
export interface WatchingOutputs extends EngineOutputs {
  inspection<V>(ops: VitOps<V>, images: V): V;
}

export function watchingOutputs(config: VitConfig): WatchingOutputs {
  const inspection = <V>(ops: VitOps<V>, images: V) => inspectionForward(ops, config, images);
  return { ...engineOutputs(config), inspection };
}

export function engineOutputs(config: VitConfig): EngineOutputs {
  return {
    logits: (ops, images) => forward(ops, config, images, { outputTokensOnly: true }),
    embedding: (ops, images) => embeddingForward(ops, config, images),
    heads: (ops, images) => headLogits(ops, config, images),
  };
}
