import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const CONFIG = 'config.json';

/** What open_clip writes in its place. */
export const OPEN_CLIP = 'open_clip_config.json';

/** Whether a folder is one of Hugging Face, timm or open_clip (config.json beside weights), not one that this package converted. */
export function isForeignFolder(path: string): boolean {
  return (
    !existsSync(join(path, 'model.json')) && [CONFIG, OPEN_CLIP].some((name) => existsSync(join(path, name)))
  );
}
