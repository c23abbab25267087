/**
 * The requests of one connection, one at a time: the next one is read when the
 * system has taken the answer to the last.
 *
 * Not a server of node:http: in Deno 2.9.6 it reads on while its answers wait,
 * so a client that sends requests and reads nothing takes what memory there is.
 * Here it takes one answer, which shares the bytes of its file, and as many bytes
 * of later requests as the socket reads ahead. Each wait for the client has an end.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import {
  type Answer,
  headOf,
  MALFORMED,
  type Reply,
  textAnswer,
  TOO_LONG,
} from "./answer.ts";
import { type Asked, findHead } from "./head.ts";
import { limited, pause, read, whileOpen } from "./waiting.ts";

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
  /** Takes over the connection. `rest` is what came after the request. */
  upgrade?(asked: Asked, socket: Duplex, rest: Buffer): void;
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

/** Answers what comes over `socket`, and closes it unless it was taken over. */
export async function answerRequests(
  socket: Duplex,
  answerer: Answerer,
): Promise<void> {
  const { maxRequests, patience } = answerer;
  const heads = new Heads(socket);
  const deliver = (answer: Answer, isLast: boolean) =>
    limited(socket, patience.answerMs, send(socket, answer, isLast));
  for (let left = maxRequests - 1; left >= 0; left--) {
    const isFirst = left === maxRequests - 1;
    const waitMs = isFirst ? patience.firstMs : patience.nextMs;
    const next = await limited(socket, waitMs, heads.next());
    if (next === undefined) break;
    if ("status" in next) {
      await deliver(textAnswer(GET, next), true);
      break;
    }
    const slowMs = answerer.countRequest();
    if (slowMs > 0) await pause(socket, slowMs);
    const turn = answerer.turn();
    if (turn) await whileOpen(socket, turn);
    if (socket.destroyed) return;
    const answer = answerer.answer(next);
    if (!answer) return answerer.upgrade?.(next, socket, heads.rest);
    const isLast = next.isLast || left === 0;
    if (!await deliver(answer, isLast) || isLast) break;
  }
  await limited(socket, patience.endMs, heads.end());
  socket.destroy();
}

/** Sends an answer. @returns Whether the system has taken it. */
function send(
  socket: Duplex,
  answer: Answer,
  isLast: boolean,
): Promise<boolean> {
  const head = headOf(answer, { isLast, now: new Date() });
  const { body } = answer;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const taken = (error?: Error | null) => resolve(!error);
  socket.cork(); // one write for both
  if (body.length === 0) socket.write(head, taken);
  else {
    socket.write(head);
    socket.write(body, taken);
  }
  socket.uncork();
  return promise;
}

/** The heads that a socket sends. */
class Heads {
  /** What came after the last head. */
  rest: Buffer = NOTHING;
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    this.#socket = socket;
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
      const more = await read(this.#socket);
      if (more === null) return undefined;
      // Most heads come in one read, which need not be copied.
      this.rest = this.rest.length > 0
        ? Buffer.concat([this.rest, more])
        : more;
    }
  }

  /** Ends our side, and waits for the end of theirs: before, RST may overtake. */
  async end(): Promise<void> {
    this.#socket.end();
    for (let dropped = 0; dropped < MAX_DROPPED_BYTES;) {
      const more = await read(this.#socket);
      if (more === null) return;
      dropped += more.length;
    }
  }
}

const NOTHING = Buffer.alloc(0);

/** For an answer to what is no request. */
const GET = { method: "GET" };
