/** What the engine offers: fused multiply-add by relaxed SIMD, SIMD alone, or neither. */
export type SimdSupport = 'relaxed' | 'simd' | 'none';

/** (module (func (result v128) ...)), its body still to come. */
const HEAD = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0];
/** i32.const 0, i8x16.splat */
const ZERO = [0x41, 0, 0xfd, 0x0f];
/** f32x4.relaxed_madd */
const RELAXED_MADD = [0xfd, 0x85, 2];

/** Finds the best instruction set by validating modules of a single instruction. */
export function probeSimd(validate: (bytes: BufferSource) => boolean = validateModule): SimdSupport {
  if (validate(moduleOf([...ZERO, ...ZERO, ...ZERO, ...RELAXED_MADD]))) return 'relaxed';
  if (validate(moduleOf(ZERO))) return 'simd';
  return 'none';
}

function moduleOf(instructions: number[]): Uint8Array<ArrayBuffer> {
  const body = [0, ...instructions, 0x0b];
  return new Uint8Array([...HEAD, 0x0a, body.length + 2, 1, body.length, ...body]);
}

function validateModule(bytes: BufferSource): boolean {
  return typeof WebAssembly === 'object' && WebAssembly.validate(bytes);
}
