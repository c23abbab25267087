/**
 * The connection between a page and this program; core/page_talk.ts has its
 * messages.
 *
 * The page is part of Parley, and its messages need the key; they are checked
 * all the same, like everything from outside.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import * as v from "valibot";
import {
  control,
  count,
  list,
  MAX_FILES,
  MAX_PATHS_LENGTH,
  parse,
  text,
  time,
} from "../files/records.ts";
import type { FromPage, ToPage } from "../../core/page_talk.ts";
import type { SocketWire } from "../../web/serve/socket.ts";

/** Longest message of a page, in bytes: a drop of as many files as can be sent. */
export const MAX_MESSAGE_BYTES = 4 * MAX_PATHS_LENGTH;

/** A page with more than that unread gets no more news of progress. */
const MAX_UNWRITTEN_BYTES = 65_536;

/** A page with more than that unread is waited for. */
const MAX_WAITING_BYTES = 1_048_576;

/** Longest name, header or reason, in UTF-16 units. */
const MAX_TEXT_LENGTH = 16_384;

/** Most headers of a frame. */
const MAX_HEADERS = 100;

/** A page has so long to send a piece, in milliseconds. */
const PIECE_MS = 30_000;

/** Bytes of a dropped file: which drop, which of its files, and the first byte. */
type Place = Pick<ToPage & { type: "read" }, "drop" | "file" | "from">;

/** See the top of the file. */
export class PageLink {
  readonly #wire: Pick<SocketWire, "messages" | "send">;
  readonly #pieceMs: number;
  readonly #pieces = new Map<number, PromiseWithResolvers<Uint8Array>>();
  #lastRead = 0;
  #unwrittenBytes = 0;
  #written = Promise.resolve(); // all that was sent, or the page is gone

  /** Takes over `wire`. The page has `pieceMs` to send a piece. */
  constructor(
    wire: Pick<SocketWire, "messages" | "send">,
    { pieceMs = PIECE_MS }: { pieceMs?: number } = {},
  ) {
    this.#wire = wire;
    this.#pieceMs = pieceMs;
  }

  /** Whether much of what was sent is unread. */
  get behind(): boolean {
    return this.#unwrittenBytes > MAX_UNWRITTEN_BYTES;
  }

  /** Sends a message. The reader finds out that the page is gone. */
  say(message: ToPage): void {
    this.#written = this.#write(encoder.encode(JSON.stringify(message)));
  }

  /** Waits while the page is far behind: a peer may send more than it reads. */
  async flushed(): Promise<void> {
    while (this.#unwrittenBytes > MAX_WAITING_BYTES) await this.#written;
  }

  /**
   * Fills `buffer` with bytes of a dropped file, which the page sends.
   *
   * @param gone Aborts when the page is gone.
   * @throws {Error} If it does not send as many.
   */
  async read(
    buffer: Uint8Array,
    place: Place,
    gone: AbortSignal,
  ): Promise<void> {
    const read = ++this.#lastRead;
    const piece = Promise.withResolvers<Uint8Array>();
    this.#pieces.set(read, piece);
    const late = setTimeout(() => piece.resolve(NOTHING), this.#pieceMs);
    try {
      const to = place.from + buffer.length;
      this.say({ type: "read", read, ...place, to });
      const bytes = await abortable(piece.promise, gone);
      if (bytes.length !== buffer.length) throw new RangeError("no such piece");
      buffer.set(bytes);
    } finally {
      clearTimeout(late);
      this.#pieces.delete(read);
    }
  }

  /**
   * What the page sends, except for pieces, until it is gone.
   *
   * @throws {BadRecord} If it is not a message, or over a limit.
   */
  async *heard(): AsyncGenerator<FromPage, void, void> {
    for await (const bytes of this.#wire.messages()) {
      const end = bytes.indexOf(LINE_FEED);
      const json = end < 0 ? bytes : bytes.subarray(0, end);
      const message = parse(MESSAGE, decoder.decode(json), "a message");
      if (message.type !== "piece") yield message;
      else this.#pieces.get(message.read)?.resolve(bytes.subarray(end + 1));
    }
  }

  async #write(message: Uint8Array): Promise<void> {
    this.#unwrittenBytes += message.length;
    try {
      await this.#wire.send(message);
    } catch {
      // The page is gone.
    } finally {
      this.#unwrittenBytes -= message.length;
    }
  }
}

const string = text(MAX_TEXT_LENGTH);

/** What a page may say. */
const MESSAGE = v.variant("type", [
  control("frame", {
    verb: text(20),
    args: list(MAX_HEADERS, string),
    headers: list(MAX_HEADERS, v.tuple([string, string])),
  }),
  control("answer", {
    request: count(),
    code: v.exactOptional(count()),
    reason: v.exactOptional(string),
  }),
  control("send", {
    drop: count(),
    to: string,
    files: list(
      MAX_FILES,
      v.object({
        item: count(MAX_FILES),
        path: text(MAX_PATHS_LENGTH),
        size: count(),
        modified: v.exactOptional(time()),
      }),
    ),
    leftOut: v.exactOptional(list(MAX_FILES, string)),
  }),
  control("accept", { transfer: count() }),
  control("end", { transfer: count() }),
  control("piece", { read: count() }),
]);

/** Between a piece and its bytes. */
const LINE_FEED = 0x0a;

const NOTHING = new Uint8Array();
const encoder = new TextEncoder();
const decoder = new TextDecoder();
