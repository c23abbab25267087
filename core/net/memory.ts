/**
 * Memory that is given back at once. Large buffers that are left to the garbage
 * collector make it look at everything: V8 counts their bytes, and each time it stops
 * the server for 10 to 20 ms.
 *
 * @module
 */

/** Less is left to the collector: giving it back takes longer. */
const RELEASED_BYTES = 4_096;

/**
 * Gives the memory of `bytes` back, which nobody uses any more. If there is more in
 * their buffer, or little at all, it is left to the collector.
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < RELEASED_BYTES) return;
  if (buffer.byteLength === byteLength) releaseBuffer(buffer);
}

/**
 * Notes that when `bytes` are written nobody uses their buffer any more: what writes
 * them calls {@linkcode releaseSpent} then.
 */
export function spend(bytes: Uint8Array): void {
  if (bytes.length >= RELEASED_BYTES) spent.add(bytes);
}

/** The `bytes` from `start` on, which are written in their place. */
export function restOf(bytes: Uint8Array, start: number): Uint8Array {
  const rest = bytes.subarray(start);
  if (spent.delete(bytes)) spent.add(rest);
  return rest;
}

/**
 * Gives the memory of `bytes` back, which are written, if they were spent.
 *
 * @returns Whether they were.
 */
export function releaseSpent(bytes: Uint8Array): boolean {
  if (!spent.delete(bytes)) return false;
  releaseBuffer(bytes.buffer);
  return true;
}

function releaseBuffer(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

const spent = new WeakSet<Uint8Array>();
