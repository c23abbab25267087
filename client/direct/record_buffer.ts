/**
 * What arrives on a channel, cut into sealed records, however the bytes were
 * cut on their way. Nothing in here is secret or trusted yet.
 *
 * @module
 */
import { EXIT, Failure } from "../view/failure.ts";
import type { Bytes } from "../../core/scram.ts";

/** What stands before a sealed record: its kind, and how long it is. */
export const HEAD_BYTES = 4;

const FIRST_BUFFER_BYTES = 4_096;
const LARGEST_BUFFER_BYTES = 1024 * 1024;

/** A record as it arrived. Good until the next bytes are received. */
export interface Arrived {
  /** Its four bytes. */
  readonly head: Bytes;
  /** What they announce. */
  readonly sealed: Bytes;
}

/** The four bytes before a sealed record of that `kind` and `length`. */
export function headOf(kind: number, length: number): Bytes {
  return Uint8Array.of(kind, length >> 16, length >> 8 & 0xff, length & 0xff);
}

/**
 * Gives the memory of `bytes` back, which nobody may use any more. The collector
 * would do it too, but late: meanwhile thousands of records pile up, each in
 * fresh memory that the system has to clear.
 */
export function release(bytes: Bytes): void {
  bytes.buffer.transfer(0);
}

/** Bytes in, sealed records out. It starts small, and grows while it fills. */
export class RecordBuffer {
  readonly #lengths: { readonly least: number; readonly most: number };
  #buffer: Bytes = new Uint8Array(FIRST_BUFFER_BYTES);
  #start = 0; // before it: given out
  #end = 0; // after it: not yet received
  #filled = false; // by the last read

  /** How long a sealed record may be, in bytes. */
  constructor(lengths: { readonly least: number; readonly most: number }) {
    this.#lengths = lengths;
  }

  /** Where to write the next bytes; never empty. */
  space(): Bytes {
    const held = this.#buffer.subarray(this.#start, this.#end);
    const size = this.#wantedSize(held.length);
    if (size !== this.#buffer.length) this.#buffer = new Uint8Array(size);
    if (this.#start > 0 || this.#buffer.buffer !== held.buffer) {
      this.#buffer.set(held);
    }
    this.#start = 0;
    this.#end = held.length;
    return this.#buffer.subarray(this.#end);
  }

  /** Says that `count` bytes were written to {@linkcode space}. */
  received(count: number): void {
    this.#end += count;
    this.#filled = this.#end === this.#buffer.length;
  }

  /**
   * The records that are whole by now.
   *
   * @throws {Failure} If a length makes no sense.
   */
  *records(): Generator<Arrived, void, void> {
    for (;;) {
      const bodyAt = this.#start + HEAD_BYTES;
      if (bodyAt > this.#end) return;
      const end = bodyAt + this.#announced();
      if (end > this.#end) return;
      const head = this.#buffer.slice(this.#start, bodyAt);
      this.#start = end;
      yield { head, sealed: this.#buffer.subarray(bodyAt, end) };
    }
  }

  #announced(): number {
    const [, high = 0, middle = 0, low = 0] = this.#buffer.subarray(
      this.#start,
    );
    const length = high << 16 | middle << 8 | low;
    const { least, most } = this.#lengths;
    if (length >= least && length <= most) return length;
    throw forged(`a record of ${length} bytes`);
  }

  #wantedSize(held: number): number {
    const size = this.#buffer.length;
    const needed = held < HEAD_BYTES ? 0 : HEAD_BYTES + this.#announced();
    const grown = this.#filled
      ? Math.min(4 * size, LARGEST_BUFFER_BYTES)
      : size;
    return Math.max(grown, needed);
  }
}

/** Somebody meddles with the connection. */
export function forged(what: string, cause?: unknown): Failure {
  return new Failure(
    EXIT.failed,
    `Direct connection ended: what came was forged, ${what}`,
    { advice: "Somebody on the way meddles with it.", passing: true, cause },
  );
}
