// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The line to a server: what stays when connections come and go. Whoever asks
 * something gets an answer, on this connection or on a later one; what was not
 * answered is asked again, in order. A SEND has a Key by which the server knows
 * it again, and all else can be repeated.
 *
 * As core/reconnecting.ts, whose pauses and whose watch it has.
 *
 * @module
 */
import {
  LONGEST_RETRY_AFTER_MS,
  pauseBefore,
} from "../../../core/net/backoff.ts";
import {
  CHECK_EVERY_MS,
  Keepalive as Watch,
} from "../../../core/net/keepalive.ts";
import { ChatError } from "../../../protocol.ts";
import { Connection, Lost, open } from "./connection.js";

/** @import { Frame, Headers, RequestVerb } from "../../../protocol.ts" */
/** @import { Answer, Request } from "./connection.js" */

/** So long our own dead connection may hold our name, in milliseconds. */
const NAME_HELD_MS = 100_000;

/** Who was in for so long begins with short pauses again; in milliseconds. */
const STAYED_MS = 30_000;

/**
 * @typedef {object} Visitor Who comes in on each connection.
 * @property {(connection: Connection) => Promise<void>} arrive Comes in; other
 * requests wait until this is done.
 * @property {() => void} arrived All requests go out again.
 * @property {(why: Error) => void} lost It is lost, or was not to be had again;
 * there will be another try.
 * @property {(frame: Frame) => void} receive Takes what came by itself. Its body
 * is good until this returns.
 */

/** See the top of the file. */
export class Line {
  #url;
  #visitor;
  #stop = new AbortController();
  /** @type {Connection | undefined} */
  #connection; // that we are coming in on, or are in
  #isIn = false;
  #wasIn = false;
  /** @type {number | undefined} */
  #lostAt;
  #arrivedAt = 0;
  #attempt = 0;
  #retryAfterMs = 0;
  /** @type {Request[]} */
  #parked = [];
  #asked = 0;
  #over = false;
  #keys = keysOfOurs();
  /** @type {() => void} */
  #wake = () => {};

  /** @param {URL} url @param {Visitor} visitor */
  constructor(url, visitor) {
    this.#url = url;
    this.#visitor = visitor;
  }

  /** Whether what is asked goes out at once. */
  get isIn() {
    return this.#isIn;
  }

  /**
   * Connects, again and again, until it is over.
   *
   * @returns {Promise<void>} Resolves after BYE, or when it was closed.
   * @throws {ChatError | Lost} If we are not let in, or there is no way back.
   */
  async run() {
    try {
      for (;;) {
        try {
          return await this.#stay();
        } catch (error) {
          if (this.#stop.signal.aborted) return;
          await this.#pause(error);
        }
      }
    } finally {
      this.#over = true;
      const gone = new Lost("The connection ended before");
      for (const { reject } of this.#parked.splice(0)) reject(gone);
    }
  }

  /**
   * Asks, and waits for the answer, however many connections that takes.
   *
   * @param {RequestVerb} verb
   * @param {readonly string[]} [args]
   * @param {Headers} [headers]
   * @param {string} [text]
   * @returns {Promise<Answer>}
   * @throws {ChatError} What the server answered, if that was an ERROR.
   * @throws {Lost} If the line ended before.
   */
  request(verb, args = [], headers = {}, text) {
    const body = text === undefined ? undefined : encoder.encode(text);
    this.#asked++;
    const key = verb === "SEND"
      ? { Key: `${this.#keys}-${this.#asked.toString(36)}` }
      : {};
    const all = { ...headers, ...key };
    return new Promise((resolve, reject) => {
      const asking = { verb, args, headers: all, resolve, reject };
      const request = { ...asking, lasting: true, ...(body ? { body } : {}) };
      if (this.#over) reject(new Lost("The connection is closed"));
      else if (this.#connection && this.#isIn) this.#connection.ask(request);
      else this.#parked.push(request);
    });
  }

  /**
   * Takes the first request that waits, may have reached the server and is
   * what `isStored` looks for as answered.
   *
   * @param {(request: Request) => boolean} isStored
   * @returns {Request | undefined}
   */
  takeStored(isStored) {
    const at = this.#parked.findIndex((one) => one.tried && isStored(one));
    return at < 0 ? undefined : this.#parked.splice(at, 1)[0];
  }

  /** Do not come back before `ms` have passed. @param {number} ms */
  waitBeforeReturn(ms) {
    this.#retryAfterMs = ms;
  }

  /** Comes back now and not after the pause. */
  hurry() {
    this.#wake();
  }

  /** Ends it at once. */
  close() {
    this.#stop.abort();
    this.#connection?.close();
    this.#wake();
  }

  /** One connection, from opening to its end. */
  async #stay() {
    const socket = await open(this.#url, this.#stop.signal);
    const watch = new Watch(Date.now);
    const connection = new Connection(socket, {
      receive: (frame) => this.#visitor.receive(frame),
      heard: () => {
        watch.received();
        watch.reading();
      },
    });
    watch.reading();
    this.#connection = connection;
    const timer = setInterval(() => look(watch, connection), CHECK_EVERY_MS);
    const arriving = this.#arrive(connection);
    try {
      if (this.#stop.signal.aborted) connection.close();
      await connection.ended;
    } finally {
      clearInterval(timer);
      await arriving;
      this.#isIn = false;
      this.#parked = [...connection.left, ...this.#parked];
    }
  }

  /** Never rejects: what goes wrong ends the connection. @param {Connection} connection */
  async #arrive(connection) {
    try {
      await this.#visitor.arrive(connection);
      for (const request of this.#parked.splice(0)) connection.ask(request);
      this.#isIn = true;
      this.#wasIn = true;
      this.#lostAt = undefined;
      this.#arrivedAt = Date.now();
      this.#retryAfterMs = 0;
      this.#visitor.arrived();
    } catch (error) {
      connection.close(/** @type {Error} */ (error));
    }
  }

  /** @param {unknown} error @throws {unknown} If there is no coming back from it. */
  async #pause(error) {
    const now = Date.now();
    const lostAt = this.#lostAt ?? now;
    if (!this.#wasIn || !passes(error, now - lostAt)) throw error;
    if (this.#lostAt === undefined && now - this.#arrivedAt >= STAYED_MS) {
      this.#attempt = 0;
    }
    this.#lostAt = lostAt;
    const retryAfterMs = Math.max(this.#retryAfterMs, retryAfterOf(error));
    const pause = pauseBefore(this.#attempt++, { retryAfterMs });
    this.#retryAfterMs = 0;
    this.#visitor.lost(error);
    const { promise, resolve } = Promise.withResolvers();
    const timer = setTimeout(resolve, pause);
    this.#wake = () => resolve(undefined);
    if (this.#stop.signal.aborted) resolve(undefined);
    await promise;
    clearTimeout(timer);
  }
}

/** Finds out whether somebody is there. @param {InstanceType<typeof Watch>} watch @param {Connection} connection */
function look(watch, connection) {
  switch (watch.check()) {
    case "ask":
      connection.request("PING").catch(() => {}); // its end says so too
      return;
    case "give up":
      connection.close(new Lost("The connection was lost: nothing is heard"));
  }
}

/** Too fast, a server that is full, a disk that is, too slow, silent. */
const PASSING = new Set([108, 114, 115, 116, 119]);

/** Whether to try again may help. @param {unknown} error @param {number} awayMs @returns {error is Error} */
function passes(error, awayMs) {
  if (error instanceof Lost) return error.passing;
  if (!(error instanceof ChatError)) return false;
  const ours = error.code === 104 && awayMs < NAME_HELD_MS;
  return ours || PASSING.has(error.code);
}

/** How long the server wants us to wait, in milliseconds. @param {unknown} error */
function retryAfterOf(error) {
  if (!(error instanceof ChatError)) return 0;
  const seconds = Number(error.headers["retry-after"]);
  return seconds > 0 ? Math.min(seconds * 1_000, LONGEST_RETRY_AFTER_MS) : 0;
}

const encoder = new TextEncoder();

/** The beginning of keys that nobody else of our name has. */
function keysOfOurs() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}
