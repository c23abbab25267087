/**
 * The line between a page and us: messages as lines of JSON, both ways.
 *
 * The page is ours, and who has no key cannot speak for it; yet what comes is
 * looked at like everything from outside.
 *
 * @module
 */
import { BadRecord, Fields } from "../files/fields.ts";
import { MAX_FILES, MAX_PATHS_LENGTH } from "../files/records.ts";
import type { DroppedFile, FromPage, ToPage } from "../../core/page_talk.ts";
import type { ByteStream } from "../trust/tls.ts";

/** Longest line, in UTF-16 units: a drop of as many files as can be sent. */
const MAX_LINE_LENGTH = 4 * MAX_PATHS_LENGTH;

/** A page with more than that to take is told only what it must hear. */
const MAX_UNWRITTEN_BYTES = 65_536;

/** A page with more than that to take is waited for. */
const MAX_WAITING_BYTES = 1_048_576;

/** Longest name, header or reason, in UTF-16 units. */
const MAX_TEXT_LENGTH = 16_384;

/** So many headers has a frame at most. */
const MAX_HEADERS = 100;

/** See the top of the file. */
export class PageLink {
  readonly #wire: ByteStream;
  #unwrittenBytes = 0;
  #written = Promise.resolve(); // all that was said, or the page is gone

  /** Takes over `wire`. */
  constructor(wire: ByteStream) {
    this.#wire = wire;
  }

  /** Whether the page has much of what we said yet to take. */
  get behind(): boolean {
    return this.#unwrittenBytes > MAX_UNWRITTEN_BYTES;
  }

  /** Tells the page. That it is gone finds out who listens. */
  say(message: ToPage): void {
    const line = encoder.encode(`${JSON.stringify(message)}\n`);
    this.#written = this.#write(line);
  }

  /** Waits while the page is far behind: others may say more than it takes. */
  async flushed(): Promise<void> {
    while (this.#unwrittenBytes > MAX_WAITING_BYTES) await this.#written;
  }

  /**
   * What the page tells, until it is gone.
   *
   * @throws {BadRecord} If no page of ours says such a thing.
   */
  async *heard(): AsyncGenerator<FromPage, void, void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(65_536);
    let parts: string[] = []; // of a line that is not whole
    let length = 0;
    for (let count; (count = await this.#wire.read(buffer)) !== null;) {
      const text = decoder.decode(buffer.subarray(0, count), { stream: true });
      const [first = "", ...others] = text.split("\n");
      parts.push(first);
      length += first.length;
      if (length > MAX_LINE_LENGTH) throw new BadRecord("a line without end");
      for (const next of others) {
        yield decode(parts.join(""));
        [parts, length] = [[next], next.length];
      }
    }
  }

  async #write(line: Uint8Array): Promise<void> {
    this.#unwrittenBytes += line.length;
    try {
      await this.#wire.write(line);
    } catch {
      // It is gone.
    } finally {
      this.#unwrittenBytes -= line.length;
    }
  }
}

/** @throws {BadRecord} If it is no message. */
function decode(line: string): FromPage {
  const fields = Fields.parse(line, "a message");
  const type = fields.text("type", 20);
  const read = Object.hasOwn(READERS, type)
    // The cast: it is a key, as was just found.
    ? READERS[type as FromPage["type"]]
    : undefined;
  if (!read) throw new BadRecord(`a message of type "${type}"`);
  return read(fields);
}

/** How each type is read. */
const READERS: {
  [T in FromPage["type"]]: (fields: Fields) => Extract<FromPage, { type: T }>;
} = {
  frame: (fields) => ({
    type: "frame",
    verb: fields.text("verb", 20),
    args: fields.list("args", MAX_HEADERS, textOf),
    headers: fields.list("headers", MAX_HEADERS, headerOf),
  }),
  answer: (fields) => ({
    type: "answer",
    request: fields.count("request"),
    ...(fields.has("code") ? { code: fields.count("code") } : {}),
    ...(fields.has("reason")
      ? { reason: fields.text("reason", MAX_TEXT_LENGTH) }
      : {}),
  }),
  send: (fields) => ({
    type: "send",
    drop: fields.count("drop"),
    to: fields.text("to", MAX_TEXT_LENGTH),
    files: fields.list("files", MAX_FILES, fileOf),
  }),
  accept: (fields) => ({ type: "accept", transfer: fields.count("transfer") }),
  end: (fields) => ({ type: "end", transfer: fields.count("transfer") }),
  unreadable: (fields) => ({ type: "unreadable", read: fields.count("read") }),
};

function fileOf(value: unknown): DroppedFile {
  const fields = new Fields(value, "a file");
  return {
    item: fields.count("item", MAX_FILES),
    path: fields.text("path", MAX_PATHS_LENGTH),
    size: fields.count("size"),
  };
}

function textOf(value: unknown): string {
  if (typeof value === "string" && value.length <= MAX_TEXT_LENGTH) {
    return value;
  }
  throw new BadRecord("no text");
}

function headerOf(value: unknown): [string, string] {
  if (!Array.isArray(value)) throw new BadRecord("no header");
  const [name, text] = value.map(textOf);
  if (name === undefined || text === undefined) {
    throw new BadRecord("no header");
  }
  return [name, text];
}

const encoder = new TextEncoder();
