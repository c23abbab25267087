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
import { CLOCK } from "../../core/net/backoff.ts";
import { listenEverywhere, type PortListener } from "../../platform/listen.ts";
import { mayBeAllowed } from "../../platform/network_advice.ts";
import { EVERYWHERE, SYSTEM, type System } from "../../platform/system.ts";
import { errorCode } from "../../platform/system_error.ts";
import { type Endpoint, endpointText, tune } from "../trust/address.ts";
import { whyUnreachable } from "../trust/unreachable.ts";
import { EXIT, Failure, systemReason } from "../view/failure.ts";
import { ownCandidates } from "./candidates.ts";
import { type Channel, lost } from "./channel.ts";
import {
  type Agreement,
  type Handshake,
  handshake,
  wrongPeer,
} from "./handshake.ts";

/** Time limit of a handshake, in milliseconds. */
export const HANDSHAKE_MS = 5_000;

/** Limit of incoming connections in their handshake. */
export const MAX_PENDING = 8;

/**
 * How long both sides try to connect for the first time, in milliseconds: a firewall
 * may ask one of the two users first.
 */
export const FIRST_RENDEZVOUS_MS = 60_000;

/** The same for later attempts. */
export const RENDEZVOUS_MS = 15_000;

/**
 * How long to wait for an answer, in milliseconds, before a candidate is dialled
 * again: the system itself would try less and less often, and a firewall may let us
 * through as soon as its user has answered.
 */
const DIAL_AGAIN_MS = 5_000;

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
  readonly #timeoutMs: number | undefined;
  readonly #againMs: number;
  readonly #connect: typeof Deno.connect;
  readonly #system: System;
  readonly #listeners: PortListener[];
  readonly #stop = new AbortController();
  readonly #incoming = new Set<AbortController>(); // in their handshake
  readonly #running = new Set<Promise<void>>();
  readonly #attempts = new Map<string, string>(); // candidate and outcome
  #dialling = new AbortController(); // ends when a channel is there, or too late
  #agreement: Agreement | undefined; // until then nothing is accepted
  #theirs: readonly Endpoint[] = [];
  #round = 0; // the number of channels so far
  #chosen: number | undefined; // the round of the channel, while it holds
  #channel: Channel | undefined;
  #warned = false; // of a wrong key
  #isNew = false; // `connect` has not returned it yet

  /**
   * Listens on a port that the system chooses, of all addresses of this computer
   * or of `hostname` only.
   *
   * @throws {Failure} If the system refuses.
   */
  constructor({ hostname, timeoutMs, againMs, connect, system }: {
    readonly hostname?: string | undefined;
    /** When {@linkcode connect} gives up. Default: the times above. */
    readonly timeoutMs?: number;
    /** When a candidate is dialled again. Default: after five seconds. */
    readonly againMs?: number;
    /** Default: `Deno.connect`. */
    readonly connect?: typeof Deno.connect;
    /** Default: the one that runs this. */
    readonly system?: System;
  }) {
    this.#timeoutMs = timeoutMs;
    this.#againMs = againMs ?? DIAL_AGAIN_MS;
    this.#connect = connect ?? Deno.connect;
    this.#system = system ?? SYSTEM;
    this.#listeners = listen(hostname);
    const { port } = this.#listeners[0]!.addr; // there is one, or it has thrown
    this.candidates = ownCandidates(port, hostname);
  }

  /** Sets the key agreement, and the candidates of the other side. */
  agree(agreement: Agreement, theirs: readonly Endpoint[]): void {
    this.#theirs = theirs;
    this.#agreement = agreement;
    for (const listener of this.#listeners) this.#run(this.#accept(listener));
  }

  /** The verification code; empty until there was a channel. */
  get code(): string {
    return this.#agreement?.code ?? "";
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
    this.#dialling.abort();
  }

  async #dialBothWays(): Promise<void> {
    this.#stop.signal.throwIfAborted();
    this.#chosen = undefined; // the caller has lost it
    this.#attempts.clear();
    this.#dialling = new AbortController();
    const { signal } = this.#dialling;
    const usualMs = this.#timeoutMs ?? RENDEZVOUS_MS;
    const isFirst = this.#timeoutMs === undefined && this.#round === 0;
    const longestMs = isFirst ? FIRST_RENDEZVOUS_MS : usualMs;
    const silent = `no answer within ${longestMs / 1_000} seconds`;
    for (const one of this.#theirs) {
      this.#attempts.set(endpointText(one), silent);
      this.#run(this.#dial(one, signal));
    }
    await CLOCK.sleep(usualMs, signal);
    // The user is told of an attack soon.
    if (!this.#warned) await CLOCK.sleep(longestMs - usualMs, signal);
    this.#dialling.abort();
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

  /** Dials, again and again until there is an answer. */
  async #dial(candidate: Endpoint, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const late = AbortSignal.timeout(this.#againMs);
      const either = AbortSignal.any([signal, late]);
      try {
        const conn = await this.#connect({ ...candidate, signal: either });
        return await this.#handshake(conn, { dialled: true, signal });
      } catch (error) {
        if (signal.aborted) return; // it was not needed
        if (error === late.reason) continue;
        this.#failed(endpointText(candidate), error);
        const code = errorCode(error, this.#system);
        if (!mayBeAllowed(code, this.#system)) return;
      }
      await CLOCK.sleep(this.#againMs, signal);
    }
  }

  /** Remembers why an attempt failed. */
  #failed(attempt: string, error: unknown): void {
    this.#attempts.set(
      attempt,
      whyUnreachable(error, { system: this.#system })[0],
    );
    if (isWarning(error)) this.#warned = true;
  }

  /** Accepts until the rendezvous is over. */
  async #accept(listener: PortListener): Promise<void> {
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
    const signal = AbortSignal.any([dropping.signal, this.#stop.signal]);
    try {
      await this.#handshake(conn, { dialled: false, signal });
    } catch (error) {
      // Some other program; only a wrong key is worth telling.
      if (isWarning(error)) this.#failed("Incoming connection", error);
    } finally {
      this.#incoming.delete(dropping);
    }
  }

  /**
   * Makes `conn` the channel, if the handshake succeeds and it is the first. Drops
   * it when `signal` aborts, or after {@linkcode HANDSHAKE_MS}.
   */
  async #handshake(
    conn: Deno.TcpConn,
    { dialled, signal }: { dialled: boolean; signal: AbortSignal },
  ): Promise<void> {
    const late = AbortSignal.timeout(HANDSHAKE_MS);
    const dropped = AbortSignal.any([signal, late]);
    const close = () => conn[Symbol.dispose](); // also twice
    dropped.addEventListener("abort", close);
    let chosen = false;
    const choose = (theirs: number, both: number) => {
      const isNeeded = this.#chosen === undefined ||
        theirs > this.#chosen; // the peer has lost the last one
      if (dropped.aborted || !isNeeded) return false;
      this.#chosen = both;
      return chosen = true;
    };
    try {
      tune(conn);
      dropped.throwIfAborted();
      const agreement = this.#agreement!; // we dial and accept only with one
      const options = { agreement, dialled, round: this.#round, choose };
      const made = await handshake(conn, options);
      dropped.removeEventListener("abort", close);
      this.#take(made);
    } catch (error) {
      close();
      if (chosen) this.#chosen = undefined;
      if (!late.aborted) throw error;
      throw wrongPeer(`no proof within ${HANDSHAKE_MS / 1_000} seconds`);
    }
  }

  #take({ channel, round }: Handshake): void {
    if (this.#stop.signal.aborted) {
      return void channel.abort(this.#stop.signal.reason);
    }
    this.#channel?.abort(lost(": the other side has reconnected"));
    this.#channel = channel;
    this.#isNew = true;
    this.#chosen = round;
    this.#round = round + 1;
    this.#dialling.abort();
  }

  /** Owns `task`, which never rejects. */
  #run(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

/** Whether the user must know of it: a client showed a wrong key. */
function isWarning(error: unknown): boolean {
  return error instanceof Failure && error.advice !== "";
}

/**
 * Listens on all addresses, IPv4 and IPv6, or on `hostname` only.
 *
 * @throws {Failure} If the system, or Deno's permissions, refuse.
 */
function listen(hostname: string | undefined): PortListener[] {
  try {
    if (hostname !== undefined) return [Deno.listen({ hostname, port: 0 })];
    return listenOnBoth();
  } catch (cause) {
    const why = systemReason(cause);
    throw new Failure(
      EXIT.failed,
      `Cannot listen for a direct connection: ${why}`,
      { cause },
    );
  }
}

function listenOnBoth(): PortListener[] {
  try {
    return listenEverywhere({ port: 0 });
  } catch {
    return [Deno.listen({ hostname: EVERYWHERE, port: 0 })]; // without IPv6
  }
}
