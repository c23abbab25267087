/**
 * The connection between a page and this program: messages as lines of JSON.
 *
 * The page is part of Parley, and its messages need the key; they are checked
 * all the same, like everything from outside.
 *
 * @module
 */
import * as v from "valibot";
import {
  BadRecord,
  control,
  count,
  list,
  MAX_FILES,
  MAX_PATHS_LENGTH,
  parse,
  text,
} from "../files/records.ts";
import type { FromPage, ToPage } from "../../core/page_talk.ts";
import type { ByteStream } from "../../core/net/stream.ts";

/** Longest line, in UTF-16 units: a drop of as many files as can be sent. */
const MAX_LINE_LENGTH = 4 * MAX_PATHS_LENGTH;

/** A page with more than that unread gets no more news of progress. */
const MAX_UNWRITTEN_BYTES = 65_536;

/** A page with more than that unread is waited for. */
const MAX_WAITING_BYTES = 1_048_576;

/** Longest name, header or reason, in UTF-16 units. */
const MAX_TEXT_LENGTH = 16_384;

/** Most headers of a frame. */
const MAX_HEADERS = 100;

/** See the top of the file. */
export class PageLink {
  readonly #wire: ByteStream;
  #unwrittenBytes = 0;
  #written = Promise.resolve(); // all that was sent, or the page is gone

  /** Takes over `wire`. */
  constructor(wire: ByteStream) {
    this.#wire = wire;
  }

  /** Whether much of what was sent is unread. */
  get behind(): boolean {
    return this.#unwrittenBytes > MAX_UNWRITTEN_BYTES;
  }

  /** Sends a message. The reader finds out that the page is gone. */
  say(message: ToPage): void {
    const line = encoder.encode(`${JSON.stringify(message)}\n`);
    this.#written = this.#write(line);
  }

  /** Waits while the page is far behind: a peer may send more than it reads. */
  async flushed(): Promise<void> {
    while (this.#unwrittenBytes > MAX_WAITING_BYTES) await this.#written;
  }

  /**
   * What the page sends, until it is gone.
   *
   * @throws {BadRecord} If it is not a message, or over a limit.
   */
  async *heard(): AsyncGenerator<FromPage, void, void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(65_536);
    let parts: string[] = []; // of an unfinished line
    let length = 0;
    for (let count; (count = await this.#wire.read(buffer)) !== null;) {
      const text = decoder.decode(buffer.subarray(0, count), { stream: true });
      const [first = "", ...others] = text.split("\n");
      parts.push(first);
      length += first.length;
      if (length > MAX_LINE_LENGTH) throw new BadRecord("a line without end");
      for (const next of others) {
        yield parse(MESSAGE, parts.join(""), "a message");
        [parts, length] = [[next], next.length];
      }
    }
  }

  async #write(line: Uint8Array): Promise<void> {
    this.#unwrittenBytes += line.length;
    try {
      await this.#wire.write(line);
    } catch {
      // The page is gone.
    } finally {
      this.#unwrittenBytes -= line.length;
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
      }),
    ),
  }),
  control("accept", { transfer: count() }),
  control("end", { transfer: count() }),
  control("unreadable", { read: count() }),
]);

const encoder = new TextEncoder();
