import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export const CONFIG = 'config.json';

/** What open_clip writes in its place. */
export const OPEN_CLIP = 'open_clip_config.json';

/** Names of files that may be weights, whole or in parts, and of what joins the parts. */
export const WEIGHTS = /\.(safetensors|pth|pt|bin|npz|ckpt|pth\.tar|distcp|index\.json)$/;

const isConverted = (path: string) => existsSync(join(path, 'model.json'));

/** Whether a folder has a description of its model as Hugging Face, timm or open_clip write it. */
export function isDescribed(path: string): boolean {
  return !isConverted(path) && [CONFIG, OPEN_CLIP].some((name) => existsSync(join(path, name)));
}

/** Whether a folder is one of Hugging Face, timm or open_clip, or of weights alone, not one that this package converted. */
export function isForeignFolder(path: string): boolean {
  return isDescribed(path) || (!isConverted(path) && namesIn(path).some((name) => WEIGHTS.test(name)));
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
