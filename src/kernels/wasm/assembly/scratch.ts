/** How scratch memory is laid out: its parts begin at lines of the cache. */

/** Bytes, or an address, up to a whole number of lines. */
// @ts-ignore: decorator
@inline
export function aligned(bytes: usize): usize {
  return (bytes + 63) & ~63;
}
