/** The gallery's worker: small images of files, and images while there is no model yet. It needs no model. */
import { imageBitmap } from '../../../src/browser/decode.js';
import { decode, viewOf } from './decodeView.js';
import type { View } from './protocol.js';

export interface ImageRequest {
  readonly id: number;
  readonly file: Blob;
  /** The side of a small square image, or 0 for a view of the whole. */
  readonly side: number;
  readonly upright: boolean;
}

export type ImageAnswer =
  | { readonly id: number; readonly bitmap: ImageBitmap }
  | { readonly id: number; readonly view: View }
  | { readonly id: number; readonly error: string };

interface Scope {
  addEventListener(type: 'message', listener: (event: MessageEvent<ImageRequest>) => void): void;
  postMessage(message: ImageAnswer, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as Scope;

scope.addEventListener('message', async ({ data: { id, file, side, upright } }) => {
  try {
    const decoded = await decode({ imageBitmap }, file, upright);
    if (side > 0) {
      const bitmap = await middle(decoded.bitmap, side);
      scope.postMessage({ id, bitmap }, [bitmap]);
    } else {
      const view = await viewOf(undefined, decoded, undefined);
      scope.postMessage({ id, view }, [view.bitmap]);
    }
    decoded.bitmap.close();
  } catch (error) {
    scope.postMessage({ id, error: (error as Error).message }, []);
  }
});

/** The middle square of an image. */
function middle(bitmap: ImageBitmap, side: number): Promise<ImageBitmap> {
  const part = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [Math.floor((bitmap.width - part) / 2), Math.floor((bitmap.height - part) / 2)];
  const resizeQuality = part > side / 2 ? 'high' : 'pixelated';
  return createImageBitmap(bitmap, left, top, part, part, {
    resizeWidth: side,
    resizeHeight: side,
    resizeQuality,
  });
}
