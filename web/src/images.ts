/** Small images of files, and views while there is no model, decoded beside the page. */
import type { ImageAnswer, ImageRequest } from './worker/imageWorker.js';
import type { View } from './worker/protocol.js';

type Answer = Exclude<ImageAnswer, { error: string }>;

const pending = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
let worker: Worker | undefined;
let next = 0;

/** The middle square of an image file, `side` pixels wide. Rejects with what is wrong with the file. */
export async function thumbnail(file: Blob, side: number): Promise<ImageBitmap> {
  return ((await ask({ file, side, upright: false })) as { bitmap: ImageBitmap }).bitmap;
}

/** A whole image, as it is shown without a model. */
export async function preview(file: Blob, upright: boolean): Promise<View> {
  return ((await ask({ file, side: 0, upright })) as { view: View }).view;
}

function ask(request: Omit<ImageRequest, 'id'>): Promise<Answer> {
  worker ??= start();
  const id = next++;
  return new Promise((resolve, reject) => {
    pending.set(id, { resolve, reject });
    worker!.postMessage({ id, ...request });
  });
}

function start(): Worker {
  const made = new Worker(new URL('./worker/imageWorker.ts', import.meta.url), {
    type: 'module',
    name: 'images',
  });
  made.addEventListener('message', ({ data }: MessageEvent<ImageAnswer>) => {
    const waiting = pending.get(data.id);
    pending.delete(data.id);
    if ('error' in data) waiting?.reject(new Error(data.error));
    else waiting?.resolve(data);
  });
  return made;
}
