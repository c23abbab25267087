/**
 * Foes that begin TLS as fast as the server lets them, whole or half: a half
 * handshake costs them nothing, and the server a signature.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { connect as connectTls } from "node:tls";

import type { Foe, Place } from "./foe.ts";
import { open, openTcp } from "./link.ts";

/** How many handshakes are on their way at a time. */
const AT_ONCE = 40;

/** The type of a record of TLS that is a part of a handshake. */
const HANDSHAKE = 22;

/** Connects, waits for the end of the handshake, and goes. */
function shake(place: Place): void {
  const { tally } = place;
  let number = 0;
  const come = () => {
    let isDone = false;
    tally.tried++;
    const link = open(place, number++, {
      onOpen() {
        isDone = true;
        tally.done++;
        link.socket.destroy();
      },
      onBytes() {},
      onClose() {
        if (!isDone) tally.refuse("disconnected");
        setTimeout(come);
      },
    });
  };
  for (let at = 0; at < AT_ONCE; at++) come();
}

/** Sends the first message of a handshake, and goes when it is answered. */
async function shakeHalf(place: Place): Promise<void> {
  const { tally } = place;
  const hello = await recordHello();
  let number = 0;
  const come = () => {
    let isDone = false;
    tally.tried++;
    const socket = openTcp(place, number++);
    socket.on("connect", () => socket.write(hello));
    socket.on("data", ([type]: Uint8Array) => {
      if (type === HANDSHAKE && !isDone) tally.done++;
      isDone ||= type === HANDSHAKE; // anything else is a refusal
      socket.destroy();
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      if (!isDone) tally.refuse("disconnected");
      setTimeout(come);
    });
  };
  for (let at = 0; at < AT_ONCE; at++) come();
}

/** The first message that a client of TLS sends. */
async function recordHello(): Promise<Uint8Array> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it is on a port
  const socket = connect(port, "127.0.0.1");
  const [accepted] = await once(server, "connection");
  connectTls({ socket }).on("error", () => {}); // it ends without an answer
  const [hello] = await once(accepted, "data");
  socket.destroy();
  server.close();
  return hello;
}

export const HANDSHAKES: readonly Foe[] = [
  {
    kind: "handshakes",
    title: "TLS handshakes",
    unit: "handshakes",
    over: ["tls", "https"],
    usual: 2,
    start: shake,
  },
  {
    kind: "half-handshakes",
    title: "half TLS handshakes",
    unit: "hellos answered",
    over: ["tls", "https"],
    usual: 2,
    start: shakeHalf,
  },
];
