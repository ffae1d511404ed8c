/** What an address names, as far as its text tells. */
import { isDataUrl } from './dataUrl.js';

/** Endings under which checkpoints are found; `.pth.tar` is the one of PyTorch's ImageNet example. */
const CHECKPOINT = /\.(pth|pth\.tar|pt|bin|ckpt|tar|th|pkl|safetensors|npz)$/i;

/** `unknown`: a folder's address has no ending, but nor have those of many downloads. */
export function addressKind(url: string): 'checkpoint' | 'folder' | 'unknown' {
  // Neither has a name, nor anything beside it.
  if (isDataUrl(url) || /^blob:/i.test(url)) return 'checkpoint';
  const path = url.replace(/[?#].*$/, '');
  if (/(^|\/)model\.json$/.test(path)) return 'folder';
  if (CHECKPOINT.test(path) || CHECKPOINT.test(url.replace(/#.*$/, ''))) return 'checkpoint';
  return path.endsWith('/') ? 'folder' : 'unknown';
}

/** Whether a file's first bytes are those of a checkpoint: a zip, a pickle, a tar, the header of safetensors. */
export function looksLikeCheckpoint(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  const isZip = first === 0x50 && second === 0x4b;
  const isPickle = first === 0x80 && second !== undefined && second >= 2 && second <= 5;
  const isSafetensors = bytes[8] === 0x7b && bytes.subarray(4, 8).every((byte) => byte === 0);
  return isZip || isPickle || isSafetensors;
}
