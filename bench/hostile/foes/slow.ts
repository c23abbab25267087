/**
 * Foes that hold connections: they send nothing, or one byte a second, or never
 * read.
 *
 * @module
 */
import { encode } from "../../../protocol.ts";
import { beat } from "../beat.ts";
import { type Foe, type Place, stay, type Tally, word } from "./foe.ts";
import { send } from "./link.ts";

/** How a foe that holds a connection behaves. */
type Manner = "idle" | "trickle" | "deaf";

/** The room of those that never read. */
const BUSY_ROOM = "#busy";

/** How often a foe sends a byte, or shows that it is alive. */
const SIGN_EVERY_MS = 1_000;

/** By then a foe that never reads has noticed that it was refused. */
const HELD_MS = SIGN_EVERY_MS + 500;

const TEXT_OVER = ["tcp", "tls", "ws"] as const;

/** Keeps `count` connections for each address. */
function hold(place: Place, count: number, manner: Manner): void {
  const { tally } = place;
  stay(place, count, (come, number) => {
    let stop: (() => void) | undefined;
    const counted = countHeld(tally);
    const link = come({
      onOpen() {
        const name = `${manner}${word(number)}`;
        const register = encode("REGISTER", [name]);
        const trickles = () => send(link, encoder.encode("R"));
        if (manner === "trickle") {
          if (number % 2 === 0) { // half of them send a message, half a head
            send(link, register);
            send(link, encoder.encode("SEND ALL\nContent-length: 60000\n\n"));
          }
          stop = beat(SIGN_EVERY_MS, trickles);
        } else if (manner === "deaf") {
          send(link, register);
          send(link, encode("JOIN", [BUSY_ROOM]));
          // It notices so that it was disconnected, too.
          stop = beat(SIGN_EVERY_MS, () => send(link, encode("PONG", [])));
        }
      },
      ...(manner === "deaf" ? {} : { onBytes() {} }),
      onClose() {
        stop?.();
        counted.end();
      },
    });
  });
}

/**
 * Counts a connection, or what it does, as `weight`: the server let it if the
 * connection is not over soon.
 */
export function countHeld(tally: Tally, weight = 1): { end(): void } {
  tally.tried += weight;
  const timer = setTimeout(() => tally.done += weight, HELD_MS);
  return {
    end() {
      clearTimeout(timer);
      tally.refuse("disconnected");
    },
  };
}

/** Ten users who talk to those that never read, twice a second each. */
function talk(place: Place): void {
  stay({ ...place, from: place.from.slice(0, 1) }, 10, (come, number) => {
    let stop: (() => void) | undefined;
    const link = come({
      onOpen() {
        send(link, encode("REGISTER", [`talker${word(number)}`]));
        send(link, encode("JOIN", [BUSY_ROOM]));
        const message = encode("SEND", [BUSY_ROOM], {}, "x".repeat(100));
        stop = beat(500, () => send(link, message));
      },
      onBytes() {},
      onClose: () => stop?.(),
    });
  });
}

export const SLOW: readonly Foe[] = [
  {
    kind: "idle",
    title: "1,000 connections that send nothing",
    unit: "connections",
    over: TEXT_OVER,
    start: (place) => hold(place, 1_000 / place.from.length, "idle"),
  },
  {
    kind: "trickle",
    title: "1,000 connections that send a byte a second",
    unit: "connections",
    over: TEXT_OVER,
    start: (place) => hold(place, 1_000 / place.from.length, "trickle"),
  },
  {
    kind: "deaf",
    title: "200 members of a busy room that never read",
    unit: "connections",
    over: TEXT_OVER,
    start(place) {
      hold(place, 200 / place.from.length, "deaf");
      talk(place);
    },
  },
  {
    kind: "crowd",
    title: "all of the last three together",
    unit: "connections",
    over: ["tcp"],
    addresses: 100,
    start(place) {
      hold(place, 10, "idle");
      hold(place, 10, "trickle");
      hold(place, 2, "deaf");
      talk(place);
    },
  },
];

const encoder = new TextEncoder();
