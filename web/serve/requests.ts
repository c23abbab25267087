/**
 * The requests of one connection, one at a time: the next one is read when the
 * system has taken the answer to the last.
 *
 * Not a server of node:http: in Deno 2.9.6 it reads on while its answers wait,
 * so a client that sends requests and reads nothing takes what memory there is.
 * Here it takes one answer, which shares the bytes of its file, and the head of one
 * request. Each wait for the client has an end.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { writeAll } from "../../core/net/stream.ts";
import {
  type Answer,
  headOf,
  MALFORMED,
  type Reply,
  textAnswer,
  TOO_LONG,
} from "./answer.ts";
import { type Asked, findHead } from "./head.ts";
import type { Visitor } from "./visitor.ts";

/** Limit of requests on one connection; a page has fewer files. */
export const MAX_REQUESTS = 64;

/** Limits of waiting for a client, in milliseconds. */
export interface Patience {
  /** With TLS for a first byte; then for the handshake and a first request. */
  readonly firstMs: number;
  /** For a next request. */
  readonly nextMs: number;
  /** Until the system has taken an answer. */
  readonly answerMs: number;
  /** Until the client has read the last answer, and ends its side. */
  readonly endMs: number;
}

/** What answers requests. */
export interface Answerer {
  readonly patience: Patience;
  /** Limit of requests on one connection. */
  readonly maxRequests: number;
  /** Counts a request. @returns Milliseconds until it may be answered. */
  countRequest(): number;
  /** Resolves when an answer may be made; undefined if that is now. */
  turn(): Promise<void> | undefined;
  /** The answer to a request; undefined if it is for {@linkcode upgrade}. */
  answer(asked: Asked): Answer | undefined;
  /** Takes over the connection. What came after the request is unread. */
  upgrade?(asked: Asked): void | Promise<void>;
}

/** Limits of waiting without an option. */
export const PATIENCE: Patience = {
  firstMs: 10_000,
  nextMs: 5_000,
  answerMs: 10_000,
  endMs: 1_000,
};

/** What is read and dropped after the last answer, in bytes. */
const MAX_DROPPED_BYTES = 65_536;

/** Answers what comes from `visitor`, and closes it unless it was taken over. */
export async function answerRequests(
  visitor: Visitor,
  answerer: Answerer,
): Promise<void> {
  const { maxRequests, patience } = answerer;
  const heads = new Heads(visitor);
  const deliver = (answer: Answer, isLast: boolean) =>
    visitor.within(patience.answerMs, send(visitor, answer, isLast));
  for (let left = maxRequests - 1; left >= 0; left--) {
    const isFirst = left === maxRequests - 1;
    const waitMs = isFirst ? patience.firstMs : patience.nextMs;
    const next = await visitor.within(waitMs, heads.next());
    if (next === undefined) break;
    if ("status" in next) {
      await deliver(textAnswer(GET, next), true);
      break;
    }
    const slowMs = answerer.countRequest();
    if (slowMs > 0) await visitor.pause(slowMs);
    await answerer.turn();
    if (visitor.isClosed) return;
    const answer = answerer.answer(next);
    if (!answer) {
      visitor.unread(heads.rest);
      return await answerer.upgrade?.(next);
    }
    const isLast = next.isLast || left === 0;
    if (!await deliver(answer, isLast) || isLast) break;
  }
  await visitor.within(patience.endMs, heads.end());
  visitor.close();
}

/** Sends an answer. @returns Whether the system has taken it. */
async function send(
  visitor: Visitor,
  answer: Answer,
  isLast: boolean,
): Promise<boolean> {
  const head = headOf(answer, { isLast, now: new Date() });
  try {
    await writeAll(visitor, Buffer.from(head, "latin1"));
    await writeAll(visitor, answer.body);
    return true;
  } catch {
    return false; // the client is gone
  }
}

/** The heads that a client sends. */
class Heads {
  /** What came after the last head. */
  rest: Buffer = NOTHING;
  readonly #visitor: Visitor;

  constructor(visitor: Visitor) {
    this.#visitor = visitor;
  }

  /** The next one, what to answer to something else, or undefined at the end. */
  async next(): Promise<Asked | Reply | undefined> {
    for (;;) {
      const found = findHead(this.rest);
      if (found === "malformed") return MALFORMED;
      if (found === "too long") return TOO_LONG;
      if (found !== "part") {
        const rest = this.rest.subarray(found.end);
        this.rest = rest.length > 0 ? rest : NOTHING; // its buffer goes
        return found.asked;
      }
      const buffer = Buffer.alloc(READ_BYTES);
      const count = await this.#visitor.read(buffer);
      if (count === null) return undefined;
      const more = buffer.subarray(0, count);
      // Most heads come in one read, which need not be copied.
      this.rest = this.rest.length > 0
        ? Buffer.concat([this.rest, more])
        : more;
    }
  }

  /** Ends our side, and waits for the end of theirs: before, RST may overtake. */
  async end(): Promise<void> {
    await this.#visitor.closeWrite().catch(() => {}); // it is gone
    const buffer = Buffer.alloc(READ_BYTES);
    for (let dropped = 0; dropped < MAX_DROPPED_BYTES;) {
      const count = await this.#visitor.read(buffer);
      if (count === null) return;
      dropped += count;
    }
  }
}

/** What is read at once, in bytes; most heads fit. */
const READ_BYTES = 2_048;

const NOTHING = Buffer.alloc(0);

/** For an answer to what is no request. */
const GET = { method: "GET" };
