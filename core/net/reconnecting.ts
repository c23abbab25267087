/**
 * What stays when connections to a server come and go.
 *
 * A request made here is answered on this connection or on a later one: when a
 * connection is lost, the owner is told once; then follow a pause, a new
 * connection, the owner's {@linkcode Owner.resume}, and the unanswered requests
 * in their order. Requests made meanwhile wait for that. To repeat a request is
 * harmless: a SEND has a Key by which the server recognizes it, and all other
 * requests can be repeated. A request that the server rate-limits (108) is
 * sent once more after the time that the server told, together with the
 * requests after it, so that their order stays.
 *
 * Some losses end it: a refused or removed client, a first registration that
 * fails, another protocol.
 *
 * @module
 */
import { ChatError, type Frame, type Headers } from "../../protocol.ts";
import {
  type Answer,
  type AnsweredVerb,
  bytesOf,
  Connection,
  type Event,
  isPostponed,
  type PendingRequest,
  type Request,
  type Requester,
} from "./connection.ts";
import type { Stream } from "./stream.ts";
import {
  closed,
  ConnectionError,
  errorOf,
  errorText,
} from "./connection_error.ts";
import {
  CLOCK,
  type Clock,
  isWorthRetrying,
  LONGEST_RETRY_AFTER_MS,
  PASSING,
  pauseBefore,
  retryAfterMs,
} from "./backoff.ts";
import {
  CHECK_EVERY_MS,
  GIVE_UP_AFTER_MS,
  Keepalive,
  PING_AFTER_MS,
} from "./keepalive.ts";

/**
 * After a connection of this length, or one with any answer, pauses start short
 * again; a server that registers us and disconnects at once is tried less and
 * less often. In milliseconds.
 */
const STAYED_MS = 30_000;

/** The wait after a 108 without Retry-After, in milliseconds. */
const LEAST_RETRY_AFTER_MS = 1_000;

/** What a {@linkcode ReconnectingConnection} needs. */
export interface ReconnectingOptions {
  /**
   * Connects.
   *
   * @throws {Error} If that fails; {@linkcode isPassing} tells whether it is
   * tried again.
   */
  dial(signal: AbortSignal): Promise<Stream>;
  /** How long it tries to reconnect, in milliseconds. Default: no limit. */
  readonly giveUpAfterMs?: number;
  /** Tests pass their own. */
  readonly clock?: Clock;
  /** From 0 to 1; what pauses have of chance. Tests pass their own. */
  readonly random?: () => number;
}

/** The session that a {@linkcode ReconnectingConnection} carries. */
export interface Owner {
  /**
   * Registers on a new connection, and resumes what an earlier one has left.
   * Other requests wait until this is done; it makes its own on `connection`.
   *
   * @throws {ChatError} If the server refuses to register us.
   * @throws {ConnectionError} If the connection ends before.
   */
  resume(connection: Connection): Promise<void>;
  /** All requests are sent again. */
  resumed(): void;
  /** The connection is lost, and the owner is to be reconnected. */
  lost(why: Error): void;
  /** The server refuses to reconnect us, and that may last; once for each code. */
  refused?(why: ChatError): void;
}

/** See the top of the file. */
export class ReconnectingConnection implements Disposable, Requester {
  readonly #options: ReconnectingOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #keys = randomWord();
  #connection: Connection | undefined; // registering, or registered
  #registered = false;
  #lostAt: number | undefined; // while it tries to reconnect
  #refusal = 0; // its code, of the last one that was told
  #wasRegistered = false; // ever
  #registeredAt = 0; // the last time
  #answeredBefore = 0; // when it registered
  #attempt = 0;
  #retryAfterMs = 0; // as the server has asked
  #pauseOver: AbortController | undefined; // while it pauses
  #parked: PendingRequest[] = []; // wait for a connection, or for their turn
  #postponed: PendingRequest[] = []; // rate-limited by the server
  #resumeAt = 0; // about
  #pauses = 0; // of the rate limit that are not over
  #asked = 0;
  #answered = 0;
  #unsettled = 0; // requests of which nothing is certain yet
  #bytes = 0; // in them
  #settling: PromiseWithResolvers<void> | undefined; // the next request
  #end: Error | undefined;

  /** Nothing happens before {@linkcode batches} is gone through. */
  constructor(options: ReconnectingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? CLOCK;
  }

  /** How many requests were ever made; postponed ones count again. */
  get asked(): number {
    return this.#asked;
  }

  /** How many of them are answered. */
  get answered(): number {
    return this.#answered;
  }

  /** Whether requests are sent at once. */
  get registered(): boolean {
    return this.#registered;
  }

  /** Whether it was ever registered. */
  get wasRegistered(): boolean {
    return this.#wasRegistered;
  }

  /** Whether the connection is lost and there is no other yet. */
  get away(): boolean {
    return this.#lostAt !== undefined;
  }

  /** Requests that wait to be sent, or sent again; after the end, in vain. */
  get parked(): readonly Request[] {
    return this.#parked;
  }

  /** Makes a request whose answer comes among the events alone. */
  post(
    verb: AnsweredVerb,
    args: readonly string[] = [],
    headers: Headers = {},
    body?: Uint8Array | string,
  ): Request {
    return this.#ask({ verb, args, headers, body: bytesOf(body) });
  }

  /** See {@linkcode Requester}; however many connections the answer takes. */
  request(
    verb: AnsweredVerb,
    args: readonly string[] = [],
    headers: Headers = {},
    body?: Uint8Array | string,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = { verb, args, headers, body: bytesOf(body) };
    this.#ask({ ...request, resolve, reject });
    return promise;
  }

  /**
   * Makes a request whose answer is of no use later.
   *
   * @throws {ConnectionError} Also if the connection is lost before the answer.
   */
  async requestNow(
    verb: AnsweredVerb,
    args: readonly string[],
  ): Promise<Answer> {
    if (!this.#connection || !this.#registered) throw closed();
    return await this.#connection.request(verb, args);
  }

  /**
   * Waits until at most so many requests, and bytes in them, are unanswered.
   *
   * @throws {ConnectionError} If it ended before.
   */
  async settled(requests: number, bytes = Infinity): Promise<void> {
    const isOver = () => this.#unsettled <= requests && this.#bytes <= bytes;
    do {
      if (this.#stop.signal.aborted) throw this.#end ?? closed();
      this.#settling ??= Promise.withResolvers();
      if (!isOver()) await this.#settling.promise;
    } while (!isOver());
  }

  /** Does not reconnect before `ms` have passed: the server has asked for it. */
  waitBeforeReconnecting(ms: number): void {
    this.#retryAfterMs = ms;
  }

  /** Reconnects now, if it pauses before the next attempt. */
  hurry(): void {
    this.#pauseOver?.abort();
  }

  /**
   * Settles the first request that waits, may have reached the server, and that
   * `isStored` recognizes in what the server has. `stored` becomes its answer.
   */
  settleStored(
    stored: Frame,
    isStored: (request: Request) => boolean,
  ): void {
    const at = this.#parked.findIndex((one) => one.sent && isStored(one));
    const [request] = at < 0 ? [] : this.#parked.splice(at, 1);
    if (!request) return;
    this.#settle(request);
    request.resolve?.({ ...stored, messages: [] });
  }

  /**
   * Connects, and gives what arrives, in batches, on one connection after the
   * other; PONGs and the answers to `owner` too. Go through each batch before
   * asking for the next. Ends after BYE, or after {@linkcode close}.
   *
   * @throws {ChatError} If the server refuses to register us.
   * @throws {ConnectionError} If it ends otherwise; or what `dial` throws.
   */
  async *batches(
    owner: Owner,
  ): AsyncGenerator<Iterable<Event>, void, void> {
    try {
      for (;;) {
        try {
          yield* this.#stay(owner);
          return;
        } catch (error) {
          if (!this.#stop.signal.aborted) await this.#pause(error, owner);
          else if (this.#end) throw this.#end;
          else return; // after close()
        }
      }
    } catch (error) {
      // The cast: nothing throws anything else.
      this.#end ??= error as Error;
      throw error;
    } finally {
      this.close();
    }
  }

  /** Ends at once, and rejects what waits. Idempotent. */
  close(reason?: Error): void {
    this.#end ??= reason;
    this.#stop.abort();
    this.#connection?.close(reason);
    this.#refuseAll();
  }

  /** As {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** One connection, from dialling to its end. */
  async *#stay(owner: Owner): AsyncGenerator<Iterable<Event>, void, void> {
    const stream = await this.#options.dial(this.#stop.signal);
    const keepalive = new Keepalive(this.#clock.now);
    const connection = new Connection(keepalive.over(stream));
    this.#connection = connection;
    if (this.#stop.signal.aborted) return connection.close();
    const checking = this.#clock.every(
      CHECK_EVERY_MS,
      () => this.#check(keepalive, connection),
    );
    const registering = this.#register(owner, connection);
    try {
      for await (const batch of connection.batches()) {
        yield this.#counted(batch);
      }
    } catch (error) {
      // A server that refuses and closes at once has said why before.
      throw await registering ?? error;
    } finally {
      checking[Symbol.dispose](); // no browser has to know `using`
      connection.close();
      await registering;
      this.#registered = false;
      const unanswered = [...this.#takePostponed(), ...connection.unanswered];
      this.#parked = [...unanswered, ...this.#parked];
    }
  }

  /**
   * Never rejects: what goes wrong ends the connection.
   *
   * @returns What went wrong, if something did.
   */
  async #register(owner: Owner, connection: Connection): Promise<unknown> {
    try {
      await owner.resume(connection);
      for (const request of this.#parked.splice(0)) connection.send(request);
      this.#registered = true;
      this.#wasRegistered = true;
      this.#lostAt = undefined;
      this.#registeredAt = this.#clock.now();
      this.#answeredBefore = this.#answered;
      this.#retryAfterMs = 0;
      owner.resumed();
      return undefined;
    } catch (error) {
      // The cast: nothing throws anything else.
      connection.close(error as Error);
      return error;
    }
  }

  /** @throws {unknown} `error`, if another attempt does not cure it. */
  async #pause(error: unknown, owner: Owner): Promise<void> {
    const now = this.#clock.now();
    if (
      !this.#wasRegistered ||
      !isWorthRetrying(error, now - (this.#lostAt ?? now))
    ) {
      throw error;
    }
    if (this.#lostAt === undefined) {
      this.#lostAt = now;
      const stayed = now - this.#registeredAt >= STAYED_MS;
      if (stayed || this.#answered > this.#answeredBefore) this.#attempt = 0;
      this.#refusal = 0;
      owner.lost(error);
    } else if (
      error instanceof ChatError && error.code !== this.#refusal &&
      !PASSING.has(error.code)
    ) {
      this.#refusal = error.code;
      owner.refused?.(error);
    }
    const { giveUpAfterMs = Infinity, random } = this.#options;
    const told = Math.max(this.#retryAfterMs, retryAfterMs(error));
    const pause = pauseBefore(this.#attempt++, told, random);
    this.#retryAfterMs = 0;
    if (now + pause - this.#lostAt > giveUpAfterMs) throw givenUp(error);
    this.#pauseOver = new AbortController();
    const signals = [this.#stop.signal, this.#pauseOver.signal];
    await this.#clock.sleep(pause, AbortSignal.any(signals));
    this.#pauseOver = undefined;
  }

  /** Checks whether the server is there; ends the connection if not. */
  #check(keepalive: Keepalive, connection: Connection): void {
    const next = keepalive.check();
    if (next === "give up") connection.close(idle());
    if (next !== "ask") return;
    connection.send({ verb: "PING", args: [], body: bytesOf(undefined) });
  }

  /** The events; the answers among them are counted. */
  *#counted(batch: Iterable<Event>): Generator<Event, void, void> {
    for (const event of batch) {
      const { request } = event;
      if (request && isPostponed(event)) {
        this.#postpone(request, event.frame);
        continue;
      }
      if (request?.lasting) this.#settle(request);
      yield event;
    }
    if (this.#postponed.length > 0) this.#resume();
  }

  /** Sends nothing more until the time that the server has told is over. */
  #postpone(request: PendingRequest, frame: Frame): void {
    this.#postponed.push(request);
    this.#answered++;
    const now = this.#clock.now();
    const told = retryAfterMs(errorOf(frame)) || LEAST_RETRY_AFTER_MS;
    const until = now + Math.min(told, LONGEST_RETRY_AFTER_MS);
    if (until <= this.#resumeAt) return;
    this.#resumeAt = until;
    this.#pauses++;
    this.#clock.sleep(until - now, this.#stop.signal).then(() => {
      this.#pauses--;
      this.#resume();
    });
  }

  /**
   * Sends what was postponed, and then the rest, if it is time. What is on its
   * way has to be answered first, since it may be postponed too.
   */
  #resume(): void {
    const connection = this.#connection;
    if (!connection || !this.#registered || this.#pauses > 0) return;
    if (connection.unanswered.length > 0) return;
    const waiting = [...this.#takePostponed(), ...this.#parked.splice(0)];
    for (const request of waiting) connection.send(request);
  }

  /** What was postponed, to be sent as if for the first time. */
  #takePostponed(): PendingRequest[] {
    this.#asked += this.#postponed.length;
    return this.#postponed.splice(0);
  }

  #ask(request: PendingRequest): Request {
    this.#asked++;
    this.#unsettled++;
    const key = request.verb === "SEND" ? { Key: this.#nextKey() } : {};
    const headers = { ...request.headers, ...key };
    const lasting: PendingRequest = { ...request, headers, lasting: true };
    this.#bytes += lasting.body.length;
    if (this.#stop.signal.aborted) lasting.reject?.(this.#end ?? closed());
    else if (
      this.#connection && this.#registered && this.#postponed.length === 0
    ) {
      this.#connection.send(lasting);
    } else this.#parked.push(lasting);
    return lasting;
  }

  /** Rejects everything that waits. */
  #refuseAll(): void {
    const end = this.#end ?? closed();
    const requests = [...this.#postponed, ...this.#parked];
    this.#settling?.resolve();
    for (const { reject } of requests) reject?.(end);
  }

  /** Differs from all other keys of this user, in other runs too. */
  #nextKey(): string {
    return `${this.#keys}-${this.#asked.toString(36)}`;
  }

  #settle({ body }: Request): void {
    this.#answered++;
    this.#unsettled--;
    this.#bytes -= body.length;
    this.#settling?.resolve();
    this.#settling = undefined;
  }
}

function idle(): ConnectionError {
  const seconds = (PING_AFTER_MS + GIVE_UP_AFTER_MS) / 1_000;
  return new ConnectionError(
    "lost",
    `Connection lost: the server sent nothing for ${seconds} seconds`,
    { advice: "Is this computer still on the network?", passing: true },
  );
}

function givenUp(error: Error): ConnectionError {
  const why = error instanceof ChatError ? errorText(error) : error.message;
  return new ConnectionError("lost", "Connection lost, and cannot reconnect", {
    advice: `The last attempt: ${why}`,
    cause: error,
  });
}

/** 64 random bits, in hexadecimal; not every browser has toHex(). */
function randomWord(): string {
  const [bits] = crypto.getRandomValues(new BigUint64Array(1));
  return bits!.toString(16).padStart(16, "0");
}
