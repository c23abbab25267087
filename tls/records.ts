/**
 * The pace at which TLS records are read. Their text counts where it is understood;
 * here counts what is no text. A record takes the server as long as a short line,
 * also one of a single byte, or of none.
 *
 * @module
 */

/**
 * Counts bytes that are no text. It resolves when more may be read; undefined if
 * that is now.
 */
export type RecordMeter = (bytes: number) => Promise<void> | undefined;

/** A record counts for this, until its text is known: it has a head and a seal. */
const RECORD_BYTES = 44;

/** What is due is counted when it is as much, in bytes. */
const COUNTED_BYTES = 1_024;

/** The head of a record: its kind, two bytes of a version, two of its length. */
const HEAD_BYTES = 5;

/** See the top of the file. Each connection needs its own. */
export class RecordPace {
  /** Whether the handshake is over; its records count for their number alone. */
  isSecure = false;
  readonly #meter: RecordMeter | undefined;
  #headBytes = 0; // of the head under way
  #length = 0; // what that says, so far
  #left = 0; // bytes of the record under way
  #due = 0;

  /** What is due is counted by `meter`, if there is one. */
  constructor(meter: RecordMeter | undefined) {
    this.#meter = meter;
  }

  /** Counts bytes that came: the records that they complete. */
  came(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#headBytes < HEAD_BYTES) {
        this.#readHead(bytes[at++]!);
      } else {
        const part = Math.min(this.#left, bytes.length - at);
        at += part;
        this.#left -= part;
      }
      if (this.#headBytes === HEAD_BYTES && this.#left === 0) this.#ended();
    }
  }

  /** Counts text that was in them. A record of 44 bytes and more costs nothing. */
  gave(textBytes: number): void {
    this.#due = Math.max(0, this.#due - 3 * textBytes);
  }

  /** Resolves when more may be read; undefined if that is now. */
  rest(): Promise<void> | undefined {
    if (this.#due < COUNTED_BYTES) return undefined;
    const due = this.#due;
    this.#due = 0;
    return this.#meter?.(due);
  }

  #readHead(byte: number): void {
    this.#headBytes++;
    this.#length = (this.#length << 8 | byte) & 0xffff; // the last two remain
    if (this.#headBytes === HEAD_BYTES) this.#left = this.#length;
  }

  #ended(): void {
    this.#headBytes = 0;
    this.#due += this.isSecure ? 2 * (HEAD_BYTES + this.#length) : RECORD_BYTES;
  }
}
