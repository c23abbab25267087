/**
 * A proxy that breaks connections, on command or at random byte positions, and
 * makes them slow. It stands between clients and a server, and passes on their
 * bytes and the end of each direction.
 *
 * It uses node:net and not Deno's own sockets, which cannot reset a connection.
 *
 * @module
 */
import { once } from "node:events";
import {
  type AddressInfo,
  connect,
  createServer,
  type Server,
  type Socket,
} from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What a {@linkcode FaultProxy} may be told. */
export interface FaultProxyOptions {
  /** Where the server listens, on `targetHost`. */
  readonly target: number;
  /** Default: 127.0.0.1. */
  readonly targetHost?: string;
  /** The address of this computer that clients connect to; default: 127.0.0.1. */
  readonly host?: string;
  /** From 0 to 1; see {@linkcode seeded}. */
  readonly random?: () => number;
  /** Waits so many milliseconds; default: by the clock of this computer. */
  readonly sleep?: (ms: number) => Promise<unknown>;
}

/** One end of a connection. */
export type Side = "client" | "server";

/** See the top of the file. */
export class FaultProxy implements AsyncDisposable {
  /** The port where new connections lead; a server may move. */
  target: number;
  /** Whether new connections are cut off at once. */
  refuses = false;
  /** How many connections were cut or reset so far. */
  cuts = 0;
  /**
   * How many bytes pass between two cuts, on the average: after each byte of
   * any new connection, chance decides whether it was the last.
   */
  bytesPerCut = Infinity;
  /** What is passed on goes out in pieces of at most so many bytes. */
  fragmentBytes = Infinity;
  /** How long each piece waits before it goes out, in milliseconds. */
  delayMs = 0;
  readonly #server: Server;
  readonly #targetHost: string;
  readonly #random: () => number;
  readonly #sleep: (ms: number) => Promise<unknown>;
  readonly #links = new Set<Link>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #gates: Readonly<Record<Side, Gate>> = {
    client: new Gate(),
    server: new Gate(),
  };

  private constructor(server: Server, options: FaultProxyOptions) {
    this.#server = server;
    this.#random = options.random ?? Math.random;
    this.#sleep = options.sleep ?? sleep;
    this.target = options.target;
    this.#targetHost = options.targetHost ?? "127.0.0.1";
    server.on("connection", (client) => {
      const running = this.#join(client)
        .finally(() => this.#running.delete(running));
      this.#running.add(running);
    });
  }

  /** Listens on a free port. */
  static async open(options: FaultProxyOptions): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new FaultProxy(server, options);
    server.listen({ host: options.host ?? "127.0.0.1", port: 0 });
    await once(server, "listening");
    return proxy;
  }

  /** Where clients are to connect. */
  get port(): number {
    // The cast: only a server on a path has another kind of address.
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Passes nothing on any more until {@linkcode flow}, not even the end of a
   * connection; with a side, only what is on the way to that side.
   */
  stall(towards?: Side): void {
    for (const side of SIDES) {
      if (towards === undefined || towards === side) this.#gates[side].close();
    }
  }

  /** Passes on again what came during a stall, and what comes. */
  flow(): void {
    for (const side of SIDES) this.#gates[side].open();
  }

  /** Cuts all connections now. */
  cutAll(): void {
    for (const link of [...this.#links]) this.#cut(link);
  }

  /** Resets all connections: both sides are told so, at once. */
  resetAll(): void {
    for (const link of [...this.#links]) {
      link.client.resetAndDestroy();
      link.server.resetAndDestroy();
      this.#cut(link);
    }
  }

  /** Tells one side of all connections that the other will send nothing more. */
  endTowards(side: Side): void {
    for (const link of this.#links) link[side].end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.flow();
    this.cutAll();
    await Promise.all(this.#running);
    await closed;
  }

  /** Connects a client with the server; without one, it is cut off. */
  async #join(client: Socket): Promise<void> {
    client.on("error", () => {}); // it is destroyed: its reader finds out
    if (this.refuses) return void client.destroy();
    const server = connect({
      host: this.#targetHost,
      port: this.target,
      allowHalfOpen: true,
      noDelay: true,
    });
    server.on("error", () => {});
    const link = { client, server, isCut: false };
    this.#links.add(link);
    await Promise.all([this.#pass(link, "server"), this.#pass(link, "client")]);
    this.#end(link);
  }

  /** Passes on what is for one side, up to its end or the cut. */
  async #pass(link: Link, towards: Side): Promise<void> {
    const to = link[towards];
    const from = towards === "server" ? link.client : link.server;
    const gate = this.#gates[towards];
    const chance = -Math.log(1 - this.#random());
    let left = Math.ceil(chance * this.bytesPerCut) || 1;
    try {
      // Its default ends both directions with the one that is read.
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        const bytes: Uint8Array = chunk.subarray(0, left);
        await this.#write(to, bytes, gate);
        left -= bytes.length;
        if (left === 0) this.#cut(link);
      }
      await gate.opened;
      to.end();
    } catch {
      if (!link.isCut) await gate.opened; // a reset does not pass it either
      this.#end(link); // one side is gone, or it was cut: the other goes too
    }
  }

  async #write(to: Socket, bytes: Uint8Array, gate: Gate): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + this.fragmentBytes);
      await gate.opened;
      if (this.delayMs > 0) await this.#sleep(this.delayMs);
      await new Promise<void>((resolve, reject) =>
        to.write(piece, (error) => error ? reject(error) : resolve())
      );
      at += piece.length;
    }
  }

  #cut(link: Link): void {
    if (!link.isCut) this.cuts++;
    this.#end(link);
  }

  #end(link: Link): void {
    this.#links.delete(link);
    link.isCut = true;
    link.client.destroy();
    link.server.destroy();
  }
}

/** Holds back what has to wait for it. */
class Gate {
  /** Resolves when nothing has to wait. */
  opened: Promise<void> = Promise.resolve();
  #open: (() => void) | undefined; // while it is closed

  close(): void {
    if (this.#open) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.opened, this.#open] = [promise, resolve];
  }

  open(): void {
    this.#open?.();
    this.#open = undefined;
  }
}

const SIDES: readonly Side[] = ["client", "server"];

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  isCut: boolean;
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed for this run: PARLEY_SEED, or one by chance; failures name it. */
export function newSeed(): number {
  const given = Deno.env.get("PARLEY_SEED");
  return given ? Number(given) : Math.floor(Math.random() * 2 ** 32);
}
