import { UserError } from '../errors.js';
import type { VitConfig } from '../families/vit/config.js';
import { countParameters } from '../families/vit/flops.js';

/** Addresses of WASM reach this far, and it overwrites itself where there is no more room. */
const WASM_BYTES = 2 ** 32 - 2 ** 28;

/** Throws a UserError if a model's float32 weights are more than WASM has room for. */
export function checkWasmRoom(config: VitConfig): void {
  const bytes = 4 * countParameters(config);
  if (bytes <= WASM_BYTES) return;
  throw new UserError(
    `${config.name}: its weights take ${(bytes / 2 ** 30).toFixed(1)} GiB, and WASM has less than 4; load it on another backend`,
  );
}
