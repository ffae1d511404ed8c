import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const CONFIG = 'config.json';

/** Whether a folder is one of Hugging Face or timm (config.json beside weights), not one that this package converted. */
export function isForeignFolder(path: string): boolean {
  return !existsSync(join(path, 'model.json')) && existsSync(join(path, CONFIG));
}
