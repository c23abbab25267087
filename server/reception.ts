/**
 * Where peers come in: any number of listeners, and one way to be served.
 *
 *     listener → accept → Wire → Connection → serve
 *
 * A listener needs no more than `accept`, so that TCP, TLS and whatever else
 * carries bytes both ways end up in the same sessions. What is no listener at
 * all hands its wires to {@linkcode Reception.welcome}.
 *
 * @module
 */
import { Connection, type Wire } from "./connection.ts";
import type { Context } from "./context.ts";
import { serve } from "./session.ts";
import { TaskGroup } from "./tasks.ts";

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
  /** Turns Nagle's algorithm off, if that is ours to do. */
  setNoDelay?(): void;
}

/** What a {@linkcode Reception} may be told. */
export interface ReceptionOptions {
  /** Unread bytes after which a peer is given up. */
  readonly maxOutboxBytes?: number | undefined;
}

/** See the top of the file. */
export class Reception implements AsyncDisposable {
  readonly #context: Context;
  readonly #options: ReceptionOptions;
  readonly #listeners: Listener[] = [];
  readonly #accepting: Promise<void>[] = [];
  readonly #sessions = new TaskGroup((bug) => {
    console.error("A session failed:", bug);
  });
  readonly #closing = new AbortController();

  /** Serves nobody yet. */
  constructor(context: Context, options: ReceptionOptions = {}) {
    this.#context = context;
    this.#options = options;
  }

  /** Serves whoever `listener` accepts, which becomes ours to close. */
  open(listener: Listener): void {
    this.#listeners.push(listener);
    this.#accepting.push(this.#acceptAll(listener));
  }

  /** Serves the peer at the other end of `wire`, if we are not closing. */
  welcome(wire: Wire, from: Deno.NetAddr): void {
    if (this.#closing.signal.aborted) return wire.close();
    const { maxOutboxBytes } = this.#options;
    const connection = new Connection(wire, {
      remote: addressOf(from),
      now: this.#context.now(),
      ...(maxOutboxBytes === undefined ? {} : { maxOutboxBytes }),
    });
    this.#sessions.add(serve(connection, this.#context));
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

  async #acceptAll(listener: Listener): Promise<void> {
    const { signal } = this.#closing;
    for await (const conn of accepted(listener, signal)) {
      if (signal.aborted || !sendsAtOnce(conn)) conn.close();
      else this.welcome(conn, conn.remoteAddr);
    }
  }
}

/** Turns Nagle's algorithm off: what is to be joined, the outbox joins. */
function sendsAtOnce(conn: AcceptedConn): boolean {
  try {
    conn.setNoDelay?.();
    return true;
  } catch {
    return false; // it was gone before we looked, to which some systems object
  }
}

const ACCEPT_RETRY_MS = 1_000;

/** Accepts until `signal` aborts. To be out of descriptors is no reason to end. */
async function* accepted(
  listener: Listener,
  signal: AbortSignal,
): AsyncGenerator<AcceptedConn, void, void> {
  while (!signal.aborted) {
    try {
      yield await listener.accept();
    } catch (error) {
      if (signal.aborted) return; // closed by us: `accept` was interrupted
      console.error("Cannot accept a connection, trying again:", error);
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
    }
  }
}

/** An address as it is shown: an IPv4 peer of an IPv6 socket is just IPv4. */
function addressOf({ hostname, port }: Deno.NetAddr): string {
  const host = hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
