/**
 * A proxy that breaks connections: on command, or at random byte positions. It
 * stands between clients and a server, and passes on what they say, up to the
 * byte at which it cuts.
 *
 * @module
 */

/** What a {@linkcode FaultProxy} may be told. */
export interface FaultProxyOptions {
  /** Where the server listens, on 127.0.0.1. */
  readonly target: number;
  /** From 0 to 1; see {@linkcode seeded}. */
  readonly random?: () => number;
}

/** See the top of the file. */
export class FaultProxy implements AsyncDisposable {
  /** Where clients are to connect. */
  readonly port: number;
  /** Where new connections lead, on 127.0.0.1; a server may move. */
  target: number;
  /** Whether new connections are cut off at once. */
  refuses = false;
  /** How many connections were cut so far. */
  cuts = 0;
  /**
   * How many bytes pass between two cuts, on the average: after each byte of
   * any new connection, chance decides whether it was the last.
   */
  bytesPerCut = Infinity;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #random: () => number;
  readonly #links = new Set<Link>();
  readonly #done: Promise<void>;
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  /** Listens on a free port. */
  constructor(options: FaultProxyOptions) {
    this.#random = options.random ?? Math.random;
    this.target = options.target;
    this.port = this.#listener.addr.port;
    this.#done = this.#acceptAll();
  }

  /** Cuts all connections now. */
  cutAll(): void {
    for (const link of [...this.#links]) this.#cut(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    this.cutAll();
    await this.#done;
    await Promise.all(this.#running);
  }

  async #acceptAll(): Promise<void> {
    for (;;) {
      const client = await this.#listener.accept().catch(() => undefined);
      if (!client) return; // closed
      const running = this.#join(client)
        .finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
  }

  /** Connects a client with the server; without one, it is cut off. */
  async #join(client: Deno.TcpConn): Promise<void> {
    if (this.refuses) return client.close();
    const to = { hostname: "127.0.0.1", port: this.target };
    const server = await Deno.connect(to).catch(() => undefined);
    if (!server || this.#closed) {
      client.close();
      server?.close();
      return;
    }
    const link = { client, server, isCut: false };
    this.#links.add(link);
    await Promise.all([
      this.#pass(link, client, server),
      this.#pass(link, server, client),
    ]);
    this.#end(link);
  }

  /** Passes on what one side says, up to its end or the cut. */
  async #pass(link: Link, from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const chance = -Math.log(1 - this.#random());
    let left = Math.ceil(chance * this.bytesPerCut) || 1;
    const buffer = new Uint8Array(16_384);
    try {
      for (let count; (count = await from.read(buffer)) !== null;) {
        const bytes = buffer.subarray(0, Math.min(count, left));
        for (let at = 0; at < bytes.length;) {
          at += await to.write(bytes.subarray(at));
        }
        left -= bytes.length;
        if (left === 0) this.#cut(link);
      }
      if (!link.isCut) await to.closeWrite();
    } catch {
      this.#end(link); // one side is gone, or it was cut: the other goes too
    }
  }

  #cut(link: Link): void {
    if (!link.isCut) this.cuts++;
    this.#end(link);
  }

  #end(link: Link): void {
    this.#links.delete(link);
    if (link.isCut) return;
    link.isCut = true;
    link.client.close();
    link.server.close();
  }
}

interface Link {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
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
