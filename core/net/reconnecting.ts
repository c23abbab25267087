/**
 * What stays when connections to a server come and go.
 *
 * A request made here is answered on this connection or on a later one: when a
 * connection is lost, the owner is told once; then follow a pause, a new
 * connection, the owner's {@linkcode Owner.resume}, and the unanswered requests
 * in their order. Requests made meanwhile wait for that. To repeat a request is
 * harmless: a SEND has a Key by which the server recognizes it, and all other
 * requests can be repeated. A request that the server rate-limits (108) for a
 * short time is sent once more after it, together with the messages after it, so
 * that their order stays. A request that sends and leaves nothing overtakes
 * messages that wait.
 *
 * Some losses end it: a refused or removed client, a first registration that
 * fails (but once, if the name is about to be free), another protocol.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  header,
  type Headers,
  lookAlike,
} from "../../protocol.ts";
import {
  type AnsweredVerb,
  bytesOf,
  Connection,
  type Event,
  isPostponed,
  type PendingRequest,
  type Request,
  requestBy,
  type Requester,
} from "./connection.ts";
import type { Stream } from "./stream.ts";
import type { Home, Place } from "./alternates.ts";
import { Attempts } from "./attempts.ts";
import {
  closed,
  errorOf,
  givenUp,
  isRemoval,
  late,
  silent,
  stopping,
} from "./connection_error.ts";
import type { Owner } from "./owner.ts";
import {
  CLOCK,
  type Clock,
  isNameToBeFree,
  isWorthRetrying,
  LONGEST_SEND_WAIT_MS,
  PASSING,
  QUIET_WAIT_MS,
  retryAfterMs,
} from "./backoff.ts";
import {
  CHECK_EVERY_MS,
  GIVE_UP_AFTER_MS,
  Keepalive,
  PING_AFTER_MS,
} from "./keepalive.ts";
import { Postponed } from "./postponed.ts";

/**
 * After a connection of this length, or one with any answer, pauses start short
 * again; a server that registers us and disconnects at once is tried less and
 * less often. In milliseconds.
 */
const STAYED_MS = 30_000;

/** What a {@linkcode ReconnectingConnection} needs. */
export interface ReconnectingOptions {
  /**
   * Connects to the server that the user chose, or to another one of its chat.
   *
   * @throws {Error} If that fails; {@linkcode isPassing} tells whether it is
   * tried again.
   */
  dial(signal: AbortSignal, other?: Place): Promise<Stream>;
  /** Where that is. Default: it is not known, and there is no other place. */
  readonly home?: Home | undefined;
  /** How long it tries to reconnect, in milliseconds. Default: no limit. */
  readonly giveUpAfterMs?: number;
  /** Whether all waits for a limit of the server. Default: no longer than a user. */
  readonly patient?: boolean;
  /** Tests pass their own. */
  readonly clock?: Clock;
  /** From 0 to 1; what pauses have of chance. Tests pass their own. */
  readonly random?: () => number;
}

/** See the top of the file. */
export class ReconnectingConnection implements Disposable, Requester {
  /** See {@linkcode Requester}; however many connections the answer takes. */
  readonly request: Requester["request"] = requestBy((one) => this.#ask(one));
  /** How many of them are answered. */
  answered = 0;
  /** The connection on which requests are sent at once, if there is one. */
  registered: Connection | undefined;
  /** The pause that the server has asked for before the next attempt. */
  retryAfterMs = 0;
  readonly #options: ReconnectingOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #keys = randomWord();
  #connection: Connection | undefined; // registering, or registered
  #lostAt: number | undefined; // while it tries to reconnect
  #refusal = 0; // its code, of the last one that was told
  #registeredAt: number | undefined; // the last time
  #answeredBefore = 0; // when it registered
  readonly #attempts: Attempts;
  #pauseOver: AbortController | undefined; // while it pauses
  #parked: PendingRequest[] = []; // wait for a connection, or for their turn
  readonly #postponed: Postponed; // rate-limited by the server
  #asked = 0; // requests that were ever made; postponed ones count again
  #unsettled = 0; // requests of which nothing is certain yet
  #bytes = 0; // in them
  #settling: PromiseWithResolvers<void> | undefined; // the next request
  #end: Error | undefined;

  /**
   * How many requests were sent, while registered; postponed ones count again.
   * The answer to one that waits here has a later place than what comes now.
   */
  get asked(): number {
    return this.#asked - this.#parked.length;
  }

  /** Nothing happens before {@linkcode batches} is gone through. */
  constructor(options: ReconnectingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? CLOCK;
    this.#attempts = new Attempts(options.home);
    const { signal } = this.#stop;
    this.#postponed = new Postponed(this.#clock, signal, () => this.#resume());
  }

  /** Whether it was ever registered. */
  get wasRegistered(): boolean {
    return this.#registeredAt !== undefined;
  }

  /** Whether the connection is lost and there is no other yet. */
  get away(): boolean {
    return this.#lostAt !== undefined;
  }

  /** Whether messages wait for the server's rate limit, as the owner was told. */
  get slowed(): boolean {
    return this.#postponed.isTold;
  }

  /** Requests without an answer, in their order; after the end, in vain. */
  get unanswered(): readonly Request[] {
    const sent = this.registered?.unanswered ?? [];
    return [...this.#postponed.requests, ...sent, ...this.#parked];
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

  /**
   * Waits until at most so many requests, and bytes in them, are unanswered.
   *
   * @throws {ConnectionError} If it ended before.
   */
  async settled(requests: number, bytes = Infinity): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#unsettled <= requests && this.#bytes <= bytes) return;
      this.#settling ??= Promise.withResolvers();
      await this.#settling.promise;
    }
    throw this.#end ?? closed();
  }

  /** Reconnects now, if it pauses before the next attempt. */
  hurry(): void {
    this.#pauseOver?.abort();
  }

  /** Takes a REGISTERED or a NOTICE: the server tells of all others of its chat. */
  tell(frame: Frame): Promise<void> {
    return this.#attempts.tell(frame);
  }

  /** The server says that it stops; with another one to go to, we leave it soon. */
  leave(retryAfterMs: number): void {
    this.retryAfterMs = retryAfterMs;
    const ms = this.#attempts.leave(this.#clock.now(), this.#options.random);
    const connection = this.#connection;
    if (ms === undefined) return;
    this.#clock.sleep(ms, this.#stop.signal)
      .then(() => connection?.close(stopping()));
  }

  /**
   * Settles the first SEND that waits, may have reached the server, and is the
   * message that the server has `stored`. That becomes its answer.
   *
   * @returns Whether there was one.
   */
  settleStored(stored: Frame): boolean {
    const room = lookAlike(header(stored, "to") ?? "");
    const at = this.#parked.findIndex(({ sent, verb, args: [to = ""], body }) =>
      sent && verb === "SEND" && lookAlike(to) === room &&
      body.length === stored.body.length &&
      body.every((byte, index) => byte === stored.body[index])
    );
    const [request] = at < 0 ? [] : this.#parked.splice(at, 1);
    if (!request) return false;
    this.#settle(request);
    request.resolve?.({ ...stored, messages: [] });
    return true;
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
    this.#settling?.resolve();
    for (const { reject } of [...this.#postponed.requests, ...this.#parked]) {
      reject?.(this.#end ?? closed());
    }
  }

  /** As {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** One connection, from dialling to its end. */
  async *#stay(owner: Owner): AsyncGenerator<Iterable<Event>, void, void> {
    const stream = await this.#dial();
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
        yield this.#counted(batch, owner);
      }
    } catch (error) {
      // A server that refuses and closes at once has said why before.
      throw await registering ?? error;
    } finally {
      checking[Symbol.dispose](); // no browser has to know `using`
      connection.close();
      await registering;
      this.registered = undefined;
      const unanswered = [...this.#takePostponed(), ...connection.unanswered];
      this.#parked = [...unanswered, ...this.#parked];
    }
  }

  /** With another server to try, none has as long as it wants. */
  async #dial(): Promise<Stream> {
    const { dialMs, elsewhere } = this.#attempts;
    const { signal } = this.#stop;
    if (dialMs === undefined) return await this.#options.dial(signal);
    const deadline = AbortSignal.timeout(dialMs);
    try {
      const both = AbortSignal.any([signal, deadline]);
      return await this.#options.dial(both, elsewhere);
    } catch (error) {
      if (signal.aborted || !deadline.aborted) throw error;
      throw late(elsewhere?.text ?? "the server", dialMs);
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
      this.registered = connection;
      this.#lostAt = undefined;
      this.#registeredAt = this.#clock.now();
      this.#answeredBefore = this.answered;
      this.retryAfterMs = 0;
      owner.resumed(this.#attempts.arrived());
      return undefined;
    } catch (error) {
      this.#attempts.failed(error, this.#clock.now());
      // The cast: nothing throws anything else.
      connection.close(error as Error);
      return error;
    }
  }

  /** @throws {unknown} `error`, if another attempt does not cure it. */
  async #pause(error: unknown, owner: Owner): Promise<void> {
    const now = this.#clock.now();
    if (this.#registeredAt === undefined) {
      if (this.#refusal > 0 || !isNameToBeFree(error)) throw error;
      this.#refusal = error.code;
      owner.refused?.(error);
    } else if (
      !isWorthRetrying(error, now - (this.#lostAt ?? now)) &&
      !this.#attempts.isByOwn(error, now)
    ) {
      // What is none of our servers does not end us, but a ban holds on all of them.
      const isOther = this.#lostAt !== undefined && this.#attempts.elsewhere;
      if (!isOther || isRemoval(error)) throw error;
      this.#attempts.drop();
    } else if (this.#lostAt === undefined) {
      this.#lostAt = now;
      const stayed = now - this.#registeredAt >= STAYED_MS;
      this.#attempts.lost(stayed || this.answered > this.#answeredBefore);
      this.#refusal = 0;
      // The cast: nothing throws anything else.
      owner.lost(error as Error);
    } else if (
      error instanceof ChatError && error.code !== this.#refusal &&
      !PASSING.has(error.code)
    ) {
      this.#refusal = error.code;
      owner.refused?.(error);
    }
    const { giveUpAfterMs = Infinity, random } = this.#options;
    // The cast: nothing throws anything else.
    const told = Math.max(this.retryAfterMs, retryAfterMs(error as Error));
    const pause = this.#attempts.next(now, told, random);
    this.retryAfterMs = 0;
    if (now + pause - (this.#lostAt ?? now) > giveUpAfterMs) {
      throw givenUp(error as Error);
    }
    this.#pauseOver = new AbortController();
    const signals = [this.#stop.signal, this.#pauseOver.signal];
    await this.#clock.sleep(pause, AbortSignal.any(signals));
    this.#pauseOver = undefined;
  }

  /** Checks whether the server is there; ends the connection if not. */
  #check(keepalive: Keepalive, connection: Connection): void {
    const next = keepalive.check();
    if (next === "give up") {
      connection.close(silent(PING_AFTER_MS + GIVE_UP_AFTER_MS));
    }
    if (next !== "ask") return;
    connection.send({ verb: "PING", args: [], body: bytesOf(undefined) });
  }

  /** The events; the answers among them are counted. */
  *#counted(
    batch: Iterable<Event>,
    owner: Owner,
  ): Generator<Event, void, void> {
    for (const event of batch) {
      const { request } = event;
      if (request && isPostponed(event)) {
        this.#postpone(request, errorOf(event.frame), owner);
        continue;
      }
      if (request?.lasting) this.#settle(request);
      yield event;
    }
    if (this.#postponed.requests.length > 0) this.#resume();
  }

  /** Sends nothing more until the time that the server has told is over. */
  #postpone(request: PendingRequest, why: ChatError, owner: Owner): void {
    this.answered++;
    this.#postponed.add(request, why, (why) => owner.slowed?.(why));
  }

  /**
   * Sends what was postponed, and then the rest, if it is time. What is on its
   * way has to be answered first, since it may be postponed too.
   */
  #resume(): void {
    const connection = this.registered;
    if (!connection || !this.#postponed.isDue) return;
    if (connection.unanswered.length > 0) return;
    const waiting = [...this.#takePostponed(), ...this.#parked.splice(0)];
    for (const request of waiting) connection.send(request);
  }

  /** What was postponed, to be sent as if for the first time. */
  #takePostponed(): PendingRequest[] {
    const requests = this.#postponed.take();
    this.#asked += requests.length;
    return requests;
  }

  #ask(request: PendingRequest): Request {
    this.#asked++;
    this.#unsettled++;
    // A Key differs from all others of this user, in other runs too.
    const key = request.verb === "SEND"
      ? { Key: `${this.#keys}-${this.#asked.toString(36)}` }
      : {};
    const headers = { ...request.headers, ...key };
    const { patient = false } = this.#options;
    const longestMs = request.verb === "SEND"
      ? LONGEST_SEND_WAIT_MS
      : QUIET_WAIT_MS;
    const longestWaitMs = patient ? Infinity : longestMs;
    const lasting = { ...request, headers, lasting: true, longestWaitMs };
    this.#bytes += lasting.body.length;
    if (this.#stop.signal.aborted) lasting.reject?.(this.#end ?? closed());
    else if (this.registered && !this.#isBehind(lasting)) {
      this.registered.send(lasting);
    } else this.#parked.push(lasting);
    return lasting;
  }

  /** Whether a request has to wait for those that wait for the rate limit. */
  #isBehind({ verb }: Request): boolean {
    const { requests } = this.#postponed;
    if (requests.length === 0) return false;
    return IN_ORDER.has(verb) ||
      [...requests, ...this.#parked].some(({ verb }) => verb !== "SEND");
  }

  #settle({ body }: Request): void {
    this.answered++;
    this.#unsettled--;
    this.#bytes -= body.length;
    this.#settling?.resolve();
    this.#settling = undefined;
  }
}

/** What overtakes no message: it would be lost, or refused. */
const IN_ORDER: ReadonlySet<AnsweredVerb> = new Set([
  "SEND",
  "LEAVE",
  "LOGOUT",
]);

/** 64 random bits, in hexadecimal; not every browser has toHex(). */
export function randomWord(): string {
  const [bits] = crypto.getRandomValues(new BigUint64Array(1));
  return bits!.toString(16).padStart(16, "0");
}
