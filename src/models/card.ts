import type { VitConfig } from '../families/vit/config.js';

/** Accuracy on ImageNet-1k's validation set, in percent; null where the source gives none. */
export interface Accuracy {
  readonly top1: number | null;
  readonly top5: number | null;
}

/** A named model: its shape and what was published of it. Each file in configs/models holds one. */
export interface ModelCard {
  readonly config: VitConfig;
  /** Other names that mean this model, e.g. mmpretrain's. */
  readonly aliases: readonly string[];
  /** Name of the preprocessing preset with which its authors evaluated it. */
  readonly preset: string;
  /** URL of the checkpoint that its authors published; none is known of some. */
  readonly checkpoint?: string;
  /** Its whole SHA-256 in hexadecimal, where it is published; else the first digits at the end of its name are checked. */
  readonly sha256?: string;
  readonly published: {
    /** Printed by the authors' own evaluation (facebookresearch/deit --eval, or its README). */
    readonly official: Accuracy;
    /** mmpretrain's page, for the models that are there. */
    readonly mmpretrain?: Accuracy;
  };
}
