/**
 * Rendezvous: how two clients connect. Both listen, and both dial all candidates
 * of the other side. The first connection on which both prove the session's key
 * becomes the channel.
 *
 * A rendezvous outlives its channels. When one breaks,
 * {@linkcode Rendezvous.connect} makes the next one from the same secret, and
 * either side may start. Any other connection to our port is dropped: at once for
 * a wrong first message, after {@linkcode HANDSHAKE_MS} for none, and the oldest
 * one when there are too many.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { endpointText, whyUnreachable } from "../trust/address.ts";
import type { ByteStream } from "../trust/tls.ts";
import type { Channel } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import {
  type Agreement,
  type Handshake,
  handshake,
  type Rounds,
} from "./handshake.ts";
import { CLOCK } from "../../core/net/backoff.ts";
import { type Candidate, ownCandidates } from "./candidates.ts";

/** Time limit of a handshake, in milliseconds. */
export const HANDSHAKE_MS = 5_000;

/** Limit of incoming connections in their handshake. */
export const MAX_PENDING = 8;

/** How long both sides try to connect, in milliseconds. */
export const RENDEZVOUS_MS = 15_000;

/** Pause after accept failed, such as for too many open files. */
const ACCEPT_RETRY_MS = 1_000;

/** Settings of a {@linkcode Rendezvous}. */
export interface RendezvousOptions {
  /** The only address to listen on. Default: all of this computer. */
  readonly hostname?: string | undefined;
  /** Default {@linkcode RENDEZVOUS_MS}. */
  readonly timeoutMs?: number;
}

/** No connection was possible: what was tried, and why it failed. */
export class NoConnection extends Error {
  override readonly name = "NoConnection";
  /** One line for each candidate. */
  readonly attempts: readonly string[];

  constructor(attempts: readonly string[]) {
    super("Cannot connect directly");
    this.attempts = attempts;
  }
}

/** The rendezvous of one session. */
export class Rendezvous implements AsyncDisposable {
  /** Where this side listens. */
  readonly candidates: readonly Candidate[];
  readonly #timeoutMs: number;
  readonly #listeners: Deno.TcpListener[];
  readonly #stop = new AbortController();
  readonly #agreed = Promise.withResolvers<Agreement>();
  readonly #pending = new Set<AbortController>(); // to drop each, if incoming
  readonly #running = new Set<Promise<void>>();
  readonly #attempts = new Map<string, string>(); // candidate and outcome
  #theirs: readonly Candidate[] = [];
  #dialling = new AbortController();
  #round = 0; // the number of channels so far
  #chosen: number | undefined; // the round of the channel, while it holds
  #channel: Channel | undefined;
  #isNew = false; // `connect` has not returned it yet
  #arrived = Promise.withResolvers<void>();
  #over = new Failure(EXIT.failed, "The direct session is over");

  /**
   * Listens on a port that the system chooses.
   *
   * @throws {Failure} If the system refuses.
   */
  constructor({ hostname, timeoutMs = RENDEZVOUS_MS }: RendezvousOptions = {}) {
    this.#timeoutMs = timeoutMs;
    const { listeners, candidates } = listenSomewhere(hostname);
    this.#listeners = listeners;
    this.candidates = candidates;
    for (const listener of this.#listeners) this.#run(this.#accept(listener));
  }

  /** Sets the key agreement, and the candidates of the other side. */
  agree(agreement: Agreement, theirs: readonly Candidate[]): void {
    this.#theirs = theirs;
    this.#agreed.resolve(agreement);
  }

  /**
   * The next channel: the first one, or the next after one broke.
   *
   * @throws {NoConnection} If no candidate works, in either direction.
   * @throws {Failure} If the rendezvous is over.
   */
  async connect(): Promise<Channel> {
    if (!this.#isNew) await this.#dialBothWays();
    this.#isNew = false;
    return this.#channel!; // #dialBothWays has thrown otherwise
  }

  /** Gives up, unless there was a channel before: the other side declined. */
  cancel(why: string): void {
    if (this.#round > 0) return;
    this.#over = new Failure(EXIT.refused, why);
    this.#stop.abort();
    this.#arrived.resolve();
  }

  /** Ends it with all connections but the channels that `connect` returned. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const listener of this.#listeners.splice(0)) listener.close();
    for (const pending of this.#pending) pending.abort(dropped());
    if (this.#isNew) this.#channel?.abort(this.#over);
    this.#arrived.resolve();
    await Promise.all(this.#running);
  }

  async #dialBothWays(): Promise<void> {
    if (this.#stop.signal.aborted) throw this.#over;
    this.#chosen = undefined; // the caller has lost it
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
    const own = this.candidates.map(endpointText).join(", ");
    return [
      ...this.#attempts.entries().map((attempt) => attempt.join(": ")),
      `no incoming connection on ${own}`,
    ];
  }

  async #dial(candidate: Candidate): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, this.#dialling.signal]);
    const text = endpointText(candidate);
    const seconds = this.#timeoutMs / 1_000;
    this.#attempts.set(text, `no answer within ${seconds} seconds`);
    try {
      const conn = await Deno.connect({ ...candidate, signal });
      await this.#handshake(conn, signal);
    } catch (error) {
      if (signal.aborted) return;
      const [why] = whyUnreachable(error);
      this.#attempts.set(text, why);
    }
  }

  /** Accepts until the rendezvous is over. */
  async #accept(listener: Deno.TcpListener): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        this.#run(this.#receive(await listener.accept()));
      } catch {
        // The listener is closed; or too many files are open, which passes.
        await CLOCK.sleep(ACCEPT_RETRY_MS, this.#stop.signal);
      }
    }
  }

  async #receive(conn: Deno.TcpConn): Promise<void> {
    try {
      await this.#handshake(conn);
    } catch (error) {
      // Some other program; only a wrong key is worth telling.
      if (!(error instanceof Failure) || error.advice === "") return;
      this.#attempts.set("Incoming connection", error.message);
    }
  }

  /** Makes `conn` the channel, if the handshake succeeds and it is the first. */
  async #handshake(conn: Deno.TcpConn, dialling?: AbortSignal): Promise<void> {
    const stream = closedOnce(conn);
    const drop = new AbortController();
    drop.signal.addEventListener("abort", () => stream.close());
    const late = setTimeout(() => drop.abort(tooSlow()), HANDSHAKE_MS);
    const onDialled = () => drop.abort(dropped());
    dialling?.addEventListener("abort", onDialled);
    if (dialling?.aborted) onDialled();
    const release = () => {
      clearTimeout(late);
      dialling?.removeEventListener("abort", onDialled);
    };
    if (!dialling) this.#admit(drop);
    let chosen = false;
    const choose = (rounds: Rounds) => {
      chosen = !drop.signal.aborted && this.#choose(rounds);
      if (!chosen) return false;
      release();
      this.#dialling.abort(); // all others
      return true;
    };
    try {
      const agreement = await abortable(this.#agreed.promise, drop.signal);
      const dialled = dialling !== undefined;
      const round = this.#round;
      this.#take(
        await handshake(stream, { agreement, dialled, round, choose }),
      );
    } catch (error) {
      if (chosen) this.#chosen = undefined;
      stream.close();
      throw drop.signal.aborted ? drop.signal.reason : error;
    } finally {
      this.#pending.delete(drop);
      release();
    }
  }

  #admit(pending: AbortController): void {
    this.#pending.add(pending);
    if (this.#pending.size <= MAX_PENDING) return;
    const [oldest] = this.#pending;
    this.#pending.delete(oldest!); // there are many
    oldest!.abort(dropped());
  }

  /** Whether a connection is the first, or the peer has lost the last one. */
  #choose({ theirs, both }: Rounds): boolean {
    if (this.#stop.signal.aborted) return false;
    if (this.#chosen !== undefined && theirs <= this.#chosen) return false;
    this.#chosen = both;
    return true;
  }

  #take({ channel, round }: Handshake): void {
    if (this.#stop.signal.aborted) return channel.abort(this.#over);
    this.#channel?.abort(replaced());
    this.#channel = channel;
    this.#isNew = true;
    this.#chosen = round;
    this.#round = round + 1;
    this.#arrived.resolve();
  }

  /** Owns `task`, which never rejects. */
  #run(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

/** @throws {Failure} If the system, or Deno's permissions, refuse. */
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
    const message = `Cannot listen for a direct connection: ${why}`;
    throw new Failure(EXIT.failed, message, { cause });
  }
}

/** Listens on all addresses, IPv4 and IPv6, or on `hostname` only. */
function listen(hostname: string | undefined): Deno.TcpListener[] {
  if (hostname !== undefined) return [Deno.listen({ hostname, port: 0 })];
  let six: Deno.TcpListener;
  try {
    six = Deno.listen({ hostname: "::", port: 0 });
  } catch {
    return [Deno.listen({ hostname: "0.0.0.0", port: 0 })]; // without IPv6
  }
  try {
    const { port } = six.addr;
    return [six, Deno.listen({ hostname: "0.0.0.0", port })];
  } catch {
    return [six]; // it takes IPv4 too, where that port counts as in use
  }
}

/** `conn` without delay and with keepalive, closed at most once. */
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

function dropped(): Failure {
  return new Failure(EXIT.failed, "dropped");
}

function tooSlow(): Failure {
  const why = `no proof within ${HANDSHAKE_MS / 1_000} seconds`;
  return new Failure(EXIT.refused, `wrong peer: ${why}`);
}

function replaced(): Failure {
  const why = "The other side has reconnected";
  return new Failure(EXIT.failed, why, { passing: true });
}
