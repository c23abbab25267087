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
import { CLOCK } from "../../core/net/backoff.ts";
import {
  type Endpoint,
  endpointText,
  whyUnreachable,
} from "../trust/address.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { ownCandidates } from "./candidates.ts";
import type { Channel } from "./channel.ts";
import { type Agreement, type Handshake, handshake } from "./handshake.ts";

/** Time limit of a handshake, in milliseconds. */
export const HANDSHAKE_MS = 5_000;

/** Limit of incoming connections in their handshake. */
export const MAX_PENDING = 8;

/** How long both sides try to connect, in milliseconds. */
export const RENDEZVOUS_MS = 15_000;

/** Pause after accept failed, such as for too many open files. */
const ACCEPT_RETRY_MS = 1_000;

/** No connection was possible: what was tried, and why it failed. */
export class NoConnection extends Failure {
  /** One line for each candidate. */
  readonly attempts: readonly string[];

  constructor(attempts: readonly string[]) {
    super(EXIT.failed, "no direct connection was possible");
    this.attempts = attempts;
  }
}

/** The rendezvous of one session. */
export class Rendezvous implements AsyncDisposable {
  /** Where this side listens. */
  readonly candidates: readonly Endpoint[];
  readonly #timeoutMs: number;
  readonly #listeners: Deno.TcpListener[];
  readonly #stop = new AbortController();
  readonly #agreed = Promise.withResolvers<Agreement>();
  readonly #incoming = new Set<AbortController>(); // in their handshake
  readonly #dialling = new Set<AbortController>();
  readonly #running = new Set<Promise<void>>();
  readonly #attempts = new Map<string, string>(); // candidate and outcome
  #theirs: readonly Endpoint[] = [];
  #round = 0; // the number of channels so far
  #chosen: number | undefined; // the round of the channel, while it holds
  #channel: Channel | undefined;
  #isNew = false; // `connect` has not returned it yet
  #arrived = Promise.withResolvers<void>();

  /**
   * Listens on a port that the system chooses, of all addresses of this computer
   * or of `hostname` only. {@linkcode connect} gives up after `timeoutMs`.
   *
   * @throws {Failure} If the system refuses.
   */
  constructor({ hostname, timeoutMs = RENDEZVOUS_MS }: {
    readonly hostname?: string | undefined;
    readonly timeoutMs?: number;
  }) {
    this.#timeoutMs = timeoutMs;
    this.#listeners = listen(hostname);
    const { port } = this.#listeners[0]!.addr; // there is one, or it has thrown
    this.candidates = ownCandidates(port, hostname);
    for (const listener of this.#listeners) this.#run(this.#accept(listener));
  }

  /** Sets the key agreement, and the candidates of the other side. */
  agree(agreement: Agreement, theirs: readonly Endpoint[]): void {
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
    if (this.#round === 0) this.#end(new Failure(EXIT.refused, why));
  }

  /** Ends it with all connections but the channels that `connect` returned. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(new Failure(EXIT.failed, "The direct session is over"));
    for (const listener of this.#listeners.splice(0)) listener.close();
    if (this.#isNew) this.#channel?.abort(this.#stop.signal.reason);
    await Promise.all(this.#running);
  }

  #end(why: Failure): void {
    this.#stop.abort(why);
    dropAll(this.#dialling);
    dropAll(this.#incoming);
    this.#arrived.resolve();
  }

  async #dialBothWays(): Promise<void> {
    this.#stop.signal.throwIfAborted();
    this.#chosen = undefined; // the caller has lost it
    this.#attempts.clear();
    this.#arrived = Promise.withResolvers();
    const late = setTimeout(this.#arrived.resolve, this.#timeoutMs);
    for (const candidate of this.#theirs) this.#run(this.#dial(candidate));
    await this.#arrived.promise;
    clearTimeout(late);
    dropAll(this.#dialling);
    this.#stop.signal.throwIfAborted();
    if (!this.#isNew) throw new NoConnection(this.#outcomes());
  }

  #outcomes(): string[] {
    const tried = Array.from(
      this.#attempts,
      ([candidate, outcome]) => `${candidate}: ${outcome}`,
    );
    const own = this.candidates.map(endpointText).join(", ");
    return [...tried, `no incoming connection on ${own}`];
  }

  async #dial(candidate: Endpoint): Promise<void> {
    const dropping = new AbortController();
    this.#dialling.add(dropping);
    const text = endpointText(candidate);
    const late = `no answer within ${this.#timeoutMs / 1_000} seconds`;
    this.#attempts.set(text, late);
    try {
      const { signal } = dropping;
      const conn = await Deno.connect({ ...candidate, signal });
      await this.#handshake(conn, { dialled: true, dropping });
    } catch (error) {
      const isNews = this.#dialling.has(dropping); // or it was not needed
      if (isNews) this.#attempts.set(text, whyUnreachable(error)[0]);
    } finally {
      this.#dialling.delete(dropping);
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
    const dropping = new AbortController();
    this.#incoming.add(dropping);
    if (this.#incoming.size > MAX_PENDING) {
      const [oldest] = this.#incoming;
      this.#incoming.delete(oldest!); // there are many
      oldest!.abort();
    }
    try {
      await this.#handshake(conn, { dialled: false, dropping });
    } catch (error) {
      // Some other program; only a wrong key is worth telling.
      if (!(error instanceof Failure) || error.advice === "") return;
      this.#attempts.set("Incoming connection", error.message);
    } finally {
      this.#incoming.delete(dropping);
    }
  }

  /**
   * Makes `conn` the channel, if the handshake succeeds and it is the first. Drops
   * it when `dropping` aborts, or after {@linkcode HANDSHAKE_MS}.
   */
  async #handshake(
    conn: Deno.TcpConn,
    { dialled, dropping }: { dialled: boolean; dropping: AbortController },
  ): Promise<void> {
    const { signal } = dropping;
    const close = () => conn[Symbol.dispose](); // also twice
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
    signal.addEventListener("abort", close);
    const timer = setTimeout(() => dropping.abort(noProof()), HANDSHAKE_MS);
    const release = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", close);
    };
    let chosen = false;
    const choose = (theirs: number, both: number) => {
      if (signal.aborted || !this.#needs(theirs)) return false;
      this.#chosen = both;
      release();
      dropAll(this.#dialling);
      return chosen = true;
    };
    try {
      const agreement = await abortable(this.#agreed.promise, signal);
      const options = { agreement, dialled, round: this.#round, choose };
      this.#take(await handshake(conn, options));
    } catch (error) {
      close();
      if (chosen) this.#chosen = undefined;
      throw signal.aborted ? signal.reason : error;
    } finally {
      release();
    }
  }

  /** Whether there is no channel, or the peer has lost the last one. */
  #needs(theirs: number): boolean {
    if (this.#stop.signal.aborted) return false;
    return this.#chosen === undefined || theirs > this.#chosen;
  }

  #take({ channel, round }: Handshake): void {
    if (this.#stop.signal.aborted) {
      return void channel.abort(this.#stop.signal.reason);
    }
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

function dropAll(connections: Set<AbortController>): void {
  for (const connection of connections) connection.abort();
  connections.clear();
}

/**
 * Listens on all addresses, IPv4 and IPv6, or on `hostname` only.
 *
 * @throws {Failure} If the system, or Deno's permissions, refuse.
 */
function listen(hostname: string | undefined): Deno.TcpListener[] {
  try {
    if (hostname !== undefined) return [Deno.listen({ hostname, port: 0 })];
    return listenEverywhere();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(
      EXIT.failed,
      `Cannot listen for a direct connection: ${why}`,
      { cause },
    );
  }
}

function listenEverywhere(): Deno.TcpListener[] {
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

function noProof(): Failure {
  const why = `no proof within ${HANDSHAKE_MS / 1_000} seconds`;
  return new Failure(EXIT.refused, `wrong peer: ${why}`);
}

function replaced(): Failure {
  return new Failure(EXIT.failed, "The other side has reconnected", {
    passing: true,
  });
}
