/**
 * Where two people meet: we listen, and dial wherever the other side may be;
 * the first connection on which both prove the key of the session is theirs.
 *
 * A rendezvous outlives its channels. When one breaks, {@linkcode Rendezvous.connect}
 * makes the next one from the same secret, and whichever side finds out first
 * may begin. Whoever else comes to our port is dropped: at once for a wrong
 * word, after a few seconds for none, and the oldest of too many.
 *
 * @module
 */
import { whyUnreachable } from "../trust/address.ts";
import type { ByteStream, Channel, RecordChannel } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import {
  type Agreement,
  type Handshake,
  handshake,
  type Rounds,
} from "./handshake.ts";
import { CLOCK } from "../../core/net/backoff.ts";
import { type Candidate, candidateText, ownCandidates } from "./candidates.ts";

/** A connection has so long to prove itself, in milliseconds. */
export const PROOF_MS = 5_000;

/** So many connections to our port may be unproven at once. */
export const MAX_PENDING = 8;

/** So long both sides try to meet, in milliseconds. */
export const RENDEZVOUS_MS = 15_000;

/** Accepting goes on after so long, if the system has too much to do. */
const ACCEPT_RETRY_MS = 1_000;

/** What a {@linkcode Rendezvous} may be told. */
export interface RendezvousOptions {
  /** The only address to listen on. Default: all of this computer. */
  readonly hostname?: string | undefined;
  /** How long both sides try to meet. Default {@linkcode RENDEZVOUS_MS}. */
  readonly timeoutMs?: number;
}

/** They did not meet: what was tried, and why it failed. */
export class NoConnection extends Error {
  /** For stack traces. */
  override readonly name = "NoConnection";
  /** An address each, and what became of it. */
  readonly attempts: readonly string[];

  /** `attempts` are lines to be shown. */
  constructor(attempts: readonly string[]) {
    super("Cannot connect directly");
    this.attempts = attempts;
  }
}

/** See the top of the file. */
export class Rendezvous implements AsyncDisposable {
  /** Where the other side may find us. */
  readonly candidates: readonly Candidate[];
  readonly #timeoutMs: number;
  readonly #listeners: Deno.TcpListener[];
  readonly #stop = new AbortController();
  readonly #agreed = Promise.withResolvers<Agreement>();
  readonly #pending = new Set<PendingConnection>();
  readonly #running = new Set<Promise<void>>();
  readonly #attempts = new Map<string, string>(); // candidate and outcome
  #theirs: readonly Candidate[] = [];
  #dialling = new AbortController();
  #round = 0; // how many channels there were
  #chosen: number | undefined; // the round of the channel, while it holds
  #channel: RecordChannel | undefined;
  #isNew = false; // nobody has it yet
  #arrived = Promise.withResolvers<void>();
  #over = new Failure(EXIT.failed, "The direct session is over");

  /**
   * Listens on a port that the system chooses.
   *
   * @throws {Failure} If the system does not let us.
   */
  constructor({ hostname, timeoutMs = RENDEZVOUS_MS }: RendezvousOptions = {}) {
    this.#timeoutMs = timeoutMs;
    const { listeners, candidates } = listenSomewhere(hostname);
    this.#listeners = listeners;
    this.candidates = candidates;
    for (const listener of this.#listeners) this.#run(this.#accept(listener));
  }

  /** Says with whom, and where they may be. */
  agree(agreement: Agreement, theirs: readonly Candidate[]): void {
    this.#theirs = theirs;
    this.#agreed.resolve(agreement);
  }

  /**
   * The next channel: the first, or after the last one broke.
   *
   * @throws {NoConnection} If there is no way to the other side.
   * @throws {Failure} If the rendezvous is over.
   */
  async connect(): Promise<Channel> {
    if (!this.#isNew) await this.#dialBothWays();
    this.#isNew = false;
    return this.#channel!; // #dialBothWays has thrown otherwise
  }

  /** Gives up, if they have not met yet: the other side does not want to. */
  cancel(why: string): void {
    if (this.#round > 0) return;
    this.#over = new Failure(EXIT.refused, why);
    this.#stop.abort();
    this.#arrived.resolve();
  }

  /** Ends it, with all its connections. The channel is its user's to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const listener of this.#listeners.splice(0)) listener.close();
    for (const stranger of this.#pending) stranger[Symbol.dispose]();
    if (this.#isNew) this.#channel?.abandon(this.#over);
    this.#arrived.resolve();
    await Promise.all(this.#running);
  }

  async #dialBothWays(): Promise<void> {
    if (this.#stop.signal.aborted) throw this.#over;
    this.#chosen = undefined; // whoever asks has lost it
    this.#attempts.clear();
    this.#arrived = Promise.withResolvers();
    this.#dialling = new AbortController();
    const late = setTimeout(this.#arrived.resolve, this.#timeoutMs);
    for (const candidate of this.#theirs) this.#run(this.#dial(candidate));
    await this.#arrived.promise;
    clearTimeout(late);
    this.#dialling.abort();
    if (this.#stop.signal.aborted) throw this.#over;
    if (!this.#isNew) throw new NoConnection(this.#outcomes());
  }

  #outcomes(): string[] {
    const tried = Array.from(
      this.#attempts,
      ([candidate, outcome]) => `${candidate}: ${outcome}`,
    );
    const own = this.candidates.map(candidateText).join(", ");
    return [...tried, `no incoming connection on ${own}`];
  }

  async #dial(candidate: Candidate): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, this.#dialling.signal]);
    const text = candidateText(candidate);
    this.#attempts.set(
      text,
      `no answer within ${this.#timeoutMs / 1_000} seconds`,
    );
    try {
      const conn = await Deno.connect({ ...candidate, signal });
      await this.#handshake(conn, signal);
    } catch (error) {
      if (signal.aborted) return;
      const [why] = whyUnreachable(error);
      this.#attempts.set(text, why);
    }
  }

  /** Accepts for as long as the rendezvous lasts. */
  async #accept(listener: Deno.TcpListener): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        this.#run(this.#receive(await listener.accept()));
      } catch {
        // Closed by us; or the system has no room, which passes.
        await CLOCK.sleep(ACCEPT_RETRY_MS, this.#stop.signal);
      }
    }
  }

  async #receive(conn: Deno.TcpConn): Promise<void> {
    try {
      await this.#handshake(conn, undefined);
    } catch (error) {
      // A stranger, of whom nobody has to hear, unless the key was exchanged.
      if (!(error instanceof Failure) || error.advice === "") return;
      this.#attempts.set("On our port", error.message);
    }
  }

  /** Makes `conn` the channel, if it is the other side and the first. */
  async #handshake(
    conn: Deno.TcpConn,
    dialling: AbortSignal | undefined,
  ): Promise<void> {
    const stranger = new PendingConnection(conn, dialling);
    if (!dialling) this.#admit(stranger);
    let chosen = false;
    try {
      const agreement = await Promise.race([
        this.#agreed.promise,
        stranger.dropped,
      ]);
      this.#take(
        await handshake(stranger.stream, {
          agreement,
          dialled: dialling !== undefined,
          round: this.#round,
          choose: (rounds) => chosen = this.#choose(rounds, stranger),
        }),
      );
    } catch (error) {
      if (chosen) this.#chosen = undefined;
      const why = stranger.why ?? error;
      stranger[Symbol.dispose]();
      throw why;
    } finally {
      this.#pending.delete(stranger);
      stranger.release();
    }
  }

  #admit(stranger: PendingConnection): void {
    this.#pending.add(stranger);
    if (this.#pending.size <= MAX_PENDING) return;
    const [oldest] = this.#pending;
    this.#pending.delete(oldest!); // there are many
    oldest![Symbol.dispose]();
  }

  /** Whether it is the first; or the other side has lost the one we have. */
  #choose({ theirs, both }: Rounds, stranger: PendingConnection): boolean {
    if (this.#stop.signal.aborted || stranger.why) return false;
    if (this.#chosen !== undefined && theirs <= this.#chosen) return false;
    this.#chosen = both;
    stranger.release();
    this.#dialling.abort(); // all others
    return true;
  }

  #take({ channel, round }: Handshake): void {
    if (this.#stop.signal.aborted) return channel.abandon(this.#over);
    this.#channel?.abandon(replaced());
    this.#channel = channel;
    this.#isNew = true;
    this.#chosen = round;
    this.#round = round + 1;
    this.#arrived.resolve();
  }

  /** Keeps `task`, which never rejects, until it is done. */
  #run(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

/** A connection that has nothing proved yet, for a short while. */
class PendingConnection implements Disposable {
  /** The connection. Closed at most once. */
  readonly stream: ByteStream;
  /** Rejects when it is dropped. */
  readonly dropped: Promise<never>;
  /** Why it was dropped. */
  why: Failure | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #signal: AbortSignal | undefined;
  readonly #drop: (why: Failure) => void;
  readonly #onAbort = () => this[Symbol.dispose]();

  /** Dropped after {@linkcode PROOF_MS}, or when `signal` aborts. */
  constructor(conn: Deno.TcpConn, signal: AbortSignal | undefined) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.dropped = promise;
    promise.catch(() => {}); // whoever waits for it is told
    this.stream = closedOnce(conn);
    this.#signal = signal;
    this.#drop = (why) => {
      this.why ??= why;
      this.stream.close();
      reject(why);
    };
    const late = `it proved nothing within ${PROOF_MS / 1_000} seconds`;
    this.#timer = setTimeout(() => {
      this.#drop(new Failure(EXIT.refused, `somebody else is there: ${late}`));
    }, PROOF_MS);
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  /** It has a channel, or is closed: no longer to be dropped. */
  release(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  [Symbol.dispose](): void {
    this.#drop(new Failure(EXIT.failed, "dropped"));
  }
}

/**
 * Listens, and finds out where that is.
 *
 * @throws {Failure} If the system, or who started Deno, does not let us.
 */
function listenSomewhere(
  hostname: string | undefined,
): {
  readonly listeners: Deno.TcpListener[];
  readonly candidates: Candidate[];
} {
  let listeners: Deno.TcpListener[] = [];
  try {
    listeners = listen(hostname);
    const { port } = listeners[0]!.addr; // there is one, or it has thrown
    return { listeners, candidates: ownCandidates(port, hostname) };
  } catch (cause) {
    for (const listener of listeners) listener.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(
      EXIT.failed,
      `Cannot listen for a direct connection: ${why}`,
      { cause },
    );
  }
}

/** Listens on all addresses, IPv4 and IPv6, or on `hostname` alone. */
function listen(hostname: string | undefined): Deno.TcpListener[] {
  if (hostname !== undefined) return [Deno.listen({ hostname, port: 0 })];
  let six: Deno.TcpListener;
  try {
    six = Deno.listen({ hostname: "::", port: 0 });
  } catch {
    return [Deno.listen({ hostname: "0.0.0.0", port: 0 })]; // has no IPv6
  }
  try {
    const { port } = six.addr;
    return [six, Deno.listen({ hostname: "0.0.0.0", port })];
  } catch {
    return [six]; // which takes IPv4 too, where the port is in use by it
  }
}

/** `conn`, made ready for talk, and closed at most once. */
function closedOnce(conn: Deno.TcpConn): ByteStream {
  conn.setNoDelay(true);
  conn.setKeepAlive(true);
  let closed = false;
  return {
    read: (buffer) => conn.read(buffer),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close() {
      if (!closed) conn.close();
      closed = true;
    },
  };
}

function replaced(): Failure {
  return new Failure(EXIT.failed, "The other side has connected again", {
    passing: true,
  });
}
