/**
 * Where peers come in: any number of listeners, and one way to be served.
 *
 *     listener → accept → Wire → Connection → serve
 *
 * A listener needs no more than `accept`, so that TCP, TLS and whatever else
 * carries bytes both ways end up in the same sessions. What is no listener at
 * all hands its wires to {@linkcode Acceptor.welcome}.
 *
 * @module
 */
import type { Clock } from "./clock.ts";
import { Connection, type Way, type Wire } from "./connection.ts";
import { throttledLog } from "./throttled_log.ts";

/** Where peers connect; a `Deno.TcpListener` is one. */
export interface Listener {
  /** Waits for the next one. */
  accept(): Promise<AcceptedConn>;
  /** Accepts no more; a pending `accept` rejects. */
  close(): void;
}

/** What a {@linkcode Listener} accepts; a `Deno.TcpConn` is one. */
export interface AcceptedConn extends Wire {
  /** Where the peer is. */
  readonly remoteAddr: Deno.NetAddr;
  /** Turns Nagle's algorithm off. */
  setNoDelay(): void;
}

/** What an {@linkcode Acceptor} needs. */
export interface AcceptorOptions {
  /** Serves one connection, until it has ended. */
  serve(connection: Connection): Promise<void>;
  /** Resolves when the next connection may be accepted; undefined if at once. */
  admit(): Promise<void> | undefined;
  readonly clock: Clock;
  /** Unread bytes over which a connection ends; default: see outbox.ts. */
  readonly maxOutboxBytes?: number | undefined;
}

/** One for TLS; see server/net/tls.ts. */
export interface TlsListener extends Listener {
  /** Where it listens. */
  readonly port: number;
}

/** See the top of the file. */
export class Acceptor implements AsyncDisposable {
  readonly #options: AcceptorOptions;
  readonly #complain: (line: string) => void;
  readonly #listeners: Listener[] = [];
  readonly #accepting: Promise<void>[] = [];
  readonly #sessions = new TaskGroup((bug) => {
    console.error("A session failed:", bug);
  });
  readonly #closing = new AbortController();

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#complain = throttledLog(console.error, options.clock.now);
  }

  /** Serves whoever `listener` accepts, which becomes ours to close. */
  open(listener: Listener, way: Way = "TCP"): void {
    this.#listeners.push(listener);
    this.#accepting.push(this.#acceptAll(listener, way));
  }

  /** Serves the peer at the other end of `wire`, if we are not closing. */
  welcome(wire: Wire, from: Deno.NetAddr, way: Way = "TCP"): void {
    if (this.#closing.signal.aborted) return wire.close();
    const { maxOutboxBytes } = this.#options;
    const connection = new Connection(wire, {
      remote: addressOf(from),
      way,
      now: this.#options.clock.now(),
      clock: this.#options.clock,
      ...(maxOutboxBytes === undefined ? {} : { maxOutboxBytes }),
    });
    this.#sessions.add(this.#options.serve(connection));
  }

  /** Accepts no more. What is served goes on. */
  close(): void {
    this.#closing.abort();
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  /** Accepts no more, and resolves when every session has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await Promise.all(this.#accepting);
    await this.#sessions.idle();
  }

  async #acceptAll(listener: Listener, way: Way): Promise<void> {
    const { signal } = this.#closing;
    for await (const conn of accepted(listener, this.#complain, signal)) {
      if (signal.aborted || !sendsAtOnce(conn)) {
        conn.close();
        continue;
      }
      this.welcome(conn, conn.remoteAddr, way);
      await this.#options.admit();
    }
  }
}

/** Turns Nagle's algorithm off: what is to be joined, the outbox joins. */
function sendsAtOnce(conn: AcceptedConn): boolean {
  try {
    conn.setNoDelay();
    return true;
  } catch {
    return false; // it was gone before we looked, to which some systems object
  }
}

const ACCEPT_RETRY_MS = 1_000;

/** Accepts until `signal` aborts. To be out of descriptors is no reason to end. */
async function* accepted(
  listener: Listener,
  complain: (line: string) => void,
  signal: AbortSignal,
): AsyncGenerator<AcceptedConn, void, void> {
  while (!signal.aborted) {
    try {
      yield await listener.accept();
    } catch (error) {
      if (signal.aborted) return; // closed by us: `accept` was interrupted
      if (isGoneBefore(error)) continue;
      // The cast: it throws nothing else.
      complain(`Cannot accept a connection: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
    }
  }
}

/** Whether somebody hung up before we accepted: then nobody has to wait. */
function isGoneBefore(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset;
}

/** An address as it is shown: an IPv4 peer of an IPv6 socket is just IPv4. */
function addressOf({ hostname, port }: Deno.NetAddr): string {
  const host = hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The sessions that run, and a moment when none runs any more. */
class TaskGroup {
  readonly #onError: (error: unknown) => void;
  readonly #ended = () => {
    if (--this.#running === 0) this.#whenIdle?.();
  };
  #running = 0;
  #whenIdle: (() => void) | undefined;

  /** `onError` gets what a task throws; a task never ends its siblings. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Takes a task that was started. */
  add(task: Promise<void>): void {
    this.#running++;
    task.catch(this.#onError).then(this.#ended);
  }

  /** Resolves when no task runs. To be called once, when no more are started. */
  async idle(): Promise<void> {
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => this.#whenIdle = resolve);
  }
}
