import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** A hash that takes its bytes piece by piece, which crypto.subtle does not; the digest is in hex. */
export function createHasher(algorithm: 'sha1' | 'sha256') {
  const hash = (algorithm === 'sha1' ? sha1 : sha256).create();
  return { update: (bytes: Uint8Array) => hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}
