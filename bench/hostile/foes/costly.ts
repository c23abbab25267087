/**
 * Foes that ask for what is costly: long lists, long histories, passwords to
 * check, and deliveries to many.
 *
 * @module
 */
import { encode } from "../../../protocol.ts";
import {
  ask,
  type Asking,
  type Foe,
  type Place,
  register,
  stay,
  word,
} from "./foe.ts";
import { send } from "./link.ts";

/** The room with 300 messages of 64 KB: see prepared.ts. */
export const LONG_ROOM = "#long";

/** Accounts that exist, and that foes try to sign in to: see visitors.ts. */
export const TARGETS: readonly string[] = Array.from(
  { length: 20 },
  (_, index) => `target${word(index)}`,
);

const TEXT_OVER = ["tcp", "ws", "tls"] as const;

/** Proves a wrong password for one name after the other. */
function guess(place: Place, nameOf: (number: number) => string): void {
  let number = 0;
  ask(place, 8, () => {
    let name = "";
    return {
      first: [], // it never registers
      window: 1,
      counts: ({ verb, args: [code = ""] }) =>
        verb === "ERROR" && ["111", "112", "121"].includes(code),
      next() {
        place.tally.tried++;
        name = nameOf(Math.floor(number++ / GUESSES));
        const nonce = "foe".padEnd(20, "x");
        return encode("LOGIN", [name], {}, `n,,n=${name},r=${nonce}`);
      },
      reply({ verb, body }) {
        if (verb !== "CHALLENGE") return undefined;
        const [nonce] = decoder.decode(body).split(",");
        const proof = `c=biws,${nonce},p=${"A".repeat(43)}=`;
        return encode("PROVE", [name], {}, proof);
      },
    };
  });
}

/** So many wrong passwords lock an account. */
const GUESSES = 3;

/** Asks the same again and again. */
function same(place: Place, request: Uint8Array, verb: string): Asking {
  return {
    window: 4,
    counts: (frame) => frame.verb === verb,
    next() {
      place.tally.tried++;
      return request;
    },
  };
}

export const COSTLY: readonly Foe[] = [
  {
    kind: "proofs-invented",
    title: "wrong passwords for invented names",
    unit: "guesses",
    over: TEXT_OVER,
    locks: true,
    start: (place) => guess(place, (number) => `nobody${word(number)}`),
  },
  {
    kind: "proofs-real",
    title: "wrong passwords for 20 accounts",
    unit: "guesses",
    over: TEXT_OVER,
    locks: true,
    start(place) {
      guess(place, (number) => TARGETS[number % TARGETS.length]!);
    },
  },
  {
    kind: "rooms-list",
    title: "ROOMS with 9,900 rooms",
    unit: "lists",
    over: TEXT_OVER,
    needs: "rooms",
    start(place) {
      ask(place, 10, () => same(place, encode("ROOMS", []), "ROOMS"));
    },
  },
  {
    kind: "history",
    title: "HISTORY of 300 messages of 64 KB",
    unit: "histories",
    over: TEXT_OVER,
    needs: "history",
    start(place) {
      const request = encode("HISTORY", [LONG_ROOM], { Limit: 300 });
      ask(place, 10, () => same(place, request, "HISTORY"));
    },
  },
  {
    kind: "history-unread",
    title: "the same, on 500 connections that never read",
    unit: "histories asked for",
    over: TEXT_OVER,
    needs: "history",
    start(place) {
      const request = encode("HISTORY", [LONG_ROOM], { Limit: 300 });
      stay(place, 500 / place.from.length, (come, number) => {
        const link = come({
          onOpen() {
            place.tally.tried++;
            send(link, register(number));
            send(link, request, () => place.tally.done++);
          },
          onClose: () => place.tally.refuse("disconnected"),
        });
      });
    },
  },
  {
    kind: "flood",
    title: "a flood to 100 members of its own, 10 of which never read",
    unit: "messages",
    over: TEXT_OVER,
    start(place) {
      const talkers = place.from.length;
      const body = new Uint8Array(100).fill(0x78);
      const message = encode("SEND", ["#flood"], {}, body);
      stay(place, 100 / talkers, (come, number) => {
        if (number < talkers) return; // see below
        const link = come({
          onOpen() {
            send(link, encode("REGISTER", [`member${word(number)}`]));
            send(link, encode("JOIN", ["#flood"]));
          },
          ...(number % 10 === 0 ? {} : { onBytes() {} }),
        });
      });
      ask(place, 1, (number) => ({
        first: [register(number), encode("JOIN", ["#flood"])],
        // With more, the foe reads without a pause, and cannot say what it did.
        window: 300 / talkers,
        counts: ({ verb }) => verb === "SENT",
        next() {
          place.tally.tried++;
          return message;
        },
      }));
    },
  },
];

const decoder = new TextDecoder();
