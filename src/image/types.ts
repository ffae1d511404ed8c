/** An 8-bit RGB picture: `data` is interleaved R, G, B, row by row, `3 * width * height` bytes long. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** How a picture becomes a model's input. Plain data: it is stored in a converted model's metadata. */
export interface Preprocessing {
  /** Name of the preset that this came from, e.g. `deit`. */
  readonly preset: string;
  /** `short`: scale the short side to `size`, keeping the ratio; `squash`: scale to exactly height × width. */
  readonly resize:
    | { readonly mode: 'short'; readonly size: number }
    | { readonly mode: 'squash'; readonly height: number; readonly width: number };
  /** Centre crop in pixels, [height, width]; the model's input size. */
  readonly crop: readonly [number, number];
  /** Subtracted from and divided out of each channel, after scaling levels to 0…1. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}
