/**
 * A relay that stands between clients and a server, keeps all that passes, and
 * may change it: the network, or the server, as an adversary.
 *
 * @module
 */

/** See the top of the file. */
export class Relay implements AsyncDisposable {
  /** Where clients are to connect. */
  readonly port: number;
  readonly #target: number;
  readonly #change: (text: string) => string;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #running: Promise<void>[] = [];
  readonly #conns: Deno.TcpConn[] = [];
  #seen = "";

  /** `change` gets what the server says, as Latin-1, read by read. */
  constructor(
    target: number,
    change: (text: string) => string = (text) => text,
  ) {
    this.port = this.#listener.addr.port;
    this.#target = target;
    this.#change = change;
    this.#running.push(this.#accept());
  }

  /** All that passed, in both directions, as Latin-1. */
  get seen(): string {
    return this.#seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) {
      try {
        conn.close();
      } catch {
        // It was closed by its own end.
      }
    }
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    const to = { hostname: "127.0.0.1", port: this.#target };
    for (;;) {
      const client = await this.#listener.accept().catch(() => undefined);
      if (!client) return; // closed
      const server = await Deno.connect(to).catch(() => undefined);
      if (!server) {
        client.close(); // it listens no more
        continue;
      }
      this.#conns.push(client, server);
      this.#running.push(
        this.#pass(client, server, (text) => text),
        this.#pass(server, client, this.#change),
      );
    }
  }

  async #pass(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    change: (text: string) => string,
  ): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let count; (count = await from.read(buffer)) !== null;) {
        const text = change(latin1(buffer.subarray(0, count)));
        this.#seen += text;
        const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
        for (let at = 0; at < bytes.length;) {
          at += await to.write(bytes.subarray(at));
        }
      }
      await to.closeWrite();
    } catch {
      // One side is gone; the test decides what that means.
    }
  }
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
