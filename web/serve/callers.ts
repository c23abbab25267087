/**
 * A limit on connections that are no WebSocket, or none yet. Above the limit,
 * the address with most connections loses its oldest.
 *
 * A browser needs a few connections for moments. An address that opens more and
 * more ends its own oldest ones, so there is room for all others. The server
 * counts WebSockets with its other connections.
 *
 * @module
 */
import type { Socket } from "node:net";

/** Limit of connections that are no WebSocket. */
export const MAX_CALLERS = 2_000;

/** See the top of the file. */
export class Callers {
  readonly #max: number;
  /** By address, and there by port, the oldest first. */
  readonly #sockets = new Map<string, Map<number, Socket>>();
  #count = 0;

  /** @param max How many connections there may be. */
  constructor(max: number = MAX_CALLERS) {
    this.#max = max;
  }

  /** Takes a connection that was just accepted, until it is closed. */
  add(socket: Socket): void {
    const { remoteAddress = "", remotePort = 0 } = socket;
    this.#drop(remoteAddress, remotePort); // a socket that is gone and was not removed yet
    const sockets = this.#sockets.get(remoteAddress) ?? new Map();
    this.#sockets.set(remoteAddress, sockets.set(remotePort, socket));
    this.#count++;
    socket.once("close", () => {
      // Another one may have come from this port since it was released.
      if (sockets.get(remotePort) === socket) {
        this.#drop(remoteAddress, remotePort);
      }
    });
    if (this.#count > this.#max) this.#endOne();
  }

  /** Stops counting a connection: it is a WebSocket now. */
  release({ remoteAddress = "", remotePort = 0 }: Socket): void {
    this.#drop(remoteAddress, remotePort);
  }

  #endOne(): void {
    const [address, sockets] = Array.from(this.#sockets)
      .reduce((most, one) => one[1].size > most[1].size ? one : most);
    for (const [port, socket] of sockets) {
      this.#drop(address, port);
      socket.destroy();
      return; // the oldest is the first
    }
  }

  #drop(address: string, port: number): void {
    const sockets = this.#sockets.get(address);
    if (!sockets?.delete(port)) return;
    this.#count--;
    if (sockets.size === 0) this.#sockets.delete(address);
  }
}
