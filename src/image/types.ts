/** An 8-bit RGB image: `data` is interleaved R, G, B, row by row, `3 * width * height` bytes long. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The filters of Pillow's `Image.resize`, by its names. All but `nearest` are antialiased. */
export type Interpolation = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos';

/**
 * Size of an image after the resize:
 * - `short`: the short side becomes `size`, the long one int(size · long / short), as torchvision's Resize has it;
 *   with `longest`, smaller if the long side would else be longer than that (Hugging Face's `longest_edge`);
 * - `squash`: exactly height × width;
 * - `cover`: the smallest size of the same ratio that covers height × width, `fit`: the largest that fits in it, each
 *   side rounded half to even (timm's ResizeKeepRatio with longest 0 and 1);
 * - `none`: as it is.
 */
export type Resize =
  | { readonly mode: 'short'; readonly size: number; readonly longest?: number }
  | { readonly mode: 'squash' | 'cover' | 'fit'; readonly height: number; readonly width: number }
  | { readonly mode: 'none' };

/**
 * How an image becomes a model's input. Plain data: it is stored in a converted model's metadata. What has its default
 * is left out there, so that metadata written before the field was known says the same.
 */
export interface Preprocessing {
  /** Where this came from: the name of a preset, e.g. `deit`, of a file or field beside the weights, or `custom`. */
  readonly preset: string;
  readonly resize: Resize;
  /** The resize's filter; `bicubic` if left out. */
  readonly interpolation?: Interpolation;
  /** Centre crop in pixels, [height, width]; the model's input size. */
  readonly crop: readonly [number, number];
  /**
   * Where a crop begins that leaves an odd number of pixels: `even` (if left out) rounds the half to even and pads less
   * before than behind (torchvision, timm), `down` cuts less before than behind and pads more (Hugging Face).
   */
  readonly cropRounding?: 'even' | 'down';
  /** Levels of R, G and B around an image that is smaller than the crop; black if left out. */
  readonly fill?: readonly [number, number, number];
  /** What levels 0…255 are multiplied by; if left out they are divided by 255. */
  readonly rescaleFactor?: number;
  /** Subtracted from and divided out of each channel, after scaling levels to 0…1. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}
