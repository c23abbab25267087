/**
 * Streams of bytes, in both directions.
 *
 * @module
 */

/** What a connection runs over; a `Deno.Conn` fits, and so does a WebSocket. */
export interface Stream {
  /** Reads into `buffer`; resolves to the number of bytes, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes a part of `bytes`; resolves to the number of bytes written. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends reading and writing. */
  close(): void;
}

/** A stream whose directions end apart. */
export interface ByteStream extends Stream {
  /** Ends what is written; what comes can still be read. */
  closeWrite(): Promise<void>;
}

/** Writes all of `bytes`, however many writes that takes. */
export async function writeAll(
  stream: Pick<Stream, "write">,
  bytes: Uint8Array,
): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await stream.write(bytes.subarray(sent));
  }
}

/** The `read` of a {@linkcode Stream}, from chunks that are asked for as needed. */
export function chunkReader(
  chunks: AsyncIterator<Uint8Array>,
): Stream["read"] {
  let rest: Uint8Array = new Uint8Array(); // of the last chunk
  return async (buffer) => {
    if (rest.length === 0) {
      const { value, done } = await chunks.next();
      if (done) return null;
      rest = value;
    }
    const part = rest.subarray(0, buffer.length);
    rest = rest.subarray(part.length);
    buffer.set(part);
    return part.length;
  };
}
