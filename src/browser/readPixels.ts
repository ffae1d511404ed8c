/** What was drawn or decoded → RGB bytes; alpha is dropped, not blended, as Pillow's convert('RGB') drops it. */
import { UserError } from '../errors.js';
import type { RgbImage } from '../image/types.js';

type Drawable = ImageBitmap | HTMLCanvasElement | OffscreenCanvas;

/** Rows are read in bands of about this many pixels, so that there is never a second copy of a large image. */
const BAND_PIXELS = 2 ** 20;

/** The message about an image whose colours cannot be read unchanged. */
const NO_TEXTURE =
  'the image has transparent pixels, whose colours this browser gives exactly only through WebGL 2, which it lacks or whose textures are too small; save it as PNG, or without transparency';

/** The error of a bitmap whose colours cannot be read unchanged. */
export class TransparentImage extends UserError {}

/** Pixels on a canvas have already lost their colours, however they are read. */
function isBitmap(source: Drawable): boolean {
  return typeof ImageBitmap !== 'undefined' && source instanceof ImageBitmap;
}

/** Reads rows [top, top + rows) as RGBA, 4 bytes a pixel. */
type BandReader = (top: number, rows: number) => Uint8Array | Uint8ClampedArray;

/**
 * @param name shown in error messages
 * @throws UserError if the page may not read the pixels
 */
export function readBitmap(source: Drawable, name: string): RgbImage {
  const { width, height } = source;
  const data = new Uint8Array(3 * width * height);
  try {
    if (!readBands(source, canvasReader(source), data)) return { data, width, height };
    // A canvas keeps colours multiplied by alpha, and so loses some; a texture keeps them.
    const reader = webglReader(source);
    if (reader) readBands(source, reader, data);
    else if (isBitmap(source)) throw new TransparentImage(`${name}: ${NO_TEXTURE}`);
  } catch (error) {
    if ((error as Error).name !== 'SecurityError') throw error;
    throw new UserError(
      `${name}: the page may not read this image, which comes from another site; serve it with CORS and load it with crossorigin="anonymous"`,
      { cause: error },
    );
  }
  return { data, width, height };
}

/** Copies all bands into `rgb`; gives whether any pixel was transparent, at which a canvas has changed colours. */
function readBands({ width, height }: Drawable, read: BandReader, rgb: Uint8Array): boolean {
  const rows = Math.max(1, Math.floor(BAND_PIXELS / width));
  let transparent = false;
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    const rgba = read(top, count);
    let to = 3 * top * width;
    for (let from = 0; from < 4 * count * width; from += 4) {
      rgb[to++] = rgba[from]!;
      rgb[to++] = rgba[from + 1]!;
      rgb[to++] = rgba[from + 2]!;
      if (rgba[from + 3] !== 255) transparent = true;
    }
  }
  return transparent;
}

function canvasReader(source: Drawable): BandReader {
  const rows = Math.min(source.height, Math.max(1, Math.floor(BAND_PIXELS / source.width)));
  const canvas = new OffscreenCanvas(source.width, rows);
  const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
  if (!context) throw new UserError('the browser gives no 2D canvas; close other pages and try again');
  return (top, count) => {
    context.clearRect(0, 0, source.width, rows);
    context.drawImage(source, 0, top, source.width, count, 0, 0, source.width, count);
    return context.getImageData(0, 0, source.width, count).data;
  };
}

/** Undefined where there is no WebGL 2, or the image is larger than a texture may be. */
function webglReader(source: Drawable): BandReader | undefined {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl) return undefined;
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
  if (source.width > most || source.height > most) return undefined;
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, source);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  const texture = gl.getParameter(gl.TEXTURE_BINDING_2D) as WebGLTexture;
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return undefined;
  return (top, count) => {
    const rgba = new Uint8Array(4 * source.width * count);
    gl.readPixels(0, top, source.width, count, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    const last = top + count >= source.height;
    if (last) gl.getExtension('WEBGL_lose_context')?.loseContext(); // frees it now; a page has a few contexts only
    return rgba;
  };
}
