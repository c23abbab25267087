/**
 * One connection: requests go out, and each answer is matched with its request.
 *
 * The server answers in the order of the requests, so a queue is enough. An
 * answer resolves `request()`; it also stands among the events, with its
 * request, in the order of the wire. The messages of a history come with its
 * answer alone.
 *
 * The reader of the events sets the pace: while it waits for a slow screen
 * nothing more is read, and TCP slows the server down. Writing never waits:
 * requests made during one write leave together in the next.
 *
 * The server is not trusted: an answer without a request, a broken frame or an
 * endless head ends the connection with a {@linkcode ConnectionError}. Unknown
 * verbs belong to a newer server and are ignored. `reconnecting.ts` has what
 * outlives a connection; an ended connection only tells what is unanswered.
 *
 * @module
 */
import {
  ABSURD_BODY_BYTES,
  ChatError,
  concat,
  encode,
  type ErrorCode,
  type Frame,
  FrameDecoder,
  frames,
  header,
  type Headers,
  lookAlike,
  type RequestVerb,
  type ServerVerb,
  targetKind,
} from "../../protocol.ts";
import {
  adviceOn,
  closed,
  ConnectionError,
  type ConnectionErrorKind,
  errorOf,
  errorText,
} from "./connection_error.ts";
import { retryAfterMs } from "./backoff.ts";
import { type Stream, writeAll } from "./stream.ts";

/** A request that the server answers. */
export type AnsweredVerb = Exclude<RequestVerb, "PONG" | "RECEIVED">;

/** A request, as its sender sees it. */
export interface Request {
  /** What is requested. */
  readonly verb: AnsweredVerb;
  /** The words after the verb, such as a target. */
  readonly args: readonly string[];
  /** Empty if the request has none. */
  readonly body: Uint8Array;
  /** Whether it was ever written, so that the server may have it. */
  readonly sent?: boolean;
}

/** The answer to a request. */
export interface Answer extends Frame {
  /** The messages of a HISTORY, oldest first; none for other requests. */
  readonly messages: readonly Frame[];
}

/** A connection, or what outlives connections, as a caller needs it. */
export interface Requester {
  /**
   * Sends a request and waits for its answer.
   *
   * @throws {ChatError} If the server answered with an ERROR.
   * @throws {ConnectionError} If there will be no answer.
   */
  request(
    verb: AnsweredVerb,
    args?: readonly string[],
    headers?: Headers,
    body?: Uint8Array | string,
  ): Promise<Answer>;
}

/** A request, and what becomes of it. */
export interface PendingRequest extends Request {
  /** Sent with it, besides its length. */
  readonly headers?: Headers;
  /** Whether it is sent again on the next connection, if need be. */
  readonly lasting?: boolean;
  /** It is refused if the server has it wait for longer, in milliseconds. */
  readonly longestWaitMs?: number;
  /** See {@linkcode Request}. */
  sent?: boolean;
  /** Gets the answer, whose bodies belong to the receiver. */
  resolve?(answer: Answer): void;
  /** Gets an ERROR, or why there will be no answer. */
  reject?(error: Error): void;
}

/** Makes a {@linkcode Requester.request} whose requests are sent by `send`. */
export function requestBy(
  send: (request: PendingRequest) => void,
): Requester["request"] {
  return (verb, args = [], headers = {}, body) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    send({ verb, args, headers, body: bytesOf(body), resolve, reject });
    return promise;
  };
}

/** A frame, and the request that it answers. */
export interface Event {
  /** Its body is valid until the next batch is asked for. */
  readonly frame: Frame;
  /** Undefined if the server sent the frame without a request. */
  readonly request: PendingRequest | undefined;
}

/**
 * Whether the server has rate-limited a request that will be sent again. Its
 * sender is not told. After a longer wait the user may not want it any more: it
 * is refused.
 */
export function isPostponed({ frame, request }: Event): boolean {
  if (!request?.lasting || frame.verb !== "ERROR") return false;
  if (Number(frame.args[0]) !== RATE_LIMITED) return false;
  return retryAfterMs(errorOf(frame)) <= (request.longestWaitMs ?? Infinity);
}

const RATE_LIMITED: ErrorCode = 108;
const REMOVED: ErrorCode = 117;

/** One connection, from its opening to its end. */
export class Connection implements Requester {
  /** See {@linkcode Requester}. */
  readonly request: Requester["request"] = requestBy((one) => this.send(one));
  readonly #stream: Stream;
  readonly #pending: PendingRequest[] = [];
  #answered = 0; // of #pending, before they are cut off
  #messages: Frame[] = []; // of the history that is being answered
  #messageBytes = 0;
  #outbox: Uint8Array[] = [];
  #flushing: Promise<void> | undefined;
  #heard = false; // any whole frame
  #saidBye = false;
  #closed = false;
  #end: Error | undefined;

  /** Owns `stream`, and closes it with the connection. */
  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Lasting requests without an answer, in their order. Read it once closed. */
  get unanswered(): PendingRequest[] {
    return this.#pending.slice(this.#answered).filter((one) => one.lasting);
  }

  /** Sends a request; after the end, a lasting one only counts as unanswered. */
  send(request: PendingRequest): void {
    if (this.#closed && !request.lasting) {
      return request.reject?.(this.#end ?? closed());
    }
    this.#pending.push(request);
    if (this.#closed) return;
    request.sent = true;
    const { verb, args, headers, body } = request;
    const hasBody = body.length > 0 || verb === "SEND";
    this.#write(encode(verb, args, headers, hasBody ? body : undefined));
  }

  /**
   * What arrives, in batches of what one read held. Go through each batch before
   * asking for the next. Ends after BYE, or after {@linkcode close}.
   *
   * @throws {ConnectionError} If the connection ends otherwise.
   */
  async *batches(): AsyncGenerator<Iterable<Event>, void, void> {
    const decoder = new FrameDecoder({ maxBodyBytes: ABSURD_BODY_BYTES });
    try {
      for await (const batch of frames(this.#stream, decoder)) {
        yield this.#events(batch);
        this.#forgetAnswered();
        if (this.#end) throw this.#end;
        if (this.#saidBye) return; // whether or not the server closes
      }
      throw this.#lost();
    } catch (error) {
      // A read that was pending at close() always fails: not news.
      if (this.#saidBye || (this.#closed && !this.#end)) return;
      throw this.#end ??= error instanceof ConnectionError
        ? error
        : this.#lost(error);
    } finally {
      this.close();
    }
  }

  /** Ends the connection at once, and rejects what waits. Idempotent. */
  close(reason?: Error): void {
    this.#end ??= reason;
    if (!this.#closed) this.#stream.close();
    this.#closed = true;
    this.#outbox = [];
    for (const { lasting, reject } of this.#pending.slice(this.#answered)) {
      if (!lasting) reject?.(this.#end ?? closed());
    }
  }

  #write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#outbox.push(bytes);
    this.#flushing ??= this.#flush();
  }

  /** The only writer. Never rejects: the reader finds out what went wrong. */
  async #flush(): Promise<void> {
    try {
      await Promise.resolve(); // requests of one turn leave in one write
      while (this.#outbox.length > 0) {
        const batch = concat(this.#outbox);
        this.#outbox = [];
        await writeAll(this.#stream, batch);
      }
    } catch {
      // The server has closed. It may have said why, and the reader finds it.
      this.#outbox = [];
    } finally {
      this.#flushing = undefined;
    }
  }

  /** A fault in one ends them, and then the connection. */
  *#events(batch: Iterable<Frame | ChatError>): Generator<Event, void, void> {
    try {
      for (const item of batch) {
        if (this.#end) return;
        if (item instanceof ChatError) throw this.#foreign(item.message);
        const event = this.#event(item);
        this.#heard = true;
        if (event) yield event;
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#end ??= error;
    }
  }

  #event(frame: Frame): Event | undefined {
    if (frame.verb === "PING") {
      // One on its way is enough, or a flood of PINGs would fill our memory.
      if (!this.#outbox.includes(PONG)) this.#write(PONG);
      return undefined;
    }
    const asked = this.#pending[this.#answered];
    if (UNASKED.has(frame.verb)) {
      if (!asked || !isPartOf(frame, asked)) {
        return { frame, request: undefined };
      }
      this.#collect(frame);
      return undefined;
    }
    if (frame.verb === "ERROR") this.#checkError(frame, asked);
    else if (!ANSWERS.has(frame.verb)) {
      if (!this.#heard) throw this.#foreign(`it said "${frame.verb}"`);
      return undefined;
    } else if (!asked || ANSWER_TO[asked.verb] !== frame.verb) {
      throw this.#foreign(`it answered ${frame.verb} without a request`);
    }
    this.#settle(frame, asked!); // without one, an error was thrown above
    return { frame, request: asked };
  }

  /** Keeps a message of a history until the answer comes that ends it. */
  #collect(frame: Frame): void {
    this.#messageBytes += frame.body.length + MESSAGE_OVERHEAD_BYTES;
    if (this.#messageBytes > MAX_HISTORY_BYTES) {
      throw this.#foreign(`a history of over ${MAX_HISTORY_BYTES} bytes`);
    }
    this.#messages.push({ ...frame, body: frame.body.slice() });
  }

  /** @throws {ConnectionError} If this ERROR is the end of the connection. */
  #checkError(frame: Frame, asked: PendingRequest | undefined): void {
    const error = errorOf(frame);
    const end = ENDS[error.code];
    // A server may be too busy for a request: its sender is told.
    if (asked && (!end || BUSY.has(error.code))) return;
    if (!end) throw this.#foreign(errorText(error));
    const [kind, message, advice] = end;
    throw new ConnectionError(kind, `${message}: ${errorText(error)}`, {
      advice: adviceOn(error) || advice,
      passing: error.code !== REMOVED,
      cause: error,
    });
  }

  #settle(frame: Frame, asked: PendingRequest): void {
    this.#answered++;
    if (frame.verb === "BYE") this.#saidBye = true;
    const messages = this.#messages;
    this.#messages = [];
    this.#messageBytes = 0;
    if (isPostponed({ frame, request: asked })) return;
    if (frame.verb === "ERROR") asked.reject?.(errorOf(frame));
    else asked.resolve?.({ ...frame, body: frame.body.slice(), messages });
  }

  /** Once a batch: to take each from the front would move all the others. */
  #forgetAnswered(): void {
    this.#pending.splice(0, this.#answered);
    this.#answered = 0;
  }

  #foreign(why: string, passing = false): ConnectionError {
    return new ConnectionError(
      "protocol",
      `Cannot understand the server: ${why}`,
      {
        advice: why.includes('"HTTP/')
          ? "This is the port of a web page. Open it in a browser, or use the " +
            "other port that the server prints when it starts."
          : "Is this the address and the port of a parley server, " +
            "and do both sides have the same version?",
        passing,
      },
    );
  }

  #lost(cause?: unknown): ConnectionError {
    if (!this.#heard) {
      return this.#foreign("it closed the connection without an answer", true);
    }
    return new ConnectionError(
      "lost",
      "Connection lost: the server closed it",
      {
        advice: "Restart the client. If that does not help, ask the operator.",
        passing: true,
        cause,
      },
    );
  }
}

const ANSWER_TO: Readonly<Record<AnsweredVerb, RequestVerb | ServerVerb>> = {
  REGISTER: "REGISTERED",
  SIGNUP: "REGISTERED",
  LOGIN: "CHALLENGE",
  PROVE: "REGISTERED",
  PASSWORD: "REGISTERED",
  UNREGISTER: "BYE",
  JOIN: "JOINED",
  LEAVE: "LEFT",
  ROOMS: "ROOMS",
  WHO: "WHO",
  SEND: "SENT",
  HISTORY: "HISTORY",
  MODERATE: "MODERATED",
  DEVICES: "DEVICES",
  READ: "READ",
  INVITE: "INVITED",
  NICK: "NICKED",
  SET: "CHANGED",
  CALL: "CALLING",
  ACCEPT: "ACCEPTED",
  DECLINE: "DECLINED",
  PING: "PONG",
  LOGOUT: "BYE",
};

const PONG = encode("PONG");

/** What a server sends without a request. */
const UNASKED = new Set(["FORWARD", "NOTICE", "CALL", "ACCEPT", "DECLINE"]);

const ANSWERS = new Set<string>(Object.values(ANSWER_TO));

/** Limit for one HISTORY: 1,000 of the longest messages. */
const MAX_HISTORY_BYTES = 72 * 1024 * 1024;
const MESSAGE_OVERHEAD_BYTES = 500;

/** Errors that answer a request, or end a connection that has made none. */
const BUSY: ReadonlySet<number> = new Set([RATE_LIMITED, 114]);

/** The errors that end a connection, and what they mean for the session. */
const ENDS: Partial<Record<ErrorCode, End>> = {
  108: ["refused", "Cannot register", "Try again a little later."],
  114: ["refused", "Cannot register", "Try again later, or ask the operator."],
  115: ["removed", "Connection lost", "This side read too slowly."],
  116: ["removed", "Connection lost", "This side was idle too long."],
  // By the operator, or because the user has signed in elsewhere.
  [REMOVED]: [
    "removed",
    "Removed by the server",
    "If you did not expect that, ask the operator.",
  ],
};

type End = readonly [kind: ConnectionErrorKind, what: string, advice: string];

/** Whether `frame` is a message of the history that `asked` asks for. */
function isPartOf(frame: Frame, asked: Request): boolean {
  if (asked.verb !== "HISTORY" || frame.verb !== "FORWARD") return false;
  const [of = "", to = ""] = [asked.args[0], header(frame, "to")];
  const isTo = to.toLowerCase() === of.toLowerCase();
  if (isTo || targetKind(of) !== "user") return isTo;
  // Of a user: what the other has sent to us, and we to the other.
  const [from = ""] = frame.args;
  const other = lookAlike(of);
  return targetKind(to) === "user" &&
    [from, to].some((name) => lookAlike(name) === other);
}

const encoder = new TextEncoder();
const NOTHING = new Uint8Array();

/** A body as bytes; empty if there is none. */
export function bytesOf(body: Uint8Array | string | undefined): Uint8Array {
  return typeof body === "string" ? encoder.encode(body) : body ?? NOTHING;
}

/** How long the server may take to register or sign out, in milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

/** Closes the connection if the server takes too long for its answer. */
export async function inTime<T>(
  deed: string,
  connection: { close(reason: ConnectionError): void },
  answer: Promise<T>,
): Promise<T> {
  const seconds = ANSWER_TIMEOUT_MS / 1_000;
  const error = new ConnectionError(
    "protocol",
    `Cannot ${deed}: no answer within ${seconds} seconds`,
    {
      advice: "Is this the address and the port of a parley server?",
      passing: true,
    },
  );
  const timer = setTimeout(() => connection.close(error), ANSWER_TIMEOUT_MS);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}
