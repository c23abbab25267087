/**
 * A proxy that records every byte that passes, and may change it: what an attacker
 * in the middle, or a dishonest server, can do.
 *
 * @module
 */

/** What a {@linkcode RecordingProxy} may be told. */
export interface RecordingProxyOptions {
  /** Where connections lead, on 127.0.0.1. */
  readonly target: number;
  /** What becomes of what passes; by default it stays. One read at a time. */
  change?(text: string, to: "server" | "client"): Promise<string> | string;
}

/** See the top of the file. */
export class RecordingProxy implements AsyncDisposable {
  /** Where to connect. */
  readonly port: number;
  /** Everything that has passed, both ways, as it came. */
  readonly passed: Uint8Array<ArrayBuffer>[] = [];
  readonly #options: RecordingProxyOptions;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  /** Listens on a free port. */
  constructor(options: RecordingProxyOptions) {
    this.#options = options;
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** Whether `text` has passed in any form that can be read. */
  async has(text: string): Promise<boolean> {
    const all = new TextDecoder("latin1").decode(
      await new Blob(this.passed).arrayBuffer(),
    );
    return all.includes(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const conn of this.#open) conn.close();
    this.#open.clear();
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for (;;) {
      const client = await this.#listener.accept().catch(() => undefined);
      if (!client) return; // closed
      const to = { hostname: "127.0.0.1", port: this.#options.target };
      const server = await Deno.connect(to).catch(() => undefined);
      if (!server) {
        client.close(); // it listens no more
        continue;
      }
      this.#open.add(client).add(server);
      this.#run(this.#pass(client, server, "server"));
      this.#run(this.#pass(server, client, "client"));
    }
  }

  #run(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #pass(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    side: "server" | "client",
  ): Promise<void> {
    const { change } = this.#options;
    const buffer = new Uint8Array(65_536);
    try {
      for (let count; (count = await from.read(buffer)) !== null;) {
        let bytes = buffer.slice(0, count);
        this.passed.push(bytes);
        if (change) {
          const text = await change(new TextDecoder().decode(bytes), side);
          bytes = new TextEncoder().encode(text);
        }
        for (let at = 0; at < bytes.length;) {
          at += await to.write(bytes.subarray(at));
        }
      }
      await to.closeWrite();
    } catch {
      // One side is gone, or the proxy was closed.
    }
  }
}
