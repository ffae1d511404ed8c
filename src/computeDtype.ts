/**
 * What products are computed of; their sums are float32. float32 exactly; `tf32`, float32 rounded to 10 bits of mantissa
 * where the device has it (else exactly); bfloat16; float16.
 */
export const COMPUTE_DTYPES = ['float32', 'tf32', 'bfloat16', 'float16'] as const;
export type ComputeDtype = (typeof COMPUTE_DTYPES)[number];
