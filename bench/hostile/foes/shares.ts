/**
 * Foes that use up what all users need: rooms, accounts, names, sessions, the
 * attention of one user, the disk, and the place of newcomers.
 *
 * @module
 */
import { encode } from "../../../protocol.ts";
import { personName, roomOf } from "../people.ts";
import { ask, type Foe, register, visit, word } from "./foe.ts";

const TEXT_OVER = ["tcp", "ws", "tls"] as const;

export const SHARES: readonly Foe[] = [
  {
    kind: "rooms",
    title: "rooms made without end",
    unit: "rooms",
    over: TEXT_OVER,
    start(place) {
      ask(place, 100, (number) => {
        let [step, room] = [0, 0];
        return {
          window: 6,
          counts: ({ verb }) => verb === "JOINED",
          next() {
            const name = (at: number) => `#x${word(number)}-${word(at)}`;
            switch (step++ % 3) {
              case 0:
                place.tally.tried++;
                return encode("JOIN", [name(++room)]);
              case 1:
                return encode("SEND", [name(room)], {}, "x");
              default: // a user has 100 rooms
                return encode("LEAVE", [name(Math.max(1, room - 90))]);
            }
          },
        };
      });
    },
  },
  {
    kind: "accounts",
    title: "accounts made without end",
    unit: "accounts",
    over: TEXT_OVER,
    start(place) {
      visit(place, 16, {
        hello: (number) =>
          encode("SIGNUP", [`foe${word(number)}`], {}, VERIFIER),
        wanted: "REGISTERED",
        bye: encode("LOGOUT", []),
      });
    },
  },
  {
    kind: "names",
    title: "names taken and left",
    unit: "names",
    over: TEXT_OVER,
    start(place) {
      visit(place, 16, {
        hello: register,
        wanted: "REGISTERED",
        bye: encode("LOGOUT", []),
      });
    },
  },
  {
    kind: "tokens",
    title: "users who vanish, and leave a resume token",
    unit: "sessions",
    over: TEXT_OVER,
    start(place) {
      visit(place, 16, {
        hello: register,
        wanted: "REGISTERED",
      });
    },
  },
  {
    kind: "connects",
    title: "connects without a pause",
    unit: "connects that register",
    over: TEXT_OVER,
    start(place) {
      visit(place, 300, {
        hello: register,
        wanted: "REGISTERED",
      });
    },
  },
  {
    kind: "calls",
    title: "calls that ring one user",
    unit: "calls",
    over: TEXT_OVER,
    start(place) {
      let call = 0;
      ask(place, 10, () => ({
        window: 16,
        counts: ({ verb }) => verb === "CALLING",
        next() {
          place.tally.tried++;
          return encode("CALL", [personName(0)], {
            "Session": `${call++}`.padStart(32, "0"),
            "Address": "127.0.0.1:4000",
            "Commit": "0".repeat(64),
            "Purpose": "chat",
          });
        },
      }));
    },
  },
  {
    kind: "disk",
    title: "messages of 64 KB that fill the disk",
    unit: "messages",
    over: TEXT_OVER,
    start(place) {
      const body = new Uint8Array(64_000).fill(0x78);
      ask(place, 10, (number) => {
        const room = `#disk${word(number)}`;
        const message = encode("SEND", [room], {}, body);
        return {
          first: [register(number), encode("JOIN", [room])],
          window: 4,
          counts: ({ verb }) => verb === "SENT",
          next() {
            place.tally.tried++;
            return message;
          },
        };
      });
    },
  },
  {
    kind: "joins",
    title: "joins and leaves of a room of others",
    unit: "joins",
    over: TEXT_OVER,
    start(place) {
      ask(place, 10, () => {
        let step = 0;
        return {
          window: 8,
          counts: ({ verb }) => verb === "JOINED",
          next() {
            const isJoin = step++ % 2 === 0;
            if (isJoin) place.tally.tried++;
            return encode(isJoin ? "JOIN" : "LEAVE", [roomOf(0)]);
          },
        };
      });
    },
  },
];

/** Of a password that no user has. */
const VERIFIER = `SCRAM-SHA-256$600000:${"A".repeat(22)}==$` +
  `${"A".repeat(43)}=:${"A".repeat(43)}=`;
