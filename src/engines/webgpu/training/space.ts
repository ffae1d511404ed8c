/** Where weights, and what goes with each, lie: a buffer for each kind, and addresses over all of them. */
import type { Operand, Places } from '../../wasm/training/record.js';
import { BUFFERS, type BufferName, type TrainingRow, WeightSpace } from '../../wasm/training/weightSpace.js';

/** Of a buffer that is bound in part: minStorageBufferOffsetAlignment is at most this (WebGPU's limits). */
export const ALIGNMENT = 256;

/** Addresses of a kind of buffer begin at a multiple of this; address 0 stands for nothing. */
const KIND = 2 ** 40;
const ZEROS = (BUFFERS.length + 1) * KIND;
const ACCUMULATE = ZEROS + KIND;

export interface GpuSpace {
  readonly space: WeightSpace;
  /** What a recording takes for places in memory. */
  readonly places: Places;
}

export function laySpace(table: readonly TrainingRow[]): GpuSpace {
  const space = new WeightSpace(table, ALIGNMENT);
  const startOf = (name: BufferName) => (BUFFERS.indexOf(name) + 1) * KIND;
  const places = {
    space,
    weights: startOf('weights'),
    gradients: startOf('gradients'),
    zeros: ZEROS,
    accumulate: ACCUMULATE,
  };
  return { space, places };
}

/** The buffer of an address, and the byte in it; undefined for zeros and for nothing. */
export function placeOf(
  address: number,
): { readonly buffer: BufferName; readonly offset: number } | undefined {
  const buffer = BUFFERS[Math.floor(address / KIND) - 1];
  return buffer && { buffer, offset: address % KIND };
}

/** The operand whose memory another's is part of. */
export function rootOf(operand: Operand): Operand {
  return operand.within ? rootOf(operand.within.operand) : operand;
}

/** Numbers before an operand's first in what is bound of its memory. */
export function offsetIn(operand: Operand): number {
  const within: number = operand.within ? operand.within.offset / 4 + offsetIn(operand.within.operand) : 0;
  return operand.address === undefined ? within : (operand.address % ALIGNMENT) / 4;
}
