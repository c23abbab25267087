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
import { Connection, type Way, type Wire } from "./connection.ts";
import type { Context, Settings } from "../session/context.ts";
import { MAX_OUTBOX_BYTES } from "./outbox.ts";
import { rarely } from "../operator/throttled_log.ts";
import { serve } from "../session/session.ts";
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
  /** Turns Nagle's algorithm off. */
  setNoDelay(): void;
}

/** What a {@linkcode Reception} may be told. */
export interface ReceptionOptions {
  /** Unread bytes after which a peer is given up. */
  readonly maxOutboxBytes?: number | undefined;
}

/** One for TLS; see server/net/tls.ts. */
export interface TlsListener extends Listener {
  /** Where it listens. */
  readonly port: number;
}

/** See the top of the file. */
export class Reception implements AsyncDisposable {
  readonly #context: Context;
  readonly #options: ReceptionOptions;
  readonly #complain: (line: string) => void;
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
    this.#complain = rarely(console.error, context.now);
  }

  /** Serves whoever `listener` accepts, which becomes ours to close. */
  open(listener: Listener, way: Way = "TCP"): void {
    this.#listeners.push(listener);
    this.#accepting.push(this.#acceptAll(listener, way));
  }

  /** Serves the peer at the other end of `wire`, if we are not closing. */
  welcome(wire: Wire, from: Deno.NetAddr, way: Way = "TCP"): void {
    if (this.#closing.signal.aborted) return wire.close();
    const { settings, now } = this.#context;
    const connection = new Connection(wire, {
      remote: addressOf(from),
      way,
      now: now(),
      clock: this.#context,
      maxOutboxBytes: this.#options.maxOutboxBytes ?? outboxBytes(settings),
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

  async #acceptAll(listener: Listener, way: Way): Promise<void> {
    const { signal } = this.#closing;
    for await (const conn of accepted(listener, this.#complain, signal)) {
      if (signal.aborted || !sendsAtOnce(conn)) {
        conn.close();
        continue;
      }
      this.welcome(conn, conn.remoteAddr, way);
      await this.#context.turnstile.pass();
    }
  }
}

/** What is more than that no reader is waited for to take. */
function outboxBytes({ maxUnreadBytes }: Settings): number {
  return Math.max(MAX_OUTBOX_BYTES, 8 * maxUnreadBytes);
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
