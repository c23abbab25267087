/**
 * Clients that a server takes for those of other addresses.
 *
 * @module
 */
import { listenHere, type TestServer } from "./test_server.ts";

/** A port of this computer; whoever connects there comes from another address. */
export interface Elsewhere extends Disposable {
  readonly port: number;
}

/**
 * Opens a port for clients of `address`.
 *
 * @param address As a system has it, without brackets, e.g. `2001:db8::1`.
 */
export function elsewhere(server: TestServer, address: string): Elsewhere {
  const listener = listenHere();
  const { port } = listener.addr;
  accept().catch((error) => {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // it is closed
  });
  return { port, [Symbol.dispose]: () => listener.close() };

  async function accept(): Promise<void> {
    for await (const conn of listener) {
      const { port, transport } = conn.remoteAddr;
      server.welcome(conn, { hostname: address, port, transport });
    }
  }
}
