/** The images of a report's mistakes, as the model sees them and with what it looks at over them, as `deit eval` has them. */
import { overlay } from '../../src/explain/overlay.js';
import { toImageData } from './canvas.js';
import { make } from './dom.js';
import type { Session } from './state.js';
import type { Glance } from './worker/protocol.js';

const SIDE = 224;

export interface MistakeImages {
  /** data: addresses by path. */
  readonly thumbnails: ReadonlyMap<string, string>;
  readonly attention: ReadonlyMap<string, string>;
  readonly attentionOf: string;
}

export async function mistakeImages(
  { worker, model }: Session,
  mistakes: readonly (readonly [path: string, file: File])[],
  preset: string,
): Promise<MistakeImages> {
  const thumbnails = new Map<string, string>();
  const attention = new Map<string, string>();
  for (const [path, file] of mistakes) {
    const glance = await worker.call('glance', [file, preset]);
    const [plain, looked] = drawBoth(glance);
    thumbnails.set(path, plain);
    attention.set(path, looked);
    glance.view.bitmap.close();
  }
  const whose = model.config.classToken === false ? 'the patches' : 'the class token';
  return {
    thumbnails,
    attention,
    attentionOf: `the attention of ${whose} in the last layer, mean of the heads`,
  };
}

function drawBoth({ view, map }: Glance): [plain: string, looked: string] {
  const { bitmap, rows, columns, small } = view;
  const scale = SIDE / Math.max(rows, columns);
  const [width, height] = [Math.round(columns * scale), Math.round(rows * scale)];
  const canvas = make('canvas', { width: String(width), height: String(height) });
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingEnabled = !small;
  context.drawImage(bitmap, 0, 0, width, height);
  const plain = canvas.toDataURL('image/jpeg', 0.8);
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = data.filter((_, i) => i % 4 < 3);
  const colored = overlay({ data: new Uint8Array(rgb), width, height }, map);
  context.putImageData(toImageData(colored.data, width, height), 0, 0);
  return [plain, canvas.toDataURL('image/jpeg', 0.8)];
}
