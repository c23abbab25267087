/**
 * Foes that send what a WebSocket carries beside messages: pongs, pings, empty
 * messages, and messages of empty pieces.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

import { type Foe, type Place, register, stay } from "./foe.ts";
import { repeated } from "./http.ts";
import { send, webFrame } from "./link.ts";

const BINARY = 0x2;
const CONTINUATION = 0x0;
const PING = 0x9;
const PONG = 0xa;
const EMPTY = new Uint8Array();

/** All connections together send no more than this in a second. */
const BYTES_PER_SECOND = 100_000_000;

/** What is handed to the system at once: 256 KB. */
const BATCH_BYTES = 262_144;

/** How many connections an attack has. */
const CONNECTIONS = 10;

/** Sends the same frame on ten connections, as fast as the server takes it. */
function pour(
  place: Place,
  frame: Uint8Array,
  first: Uint8Array = EMPTY,
): void {
  const { tally } = place;
  const count = Math.floor(BATCH_BYTES / frame.length);
  const batch = repeated(frame, count);
  const pauseMs = batch.length * CONNECTIONS / BYTES_PER_SECOND * 1_000;
  stay(place, CONNECTIONS / place.from.length, (come, number) => {
    const link = come({
      onOpen() {
        send(link, register(number));
        link.socket.write(first);
        more();
      },
      onBytes() {},
      onClose: () => tally.refuse("disconnected"),
    });
    let earliest = performance.now();
    const more = () => {
      tally.tried += count;
      link.socket.write(batch, async (error) => {
        if (error) return;
        tally.done += count;
        earliest += pauseMs;
        const wait = earliest - performance.now();
        if (wait > 0) await sleep(wait);
        else earliest = performance.now();
        more();
      });
    };
  });
}

export const WEBSOCKETS: readonly Foe[] = [
  {
    kind: "pongs",
    title: "pongs, 100 MB a second",
    unit: "pongs sent",
    over: ["ws"],
    start: (place) => pour(place, webFrame(PONG, new Uint8Array(125))),
  },
  {
    kind: "pings",
    title: "pings",
    unit: "pings sent",
    over: ["ws"],
    start: (place) => pour(place, webFrame(PING, new Uint8Array(125))),
  },
  {
    kind: "empty-messages",
    title: "empty messages",
    unit: "messages sent",
    over: ["ws"],
    start: (place) => pour(place, webFrame(BINARY, EMPTY)),
  },
  {
    kind: "empty-fragments",
    title: "a message of empty pieces",
    unit: "pieces sent",
    over: ["ws"],
    start(place) {
      const piece = webFrame(CONTINUATION, EMPTY, false);
      pour(place, piece, webFrame(BINARY, EMPTY, false));
    },
  },
];
