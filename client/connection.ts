/**
 * The connection: requests go out, and what comes in is matched with them.
 *
 * The server answers in the order of the requests, so a queue is all the
 * bookkeeping there is. An answer travels two ways. Whoever waits for it gets it
 * from `request()`. And it stands among the events, paired with its request, in
 * the order of the wire: only so can one's own message (SENT) appear on the
 * screen exactly where it came in the conversation.
 *
 * Reading is driven by the one who goes through the events: while he waits for
 * a slow screen nothing more is read, and TCP slows the server down. Writing
 * never waits: what was posted during one write leaves joined in the next.
 *
 * The server is not trusted: an answer nobody asked for, a broken frame or an
 * endless head ends the connection with a {@linkcode Failure}. Verbs we do not
 * know are a newer server's, and are ignored. No reconnecting.
 *
 * @module
 */
import {
  ABSURD_BODY_BYTES,
  ChatError,
  concat,
  encode,
  type ErrorCode,
  ERRORS,
  type Frame,
  FrameDecoder,
  frames,
  header,
  type Headers,
  type RequestVerb,
} from "../protocol.ts";
import { EXIT, Failure } from "./failure.ts";

/** What a connection runs over; a `Deno.Conn` fits. */
export interface Stream {
  /** Reads into `buffer`; says how many bytes, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes a part of `bytes`; says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends reading and writing. */
  close(): void;
}

/** Something that was asked and is to be answered. */
export interface Request {
  /** What was asked. */
  readonly verb: RequestVerb;
  /** About what. */
  readonly args: readonly string[];
  /** What was sent with it. */
  readonly body: Uint8Array;
}

/** A frame, and the request that it answers or, in a history, belongs to. */
export interface Event {
  /** What came. Its body is good until the next batch is asked for. */
  readonly frame: Frame;
  /** Undefined for what came by itself. */
  readonly request: Request | undefined;
}

/** One visit to one server. */
export class Connection implements Disposable {
  readonly #stream: Stream;
  readonly #pending: Pending[] = [];
  #answered = 0; // of #pending, before they are cut off
  #pendingBytes = 0;
  #outbox: Uint8Array[] = [];
  #flushing: Promise<void> | undefined;
  #waiting: Waiting[] = [];
  #heard = false; // any whole frame
  #saidBye = false;
  #closed = false;
  #end: Failure | undefined;

  /** `stream` becomes ours, and is closed with the connection. */
  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** How many requests are not answered yet. */
  get unanswered(): number {
    return this.#pending.length - this.#answered;
  }

  /**
   * Asks without waiting: the answer comes among the events alone. What is
   * posted after the connection's end is dropped.
   *
   * @returns The request, as the events will name it.
   */
  post(
    verb: RequestVerb,
    args: readonly string[] = [],
    headers: Headers = {},
    body?: Uint8Array | string,
  ): Request {
    return this.#ask({ verb, args, body: bytesOf(body) }, headers, body);
  }

  /**
   * Asks, and waits for the answer, whose body is the caller's.
   *
   * @throws {ChatError} What the server answered, if that was an ERROR.
   * @throws {Failure} If the connection ended before.
   */
  request(
    verb: RequestVerb,
    args: readonly string[] = [],
    headers: Headers = {},
    body?: Uint8Array | string,
  ): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    if (this.#end || this.#closed) reject(this.#end ?? gone());
    const request = { verb, args, body: bytesOf(body) };
    this.#ask({ ...request, resolve, reject }, headers, body);
    return promise;
  }

  /**
   * Waits until at most so many requests, and bytes in them, are unanswered.
   *
   * @throws {Failure} If the connection ended before.
   */
  async settled(requests: number, bytes = Infinity): Promise<void> {
    if (this.#closed) throw this.#end ?? gone();
    if (this.#isSettled(requests, bytes)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ requests, bytes, resolve, reject });
    await promise;
  }

  /**
   * What arrives, in batches of what one read held. Go through each before
   * asking for the next. Ends after BYE, or when we closed the connection.
   *
   * @throws {Failure} If the connection ends otherwise.
   */
  async *batches(): AsyncGenerator<Iterable<Event>, void, void> {
    const decoder = new FrameDecoder({ maxBodyBytes: ABSURD_BODY_BYTES });
    try {
      for await (const batch of frames(this.#stream, decoder)) {
        yield this.#events(batch);
        this.#forgetAnswered();
        if (this.#saidBye) return; // whether or not the server hangs up
      }
      throw this.#lost();
    } catch (error) {
      // A read that was pending when we closed always fails: not news.
      if (this.#saidBye || (this.#closed && !this.#end)) return;
      throw this.#end ??= error instanceof Failure ? error : this.#lost(error);
    } finally {
      this.close();
    }
  }

  /** Ends the connection at once. Whoever waits is told why. Idempotent. */
  close(reason?: Failure): void {
    this.#end ??= reason;
    if (!this.#closed) this.#stream.close();
    this.#closed = true;
    this.#outbox = [];
    for (const { reject } of this.#pending.splice(0)) {
      reject?.(this.#end ?? gone());
    }
    this.#answered = 0;
    for (const { reject } of this.#waiting.splice(0)) {
      reject(this.#end ?? gone());
    }
  }

  /** As {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #ask(
    pending: Pending,
    headers: Headers,
    body: Uint8Array | string | undefined,
  ): Request {
    if (this.#closed) return pending;
    const bytes = encode(
      pending.verb,
      pending.args,
      headers,
      body === undefined ? undefined : pending.body,
    );
    this.#pending.push(pending);
    this.#pendingBytes += pending.body.length;
    this.#write(bytes);
    return pending;
  }

  #write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#outbox.push(bytes);
    this.#flushing ??= this.#flush();
  }

  /** The only writer. Never rejects: the reader finds out what went wrong. */
  async #flush(): Promise<void> {
    try {
      await Promise.resolve(); // what is posted in one go leaves in one write
      while (this.#outbox.length > 0) {
        const batch = concat(this.#outbox);
        this.#outbox = [];
        for (let sent = 0; sent < batch.length;) {
          sent += await this.#stream.write(batch.subarray(sent));
        }
      }
    } catch {
      // The server hung up. Why, it may have said, and the reader will find it.
      this.#outbox = [];
    } finally {
      this.#flushing = undefined;
    }
  }

  /** What it throws comes out where the events are gone through. */
  *#events(batch: Iterable<Frame | ChatError>): Generator<Event, void, void> {
    try {
      for (const item of batch) {
        if (item instanceof ChatError) throw this.#foreign(item.message);
        const event = this.#event(item);
        this.#heard = true;
        if (event) yield event;
      }
    } catch (error) {
      if (error instanceof Failure) this.#end = error;
      throw error;
    }
  }

  #event(frame: Frame): Event | undefined {
    if (frame.verb === "PING") {
      // One on its way is enough, or a flood of PINGs would fill our memory.
      if (!this.#outbox.includes(PONG)) this.#write(PONG);
      return undefined;
    }
    const asked = this.#pending[this.#answered];
    if (frame.verb === "FORWARD" || frame.verb === "NOTICE") {
      const request = asked && isPartOf(frame, asked) ? asked : undefined;
      return { frame, request };
    }
    if (frame.verb === "ERROR") this.#checkError(frame, asked);
    else if (!ANSWERS.has(frame.verb)) {
      if (!this.#heard) throw this.#foreign(`it said "${frame.verb}"`);
      return undefined;
    } else if (!asked || ANSWER_TO[asked.verb] !== frame.verb) {
      throw this.#foreign(`it answered ${frame.verb} to nothing we asked`);
    }
    this.#settle(frame, asked!); // without one, an error was thrown above
    return { frame, request: asked };
  }

  /** @throws {Failure} If this ERROR is the end of the connection. */
  #checkError(frame: Frame, asked: Pending | undefined): void {
    const error = errorOf(frame);
    if (REMOVED.has(error.code)) {
      throw new Failure(EXIT.removed, `Removed by the server: ${said(error)}`, {
        advice: REMOVED.get(error.code)!,
        cause: error,
      });
    }
    if (asked) return;
    if (error.code === 114) {
      throw new Failure(EXIT.refused, `Cannot enter: ${said(error)}`, {
        advice: "Try again later, or ask whoever runs the server.",
      });
    }
    throw this.#foreign(said(error));
  }

  #settle(frame: Frame, asked: Pending): void {
    this.#answered++;
    this.#pendingBytes -= asked.body.length;
    if (frame.verb === "BYE") this.#saidBye = true;
    if (frame.verb === "ERROR") asked.reject?.(errorOf(frame));
    else asked.resolve?.({ ...frame, body: frame.body.slice() });
    if (this.#waiting.length > 0) this.#wake();
  }

  #isSettled(requests: number, bytes: number): boolean {
    return this.unanswered <= requests && this.#pendingBytes <= bytes;
  }

  #wake(): void {
    const ready = this.#waiting.filter(({ requests, bytes }) =>
      this.#isSettled(requests, bytes)
    );
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { resolve } of ready) resolve();
  }

  /** Once a batch: to take each from the front would move all the others. */
  #forgetAnswered(): void {
    this.#pending.splice(0, this.#answered);
    this.#answered = 0;
  }

  #foreign(why: string): Failure {
    return new Failure(
      EXIT.protocol,
      `Cannot understand the server: ${why}`,
      {
        advice: "Is this the address and the port of a parley server, " +
          "and are both sides of the same version?",
      },
    );
  }

  #lost(cause?: unknown): Failure {
    if (!this.#heard) {
      return this.#foreign("it hung up without a word of the protocol");
    }
    return new Failure(EXIT.failed, "Connection lost: the server hung up", {
      advice: "Start the client again; ask whoever runs the server " +
        "if that does not help.",
      cause,
    });
  }
}

/** An ERROR frame as what it says. */
export function errorOf(frame: Frame): ChatError {
  // The cast: a newer server may have codes that we do not, which is harmless
  // since codes are only ever compared.
  const code = Number(frame.args[0]) as ErrorCode;
  const reason = header(frame, "reason") ?? frame.args.slice(1).join(" ");
  return new ChatError(code, reason, {
    headers: Object.fromEntries(frame.headers),
  });
}

/** An error as it is shown: `ERROR 102 Unable to send: no user "bob" …`. */
export function said({ code, message }: ChatError): string {
  const text = ERRORS[code] ?? ""; // a newer server's code has none
  return `ERROR ${code} ${text}${message === text ? "" : `: ${message}`}`;
}

interface Pending extends Request {
  resolve?(frame: Frame): void;
  reject?(error: Error): void;
}

interface Waiting {
  readonly requests: number;
  readonly bytes: number;
  resolve(): void;
  reject(error: Failure): void;
}

const ANSWER_TO: Partial<Record<RequestVerb, string>> = {
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
  PING: "PONG",
  LOGOUT: "BYE",
};

const PONG = encode("PONG");

const ANSWERS = new Set(Object.values(ANSWER_TO));

/** The errors that end a visit, and what to do about each. */
const REMOVED = new Map<ErrorCode, string>([
  [115, "This side read too slowly. Is the terminal stopped, or the network?"],
  [116, "This side was silent too long. Start the client again."],
  [117, "Ask whoever runs the server, unless you came in again elsewhere."],
]);

/** Whether `frame` is a message of the history that `asked` asked for. */
function isPartOf(frame: Frame, asked: Request): boolean {
  return asked.verb === "HISTORY" && frame.verb === "FORWARD" &&
    header(frame, "to")?.toLowerCase() === asked.args[0]?.toLowerCase();
}

const encoder = new TextEncoder();
const NOTHING = new Uint8Array();

function bytesOf(body: Uint8Array | string | undefined): Uint8Array {
  return typeof body === "string" ? encoder.encode(body) : body ?? NOTHING;
}

function gone(): Failure {
  return new Failure(EXIT.failed, "The connection is closed");
}
