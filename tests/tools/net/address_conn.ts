/**
 * A connection from an address of this computer that the test chooses, such as
 * 127.0.0.2, with the interface of a `Deno.TcpConn`, which has no such choice.
 *
 * @module
 */
import type { Socket } from "node:net";
import { connectFrom } from "./connect_from.ts";

/** See the top of the file. */
export class AddressConn {
  readonly localAddr: Deno.NetAddr;
  readonly #socket: Socket;
  #held: Uint8Array = new Uint8Array();

  private constructor(socket: Socket, localAddress: string) {
    this.#socket = socket;
    this.localAddr = {
      transport: "tcp",
      hostname: localAddress,
      port: socket.localPort!, // it is connected
    };
  }

  /** Connects to this computer, from one of its addresses. */
  static async connect(
    port: number,
    localAddress: string,
  ): Promise<AddressConn> {
    const socket = await connectFrom(localAddress, port);
    return new AddressConn(socket, localAddress);
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#held.length === 0) {
      if (this.#socket.readableEnded || this.#socket.destroyed) return null;
      const chunk: Uint8Array | null = this.#socket.read();
      if (chunk) this.#held = chunk;
      else await this.#moved();
    }
    const count = Math.min(this.#held.length, buffer.length);
    buffer.set(this.#held.subarray(0, count));
    this.#held = this.#held.subarray(count);
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(
        bytes,
        (error) => error ? reject(error) : resolve(bytes.length),
      );
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => void this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Resolves when there is something to read, or the end. */
  #moved(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const events = ["readable", "end", "close"];
    const done = () => {
      for (const event of events) this.#socket.off(event, done);
      resolve();
    };
    for (const event of events) this.#socket.on(event, done);
    return promise;
  }
}
