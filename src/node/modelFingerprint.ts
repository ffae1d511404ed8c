import { createHash } from 'node:crypto';
import { weightNames } from '../models/families.js';
import type { FamilySource } from '../models/familySource.js';

/**
 * SHA-256, in hexadecimal, of what a model computes: its architecture and the float32 values of its weights. It is the
 * same for a checkpoint and for the folder that was converted from it.
 */
export async function modelFingerprint(source: FamilySource): Promise<string> {
  const { config, readWeight } = source;
  const { name: _, dropPathRate: __, ...shape } = { dropPathRate: 0, ...config };
  const hash = createHash('sha256').update(
    JSON.stringify(Object.entries(shape).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
  for (const name of weightNames(source)) {
    const values = await readWeight(name);
    hash.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}
