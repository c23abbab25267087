/**
 * One connection: requests go out, and what comes in is matched with them.
 *
 * The server answers in the order of the requests, so a queue is all the
 * bookkeeping there is. An answer travels two ways. Whoever waits for it gets it
 * from `request()`. And it stands among the events, paired with its request, in
 * the order of the wire. The messages of a history come with its answer alone.
 *
 * Reading is driven by the one who goes through the events: while he waits for
 * a slow screen nothing more is read, and TCP slows the server down. Writing
 * never waits: what was posted during one write leaves joined in the next.
 *
 * The server is not trusted: an answer nobody asked for, a broken frame or an
 * endless head ends the connection with a {@linkcode Failure}. Verbs we do not
 * know are a newer server's, and are ignored. What outlives a connection is in
 * `reconnecting.ts`: a connection that has ended only says what it leaves unanswered.
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
import { EXIT, Failure } from "../client/terminal/failure.ts";

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

/** What was answered to a request. */
export interface Answer extends Frame {
  /** What a HISTORY found, oldest first; nothing for other requests. */
  readonly messages: readonly Frame[];
}

/** A request, and what becomes of it. */
export interface Asking extends Request {
  /** What is sent with it, besides its length. */
  readonly headers?: Headers;
  /** Whether it is asked again on the next connection, if need be. */
  readonly lasting?: boolean;
  /** Whether it was ever written, so that the server may have it. */
  tried?: boolean;
  /** Is told of the answer, whose bodies are the receiver's. */
  resolve?(answer: Answer): void;
  /** Is told of an ERROR, or of the end. */
  reject?(error: Error): void;
}

/** A frame, and the request that it answers. */
export interface Event {
  /** What came. Its body is good until the next batch is asked for. */
  readonly frame: Frame;
  /** Undefined for what came by itself. */
  readonly request: Request | undefined;
}

/**
 * Whether the server has asked to be asked again later, by whoever keeps what
 * he has asked: nobody else is told.
 */
export function isPostponed({ frame, request }: Event): boolean {
  // The cast: a Connection gives back what it was asked.
  return (request as Asking | undefined)?.lasting === true &&
    frame.verb === "ERROR" && Number(frame.args[0]) === SLOW_DOWN;
}

const SLOW_DOWN: ErrorCode = 108;

/** From registering to the end of one TCP connection. */
export class Connection implements Disposable {
  readonly #stream: Stream;
  readonly #pending: Asking[] = [];
  #answered = 0; // of #pending, before they are cut off
  #messages: Frame[] = []; // of the history that is being answered
  #messageBytes = 0;
  #outbox: Uint8Array[] = [];
  #flushing: Promise<void> | undefined;
  #heard = false; // any whole frame
  #saidBye = false;
  #closed = false;
  #end: Error | undefined;

  /** `stream` becomes ours, and is closed with the connection. */
  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** What is not answered and lasts, in its order. To be asked once closed. */
  get left(): Asking[] {
    return this.#pending.slice(this.#answered).filter((one) => one.lasting);
  }

  /** Asks. After the end of the connection it only counts as left. */
  ask(asking: Asking): void {
    this.#pending.push(asking);
    if (this.#closed) return;
    asking.tried = true;
    const { verb, args, headers, body } = asking;
    const hasBody = body.length > 0 || verb === "SEND";
    this.#write(encode(verb, args, headers, hasBody ? body : undefined));
  }

  /**
   * Asks, and waits for the answer.
   *
   * @throws {ChatError} What the server answered, if that was an ERROR.
   * @throws {Failure} If the connection ended before.
   */
  request(
    verb: RequestVerb,
    args: readonly string[] = [],
    headers: Headers = {},
    body?: Uint8Array | string,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    if (this.#closed) reject(this.#end ?? gone());
    else {this.ask({
        verb,
        args,
        headers,
        body: bytesOf(body),
        resolve,
        reject,
      });}
    return promise;
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
        if (this.#end) throw this.#end;
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
  close(reason?: Error): void {
    this.#end ??= reason;
    if (!this.#closed) this.#stream.close();
    this.#closed = true;
    this.#outbox = [];
    for (const { lasting, reject } of this.#pending.slice(this.#answered)) {
      if (!lasting) reject?.(this.#end ?? gone());
    }
  }

  /** As {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
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

  /** What is wrong with them ends them, and then the connection. */
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
      if (!(error instanceof Failure)) throw error;
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
      throw this.#foreign(`it answered ${frame.verb} to nothing we asked`);
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

  /** @throws {Failure} If this ERROR is the end of the connection. */
  #checkError(frame: Frame, asked: Asking | undefined): void {
    const error = errorOf(frame);
    const end = ENDS[error.code];
    // A server may be too busy for a request: whoever asked is told.
    if (asked && (!end || BUSY.has(error.code))) return;
    if (!end) throw this.#foreign(said(error));
    const { exitCode, message, ...rest } = end;
    throw new Failure(exitCode, `${message}: ${said(error)}`, {
      ...rest,
      cause: error,
    });
  }

  #settle(frame: Frame, asked: Asking): void {
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

  #foreign(why: string, passing = false): Failure {
    return new Failure(
      EXIT.protocol,
      `Cannot understand the server: ${why}`,
      {
        advice: "Is this the address and the port of a parley server, " +
          "and are both sides of the same version?",
        passing,
      },
    );
  }

  #lost(cause?: unknown): Failure {
    if (!this.#heard) return this.#foreign("it hung up without a word", true);
    return new Failure(EXIT.failed, "Connection lost: the server hung up", {
      advice: "Start the client again; ask whoever runs the server " +
        "if that does not help.",
      passing: true,
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
  CALL: "CALLING",
  ACCEPT: "ACCEPTED",
  DECLINE: "DECLINED",
  PING: "PONG",
  LOGOUT: "BYE",
};

const PONG = encode("PONG");

/** What a server says by itself. */
const UNASKED = new Set(["FORWARD", "NOTICE", "CALL", "ACCEPT", "DECLINE"]);

const ANSWERS = new Set(Object.values(ANSWER_TO));

/** What a server may keep for one HISTORY: 1,000 of the longest messages. */
const MAX_HISTORY_BYTES = 72 * 1024 * 1024;
const MESSAGE_OVERHEAD_BYTES = 500;

/** What may be said to a request, and to nothing but that we are there. */
const BUSY: ReadonlySet<number> = new Set([SLOW_DOWN, 114]);

/** The errors that end a connection, and what they mean for the visit. */
const ENDS: Partial<Record<ErrorCode, End>> = {
  108: {
    exitCode: EXIT.refused,
    message: "Cannot enter",
    advice: "Try again a little later.",
    passing: true,
  },
  114: {
    exitCode: EXIT.refused,
    message: "Cannot enter",
    advice: "Try again later, or ask whoever runs the server.",
    passing: true,
  },
  115: {
    exitCode: EXIT.removed,
    message: "Connection lost",
    advice: "This side read too slowly. Is the terminal stopped?",
    passing: true,
  },
  116: {
    exitCode: EXIT.removed,
    message: "Connection lost",
    advice: "This side was silent too long. Start the client again.",
    passing: true,
  },
  117: {
    exitCode: EXIT.removed,
    message: "Removed by the server",
    advice: "Ask whoever runs the server, unless you came in again elsewhere.",
    passing: false,
  },
};

interface End {
  readonly exitCode: number;
  readonly message: string;
  readonly advice: string;
  readonly passing: boolean;
}

/** Whether `frame` is a message of the history that `asked` asked for. */
function isPartOf(frame: Frame, asked: Request): boolean {
  return asked.verb === "HISTORY" && frame.verb === "FORWARD" &&
    header(frame, "to")?.toLowerCase() === asked.args[0]?.toLowerCase();
}

const encoder = new TextEncoder();
const NOTHING = new Uint8Array();

/** A body as bytes; none is none. */
export function bytesOf(body: Uint8Array | string | undefined): Uint8Array {
  return typeof body === "string" ? encoder.encode(body) : body ?? NOTHING;
}

/** Says that we closed it ourselves. */
export function gone(): Failure {
  return new Failure(EXIT.failed, "The connection is closed");
}
