/**
 * Connections from other addresses of this computer: 127.0.0.2 and so on.
 *
 * @module
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { within } from "./within.ts";

/** Connects from `localAddress`; errors are followed by the end. */
export async function connectFrom(
  localAddress: string,
  port: number,
): Promise<Socket> {
  const where = { host: "127.0.0.1", port, localAddress, noDelay: true };
  const socket = connect(where);
  socket.on("error", () => {});
  await within(once(socket, "connect"), () => "a connection");
  return socket;
}
