/**
 * The line to a server: what stays when connections come and go.
 *
 * Whoever asks something here gets an answer, on this connection or on a later
 * one: when a connection is lost, the line says so once, pauses, connects
 * again, lets the {@linkcode Visitor} come in, and repeats what was not
 * answered, in order. What is asked meanwhile waits for that too. To ask twice
 * is harmless: a SEND has a Key by which the server knows it again, and all
 * other requests can be repeated. What a server is asked too fast, which it says
 * with 108, the line asks once more after the time that it was told, and with it
 * what was asked since, so that nothing overtakes anything.
 *
 * Not every loss is cured by coming back. Who is removed or refused is, and who
 * does not get in the first time, and where another protocol is spoken: those
 * end the line.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  type Headers,
  type RequestVerb,
} from "../protocol.ts";
import {
  type Answer,
  type Asking,
  bytesOf,
  Connection,
  errorOf,
  type Event,
  gone,
  isPostponed,
  type Request,
  said,
  type Stream,
} from "./connection.ts";
import { EXIT, Failure } from "../client/terminal/failure.ts";
import {
  CLOCK,
  type Clock,
  LONGEST_RETRY_AFTER_MS,
  pauseBefore,
} from "./backoff.ts";
import {
  CHECK_EVERY_MS,
  GIVE_UP_AFTER_MS,
  PING_AFTER_MS,
  Watch,
} from "./keepalive.ts";

/**
 * For so long our own dead connection may hold our name at the server, which
 * takes 90 seconds to find out; in milliseconds.
 */
const NAME_HELD_MS = 100_000;

/**
 * Who was in for so long, or was answered anything, begins with short pauses
 * again; a server that lets us in and drops us at once is met less and less
 * often. In milliseconds.
 */
const STAYED_MS = 30_000;

/** A server that does not say how long to wait is asked again after so long. */
const LEAST_RETRY_AFTER_MS = 1_000;

/** What a {@linkcode Line} needs. */
export interface LineOptions {
  /**
   * Connects.
   *
   * @throws {Failure} If that does not work.
   */
  dial(signal: AbortSignal): Promise<Stream>;
  /** For so long it tries to come back, in milliseconds. Default: for ever. */
  readonly giveUpAfterMs?: number;
  /** Tests pass their own. */
  readonly clock?: Clock;
  /** From 0 to 1; what pauses have of chance. Tests pass their own. */
  readonly random?: () => number;
}

/** Who comes in on each connection of a {@linkcode Line}, and is told of it. */
export interface Visitor {
  /**
   * Comes in, and takes up what a connection before has left. Other requests
   * wait until this is done; it asks by itself on `connection`.
   *
   * @throws {ChatError} If the server does not let us in.
   * @throws {Failure} If the connection ends before.
   */
  arrive(connection: Connection): Promise<void>;
  /** All requests go out again. */
  arrived(): void;
  /** The connection is lost, and the line tries to come back. */
  lost(why: Error): void;
}

/** See the top of the file. */
export class Line implements Disposable {
  readonly #options: LineOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #keys = crypto.getRandomValues(new Uint8Array(8)).toHex();
  #connection: Connection | undefined; // that we are coming in on, or are in
  #isIn = false;
  #lostAt: number | undefined; // while we try to come back
  #wasIn = false; // ever
  #arrivedAt = 0; // the last time
  #answeredBefore = 0; // when we arrived
  #attempt = 0;
  #retryAfterMs = 0; // as the server has asked
  #parked: Asking[] = []; // what waits for a connection, or for its turn
  #postponed: Asking[] = []; // by the server, until we are told to ask again
  #resumeAt = 0; // about
  #pauses = 0; // that have to be over before
  #asked = 0;
  #answered = 0;
  #unsettled = 0; // requests of which nothing is certain yet
  #bytes = 0; // in them
  #waiting: Waiting[] = [];
  #end: Error | undefined;

  /** Nothing happens before {@linkcode batches} is gone through. */
  constructor(options: LineOptions) {
    this.#options = options;
    this.#clock = options.clock ?? CLOCK;
  }

  /** How many requests were ever asked; again, if they were postponed. */
  get asked(): number {
    return this.#asked;
  }

  /** How many of them are answered. */
  get answered(): number {
    return this.#answered;
  }

  /** Whether there is no way to the server at the moment. */
  get away(): boolean {
    return this.#lostAt !== undefined;
  }

  /** What waits to be asked, or asked again; after the end, in vain. */
  get parked(): readonly Request[] {
    return this.#parked;
  }

  /** Asks without waiting: the answer comes among the events alone. */
  post(
    verb: RequestVerb,
    args: readonly string[] = [],
    headers: Headers = {},
    body?: Uint8Array | string,
  ): Request {
    return this.#ask({ verb, args, headers, body: bytesOf(body) });
  }

  /**
   * Asks, and waits for the answer, however many connections that takes.
   *
   * @throws {ChatError} What the server answered, if that was an ERROR.
   * @throws {Failure} If the line ended before.
   */
  request(
    verb: RequestVerb,
    args: readonly string[] = [],
    headers: Headers = {},
    body?: Uint8Array | string,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const asking = { verb, args, headers, body: bytesOf(body) };
    this.#ask({ ...asking, resolve, reject });
    return promise;
  }

  /**
   * Asks what is of no use later.
   *
   * @throws {Failure} Also if the connection is lost before the answer.
   */
  async glance(verb: RequestVerb, args: readonly string[]): Promise<Answer> {
    if (!this.#connection || !this.#isIn) throw gone();
    return await this.#connection.request(verb, args);
  }

  /**
   * Waits until at most so many requests, and bytes in them, are unanswered.
   *
   * @throws {Failure} If the line ended before.
   */
  async settled(requests: number, bytes = Infinity): Promise<void> {
    if (this.#stop.signal.aborted) throw this.#end ?? gone();
    if (this.#isSettled({ requests, bytes })) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ requests, bytes, resolve, reject });
    await promise;
  }

  /** Do not come back before `ms` have passed: the server has asked for it. */
  waitBeforeReturn(ms: number): void {
    this.#retryAfterMs = ms;
  }

  /**
   * Takes those requests as answered that wait, may have reached the server,
   * and are what `isStored` looks for; the first of them alone.
   */
  settleStored(isStored: (request: Request) => boolean): void {
    const at = this.#parked.findIndex((one) => one.tried && isStored(one));
    const [stored] = at < 0 ? [] : this.#parked.splice(at, 1);
    if (stored) this.#settle(stored);
  }

  /**
   * Connects, and gives what arrives, in batches, on one connection after the
   * other; PONGs and what `visitor` asks too. Go through each before asking for
   * the next. Ends after BYE, or when the line was closed.
   *
   * @throws {ChatError} If we are not let in.
   * @throws {Failure} If the line ends otherwise.
   */
  async *batches(
    visitor: Visitor,
  ): AsyncGenerator<Iterable<Event>, void, void> {
    try {
      for (;;) {
        try {
          yield* this.#stay(visitor);
          return;
        } catch (error) {
          if (!this.#stop.signal.aborted) await this.#pause(error, visitor);
          else if (this.#end) throw this.#end;
          else return; // as asked
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

  /** Ends the line at once. Whoever waits is told why. Idempotent. */
  close(reason?: Failure): void {
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
  async *#stay(visitor: Visitor): AsyncGenerator<Iterable<Event>, void, void> {
    const stream = await this.#options.dial(this.#stop.signal);
    const watch = new Watch(this.#clock.now);
    using connection = new Connection(watch.over(stream));
    this.#connection = connection;
    if (this.#stop.signal.aborted) return;
    using _watching = this.#clock.every(
      CHECK_EVERY_MS,
      () => this.#look(watch, connection),
    );
    const arriving = this.#arrive(visitor, connection);
    try {
      for await (const batch of connection.batches()) {
        yield this.#counted(batch);
      }
    } catch (error) {
      // Who refuses us and hangs up at once is heard out first.
      throw await arriving ?? error;
    } finally {
      connection.close();
      await arriving;
      this.#isIn = false;
      const unanswered = [...this.#takePostponed(), ...connection.left];
      this.#parked = [...unanswered, ...this.#parked];
    }
  }

  /**
   * Never rejects: what goes wrong ends the connection.
   *
   * @returns What went wrong, if something did.
   */
  async #arrive(
    visitor: Visitor,
    connection: Connection,
  ): Promise<unknown> {
    try {
      await visitor.arrive(connection);
      for (const asking of this.#parked.splice(0)) connection.ask(asking);
      this.#isIn = true;
      this.#wasIn = true;
      this.#lostAt = undefined;
      this.#arrivedAt = this.#clock.now();
      this.#answeredBefore = this.#answered;
      this.#retryAfterMs = 0;
      visitor.arrived();
      return undefined;
    } catch (error) {
      // The cast: nothing throws anything else.
      connection.close(error as Error);
      return error;
    }
  }

  /** @throws {unknown} `error`, if there is no coming back from it. */
  async #pause(error: unknown, visitor: Visitor): Promise<void> {
    const now = this.#clock.now();
    if (!this.#wasIn || !passes(error, now - (this.#lostAt ?? now))) {
      throw error;
    }
    if (this.#lostAt === undefined) {
      this.#lostAt = now;
      const stayed = now - this.#arrivedAt >= STAYED_MS;
      if (stayed || this.#answered > this.#answeredBefore) this.#attempt = 0;
      visitor.lost(error);
    }
    const pause = pauseBefore(this.#attempt++, {
      retryAfterMs: Math.max(this.#retryAfterMs, retryAfterOf(error)),
      ...(this.#options.random ? { random: this.#options.random } : {}),
    });
    this.#retryAfterMs = 0;
    const { giveUpAfterMs = Infinity } = this.#options;
    if (now + pause - this.#lostAt > giveUpAfterMs) throw givenUp(error);
    await this.#clock.sleep(pause, this.#stop.signal);
  }

  /** Finds out whether somebody is there; ends the connection if not. */
  #look(watch: Watch, connection: Connection): void {
    switch (watch.check()) {
      case "ask":
        connection.ask({ verb: "PING", args: [], body: bytesOf(undefined) });
        return;
      case "give up":
        connection.close(unheard());
    }
  }

  /** The events, of which those that answer us are counted. */
  *#counted(batch: Iterable<Event>): Generator<Event, void, void> {
    for (const event of batch) {
      // The cast: a Connection gives back what it was asked.
      const asking = event.request as Asking | undefined;
      if (asking && isPostponed(event)) {
        this.#postpone(asking, event.frame);
        continue;
      }
      if (asking?.lasting) this.#settle(asking);
      yield event;
    }
    if (this.#postponed.length > 0) this.#resume();
  }

  /** Asks nothing more until the time that the server has told is over. */
  #postpone(asking: Asking, frame: Frame): void {
    this.#postponed.push(asking);
    this.#answered++;
    const now = this.#clock.now();
    const told = retryAfterOf(errorOf(frame)) || LEAST_RETRY_AFTER_MS;
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
   * Asks again what was postponed, and then the rest, if it is time. What is on
   * its way has to be answered first, since it may be postponed too.
   */
  #resume(): void {
    const connection = this.#connection;
    if (!connection || !this.#isIn || this.#pauses > 0) return;
    if (connection.left.length > 0) return;
    const waiting = [...this.#takePostponed(), ...this.#parked.splice(0)];
    for (const asking of waiting) connection.ask(asking);
  }

  /** What was postponed, to be asked as if for the first time. */
  #takePostponed(): Asking[] {
    this.#asked += this.#postponed.length;
    return this.#postponed.splice(0);
  }

  #ask(asking: Asking): Request {
    this.#asked++;
    this.#unsettled++;
    const key = asking.verb === "SEND" ? { Key: this.#nextKey() } : {};
    const headers = { ...asking.headers, ...key };
    const lasting: Asking = { ...asking, headers, lasting: true };
    this.#bytes += lasting.body.length;
    if (this.#stop.signal.aborted) lasting.reject?.(this.#end ?? gone());
    else if (this.#connection && this.#isIn && this.#postponed.length === 0) {
      this.#connection.ask(lasting);
    } else this.#parked.push(lasting);
    return lasting;
  }

  /** Tells whoever waits that nothing will come. */
  #refuseAll(): void {
    const end = this.#end ?? gone();
    for (const { reject } of this.#waiting.splice(0)) reject(end);
    for (const { reject } of this.#postponed) reject?.(end);
    for (const { reject } of this.#parked) reject?.(end);
  }

  /** Unlike all others of this user, also in other runs of this program. */
  #nextKey(): string {
    return `${this.#keys}-${this.#asked.toString(36)}`;
  }

  #settle({ body }: Request): void {
    this.#answered++;
    this.#unsettled--;
    this.#bytes -= body.length;
    if (this.#waiting.length > 0) this.#wake();
  }

  #isSettled({ requests, bytes }: Pick<Waiting, "requests" | "bytes">) {
    return this.#unsettled <= requests && this.#bytes <= bytes;
  }

  #wake(): void {
    const ready = this.#waiting.filter((one) => this.#isSettled(one));
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { resolve } of ready) resolve();
  }
}

interface Waiting {
  readonly requests: number;
  readonly bytes: number;
  resolve(): void;
  reject(error: Error): void;
}

/** Too fast, a server that is full, a disk that is. */
const PASSING = new Set<number>([108, 114, 119]);

/** Whether to try again may help, when we are away for `awayMs`. */
function passes(error: unknown, awayMs: number): error is Error {
  if (error instanceof Failure) return error.passing;
  if (!(error instanceof ChatError)) return false;
  const ours = error.code === 104 && awayMs < NAME_HELD_MS;
  return ours || PASSING.has(error.code);
}

/** How long the server wants us to wait, in milliseconds. */
function retryAfterOf(error: Error): number {
  const told = error instanceof ChatError ? error : error.cause;
  if (!(told instanceof ChatError)) return 0;
  const seconds = Number(told.headers["retry-after"]);
  return seconds > 0 ? seconds * 1_000 : 0;
}

function unheard(): Failure {
  const seconds = (PING_AFTER_MS + GIVE_UP_AFTER_MS) / 1_000;
  return new Failure(
    EXIT.failed,
    `Connection lost: nothing was heard for ${seconds} seconds`,
    { advice: "Is this computer still on the network?", passing: true },
  );
}

function givenUp(error: Error): Failure {
  const why = error instanceof ChatError ? said(error) : error.message;
  return new Failure(EXIT.failed, "Connection lost, and no way back", {
    advice: `The last try: ${why}`,
    cause: error,
  });
}
