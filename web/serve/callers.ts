/**
 * Connections that are no WebSocket, or none yet: so many at a time, and who
 * holds most of them is the first to lose some.
 *
 * A browser needs a few for moments. Who opens more and more, and says nothing
 * on them, ends the oldest of its own with every new one, and the others find
 * room. WebSockets are counted by the server as all its peers are.
 *
 * @module
 */
import type { Socket } from "node:net";

/** So many there are at most. */
export const MAX_CALLERS = 2_000;

/** See the top of the file. */
export class Callers {
  readonly #max: number;
  /** By address, and there by port, the oldest first. */
  readonly #sockets = new Map<string, Map<number, Socket>>();
  #count = 0;

  /** Nobody is there yet. */
  constructor(max: number = MAX_CALLERS) {
    this.#max = max;
  }

  /** Takes a connection that was just accepted, until it is closed. */
  add(socket: Socket): void {
    const { remoteAddress = "", remotePort = 0 } = socket;
    this.#drop(remoteAddress, remotePort); // it is gone, if it was not told yet
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

  /** Counts a connection no more: it is a WebSocket now. */
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
