import type { VitConfig } from '../families/vit/config.js';

/** PublishedAccuracy on ImageNet-1k's validation set, in percent; null where the source gives none. */
export interface PublishedAccuracy {
  readonly top1: number | null;
  readonly top5: number | null;
}

/** A named model: its shape and what was published of it; a row of configs/models/deit.ts. */
export interface ModelEntry {
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
    readonly official: PublishedAccuracy;
    /** mmpretrain's page, for the models that are there. */
    readonly mmpretrain?: PublishedAccuracy;
  };
}

/** A ViT that is known by where it is published; a row of configs/models/vit.ts. */
export interface KnownModel {
  /** Whose names and conventions the weights have (converters/facts.ts lists them). */
  readonly library: 'dino' | 'dinov2' | 'mae' | 'timm' | 'huggingface' | 'torchvision' | 'moco';
  /** OWNER/NAME on Hugging Face's hub. */
  readonly hub?: string;
  /** Address of the file that its authors published. */
  readonly checkpoint?: string;
  /** timm's architecture of the same shape. */
  readonly arch: string;
  /** Fields in which it differs from that. */
  readonly fields?: Partial<VitConfig>;
  /** Side of its input in pixels, where it is not the architecture's. */
  readonly imgSize?: number;
  /** 0 for a backbone. */
  readonly numClasses: number;
  /** Preset with which its authors evaluated it; null if none is the same, and its own files alone tell. */
  readonly preset: string | null;
  readonly published?: {
    readonly top1?: number;
    readonly top5?: number;
    /** Top-1 of a linear classifier on its features. */
    readonly linear?: number;
    /** Top-1 of 20 nearest neighbours among its features. */
    readonly knn?: number;
  };
  /** Where the accuracy stands. */
  readonly source?: string;
}

/** A model of timm on the hub, `timm/NAME`: name, preset, top-1 and top-5 in percent. */
export type TimmHubModel = readonly [name: string, preset: string | null, top1: number, top5: number];
