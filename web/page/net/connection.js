// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * One WebSocket: requests go out, and what comes in is matched with them. The
 * server answers in the order of the requests, so a queue is all there is.
 *
 * The server is not trusted: an answer nobody asked for and a broken frame end
 * the connection. As core/connection.ts, which has a stream to read from and
 * not events.
 *
 * @module
 */
import {
  ABSURD_BODY_BYTES,
  ChatError,
  encode,
  ERRORS,
  FrameDecoder,
  header,
} from "../../../protocol.ts";
import { isCall } from "./calls.js";

/** @import { ErrorCode, Frame, Headers, RequestVerb } from "../../../protocol.ts" */

/**
 * @typedef {object} Request Something to be answered.
 * @property {RequestVerb} verb
 * @property {readonly string[]} args
 * @property {Headers} [headers]
 * @property {Uint8Array} [body]
 * @property {boolean} [lasting] Asked again on the next connection, if need be.
 * @property {boolean} [tried] It was ever sent, so that the server may have it.
 * @property {(answer: Answer) => void} resolve
 * @property {(error: Error) => void} reject
 */

/**
 * @typedef {Frame & { messages: readonly Frame[] }} Answer
 * With what a HISTORY has found, oldest first.
 */

/** The connection is gone, or never was; `passing` if coming back may help. */
export class Lost extends Error {
  /** @type {boolean} */
  passing;

  /** @param {string} message @param {boolean} [passing] */
  constructor(message, passing = true) {
    super(message);
    this.passing = passing;
  }
}

/** See the top of the file. */
export class Connection {
  /** Resolves after BYE; rejects with why it ended otherwise. */
  ended;
  /** What is not answered and lasts, in its order. @type {Request[]} */
  left = [];
  /** @type {(frame: Frame) => void} */
  #receive;
  /** @type {WebSocket} */
  #socket;
  #decoder = new FrameDecoder({ maxBodyBytes: ABSURD_BODY_BYTES });
  /** @type {Request[]} */
  #pending = [];
  /** @type {Frame[]} */
  #messages = []; // of the history that is being answered
  #closed = false;
  #end;

  /**
   * @param {WebSocket} socket
   * @param {{ receive(frame: Frame): void, heard(): void }} owner
   * `receive` gets what came by itself.
   */
  constructor(socket, { receive, heard }) {
    this.#socket = socket;
    this.#receive = receive;
    this.#end = /** @type {PromiseWithResolvers<void>} */ (
      Promise.withResolvers()
    );
    this.ended = this.#end.promise;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      heard();
      if (data instanceof ArrayBuffer) this.#take(new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => {
      const said = code === REASON_CODE && reason !== "";
      this.close(new Lost(said ? reason : "The connection was lost"));
    };
  }

  /** Asks; after the end it only counts as left. @param {Request} request */
  ask(request) {
    if (this.#closed) {
      if (request.lasting) this.left.push(request);
      else request.reject(new Lost("The connection is closed"));
      return;
    }
    request.tried = true;
    this.#pending.push(request);
    const { verb, args, headers, body } = request;
    sendInPieces(this.#socket, encode(verb, args, headers, body));
  }

  /**
   * Asks, and waits for the answer.
   *
   * @param {RequestVerb} verb
   * @param {readonly string[]} [args]
   * @param {Headers} [headers]
   * @param {string} [body]
   * @returns {Promise<Answer>}
   * @throws {ChatError} What the server answered, if that was an ERROR.
   * @throws {Lost} If the connection ended before.
   */
  request(verb, args = [], headers = {}, body) {
    const bytes = body === undefined ? undefined : encoder.encode(body);
    return new Promise((resolve, reject) => {
      const asking = { verb, args, headers, resolve, reject };
      this.ask(bytes ? { ...asking, body: bytes } : asking);
    });
  }

  /** Ends it at once. Idempotent. @param {Error} [why] */
  close(why) {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
    const pending = this.#pending;
    this.left = pending.filter(({ lasting }) => lasting);
    const error = why ?? new Lost("The connection is closed");
    for (const one of pending) if (!one.lasting) one.reject(error);
    this.#end.reject(error);
  }

  /** @param {Uint8Array} bytes */
  #take(bytes) {
    try {
      for (let at = 0; at < bytes.length && !this.#closed;) {
        const space = this.#decoder.space();
        const piece = bytes.subarray(at, at + space.length);
        space.set(piece);
        this.#decoder.received(piece.length);
        at += piece.length;
        for (const item of this.#decoder.frames()) {
          if (this.#closed) return;
          if (item instanceof ChatError) throw foreign(item.message);
          this.#frame(item);
        }
      }
    } catch (error) {
      if (!(error instanceof Lost || error instanceof ChatError)) throw error;
      this.close(error);
    }
  }

  /** @param {Frame} frame */
  #frame(frame) {
    const { verb } = frame;
    if (verb === "PING") {
      return sendInPieces(this.#socket, encode("PONG"));
    }
    const asked = this.#pending[0];
    if (verb === "FORWARD" || verb === "NOTICE") {
      if (!asked || !isPartOf(frame, asked)) return this.#receive(frame);
      if (this.#messages.length >= MAX_HISTORY) {
        throw foreign(`a history of over ${MAX_HISTORY} messages`);
      }
      // A body is part of the decoder's buffer, which is used again.
      this.#messages.push({ ...frame, body: frame.body.slice() });
      return;
    }
    if (isCall(frame)) return this.#receive(frame);
    if (verb === "ERROR") return this.#refused(errorOf(frame), asked);
    if (!ANSWERS.has(verb)) return; // a newer server's
    if (!asked || ANSWER_TO[asked.verb] !== verb) {
      throw foreign(`it answered ${verb} to nothing we asked`);
    }
    this.#pending.shift();
    const messages = this.#messages;
    this.#messages = [];
    asked.resolve({ ...frame, body: frame.body.slice(), messages });
    if (verb === "BYE") this.#leave();
  }

  /** @param {ChatError} error @param {Request | undefined} asked */
  #refused(error, asked) {
    if (!asked || (ENDING.has(error.code) && error.code !== 114)) throw error;
    this.#messages = [];
    this.#pending.shift();
    asked.reject(error);
  }

  #leave() {
    this.#end.resolve();
    this.close();
  }
}

/**
 * Opens a WebSocket.
 *
 * @param {URL} url
 * @param {AbortSignal} signal
 * @returns {Promise<WebSocket>}
 * @throws {Lost} If that does not work.
 */
export function open(url, signal) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const giveUp = () => {
      socket.close();
      reject(new Lost("Cannot reach the server"));
    };
    const timer = setTimeout(giveUp, OPEN_WITHIN_MS);
    signal.addEventListener("abort", giveUp);
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    };
    socket.onopen = () => {
      done();
      resolve(socket);
    };
    socket.onclose = () => {
      done();
      giveUp();
    };
  });
}

/** Sends bytes in messages that the other side takes. @param {WebSocket} socket @param {Uint8Array} bytes */
export function sendInPieces(socket, bytes) {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    socket.send(bytes.slice(at, at + PIECE_BYTES));
  }
}

/** An ERROR frame as what it says. @param {Frame} frame */
export function errorOf(frame) {
  // The cast: a newer server may have other codes, which are only compared.
  const code = /** @type {ErrorCode} */ (Number(frame.args[0]));
  const reason = header(frame, "reason") ?? frame.args.slice(1).join(" ");
  const headers = Object.fromEntries(frame.headers);
  return new ChatError(code, reason, { headers });
}

/** An error as a person is told of it. @param {Error} error */
export function inWords(error) {
  const { message } = error;
  if (!(error instanceof ChatError)) return message;
  const text = ERRORS[error.code] ?? `Error ${error.code}`;
  const retry = error.headers["retry-after"];
  const advice = retry === undefined ? "" : `. Try again in ${retry} s`;
  return `${message === text ? text : `${text}: ${message}`}${advice}`;
}

/** @param {string} why */
function foreign(why) {
  return new Lost(`Cannot understand the server: ${why}`, false);
}

/** Part of a history that was asked for. @param {Frame} frame @param {Request} asked */
function isPartOf(frame, asked) {
  return asked.verb === "HISTORY" && frame.verb === "FORWARD" &&
    header(frame, "to")?.toLowerCase() === asked.args[0]?.toLowerCase();
}

/** @type {Partial<Record<RequestVerb, string>>} */
const ANSWER_TO = {
  REGISTER: "REGISTERED",
  SIGNUP: "REGISTERED",
  LOGIN: "CHALLENGE",
  PROVE: "REGISTERED",
  JOIN: "JOINED",
  LEAVE: "LEFT",
  ROOMS: "ROOMS",
  WHO: "WHO",
  SEND: "SENT",
  HISTORY: "HISTORY",
  CALL: "CALLING",
  ACCEPT: "ACCEPTED",
  DECLINE: "DECLINED",
  PING: "PONG",
  LOGOUT: "BYE",
};

const ANSWERS = new Set(Object.values(ANSWER_TO));

/** Errors that end the connection. */
const ENDING = new Set([103, 114, 115, 116, 117]);

const encoder = new TextEncoder();

/** A server gives no longer history at a time. */
const MAX_HISTORY = 1_000;

/** A message of a WebSocket may be twice as long. */
const PIECE_BYTES = 32_768;

/** See web/serve/socket.ts: the reason is for the person. */
const REASON_CODE = 4000;

const OPEN_WITHIN_MS = 10_000;
