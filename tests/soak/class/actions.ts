/**
 * What users of the class do: a table, of which each device takes rows by chance. A
 * row says what must come of it; what all must be shown in the end is checked by
 * check.ts.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "../../fuzz/hostile_frames.ts";
import type { Device } from "./device.ts";
import { wordOf } from "./model.ts";
import {
  beQuiet,
  closeRoom,
  isMember,
  maySet,
  openAgain,
  ownRoom,
  peek,
  readOwner,
  remove,
  setRoom,
} from "./rooms.ts";
import { HALL, LECTURE, type School } from "./school.ts";
import { readAll, say } from "./talk.ts";

/** One row. */
interface Action {
  /** How often it is taken, beside the others. */
  readonly weight: number;
  /** Whether only moderators take it. */
  readonly by?: "moderator";
  run(device: Device, school: School, chance: Chance): Promise<unknown> | void;
}

/** So long a user is muted, at most, in milliseconds. */
const MUTE_MS = 2_000;

/** See the top of the file. */
export const ACTIONS = {
  talk: {
    weight: 60,
    async run(device, school, chance) {
      const { rooms } = device;
      if (rooms.length === 0) return;
      await say(device, school, chance.pick(rooms));
    },
  },
  whisper: {
    weight: 25,
    async run(device, school, chance) {
      await say(device, school, chance.pick(school.users).name);
    },
  },
  shout: {
    weight: 1,
    run: (device, school) => say(device, school, "ALL"),
  },
  join: {
    weight: 4,
    run: (device, school) =>
      school.model.turns(`hall ${device.user}`).take(() => device.join(HALL)),
  },
  leave: {
    weight: 4,
    run: (device, school) =>
      school.model.turns(`hall ${device.user}`).take(async () => {
        if (!device.rooms.includes(HALL)) return;
        const { devices } = school.user(device.user);
        for (const one of devices) one.endStay(HALL); // they leave together
        await device.leave(HALL);
      }),
  },
  look: {
    weight: 4,
    async run(device, school, chance) {
      const ask = chance.pick([
        () => device.ask("ROOMS"),
        () => device.ask("WHO", ["ALL"]),
        () => device.ask("WHO", [chance.pick(["#class", LECTURE, HALL])]),
      ]);
      school.expect(device.key, "a list", await ask(), []);
    },
  },
  "history of a room": {
    weight: 2,
    async run(device, school, chance) {
      const { rooms } = device;
      if (rooms.length > 0) await readAll(device, school, chance.pick(rooms));
    },
  },
  "history of a user": {
    weight: 4,
    run: (device, school, chance) =>
      readAll(device, school, chance.pick(school.users).name),
  },
  peek: {
    weight: 6,
    run: peek,
  },
  invite: {
    weight: 6,
    async run(device, school, chance) {
      const room = ownRoom(device, school, chance);
      if (!room) return;
      const { name } = chance.pick(school.users);
      await school.model.turns(room.name).take(async () => {
        if (!isMember(device, room)) return;
        await school.letIn(device.user, name, room);
      });
    },
  },
  remove: {
    weight: 4,
    async run(device, school, chance) {
      const room = ownRoom(device, school, chance);
      if (!room) return;
      await school.model.turns(room.name).take(async () => {
        const others = [...room.members].filter((one) => one !== room.owner);
        if (room.isClosed || others.length < 3) return;
        if (device.user === room.owner) {
          await remove(device, school, room, chance.pick(others));
        } else if (isMember(device, room)) {
          await remove(device, school, room, device.user); // it goes for good
        }
      });
    },
  },
  "pass on": {
    weight: 3,
    async run(device, school, chance) {
      const room = ownRoom(device, school, chance);
      if (!room) return;
      await school.model.turns(room.name).take(async () => {
        if (room.isClosed || room.owner !== device.user) return;
        const to = chance.pick([...room.members]);
        room.speakers = undefined; // its owner may always send
        await school.askAs(device.user, "SET", [room.name], { Owner: to });
        await readOwner(device, school, room); // a repetition may be refused
        room.speakers = "all";
      });
    },
  },
  close: {
    weight: 1,
    async run(device, school, chance) {
      const room = ownRoom(device, school, chance);
      if (!room || chance.below(4) > 0) return;
      await school.model.turns(room.name).take(async () => {
        if (room.isClosed || room.owner !== device.user) return;
        await closeRoom(device, school, room);
      });
      if (room.isClosed) await openAgain(device, school, chance);
    },
  },
  quiet: {
    weight: 6,
    async run(device, school, chance) {
      const room = setRoom(device, school, chance);
      if (!room) return;
      await school.model.turns(room.name).take(() =>
        beQuiet(device, school, room, chance)
      );
    },
  },
  topic: {
    weight: 3,
    async run(device, school, chance) {
      const room = setRoom(device, school, chance);
      if (!room) return;
      await school.model.turns(room.name).take(async () => {
        if (!maySet(device, school, room)) return;
        const { number } = school.model.begin(device.user, room.name);
        const topic = `About ${wordOf(number)}`;
        const args = ["SET", [room.name], {}, topic] as const;
        const answer = await school.askAs(device.user, ...args);
        school.expect(device.key, "SET of a topic", answer, [120]);
      });
    },
  },
  mute: {
    weight: 30,
    by: "moderator",
    async run(device, school, chance) {
      const user = chance.pick(school.users);
      if (user.isModerator) return;
      await school.model.turns(user.name).take(async () => {
        user.mute = undefined;
        const done = await moderate(device, school, `mute ${user.name}`);
        if (done) user.mute = { isMuted: true };
        await sleep(chance.below(MUTE_MS));
        user.mute = undefined;
        if (await moderate(device, school, `unmute ${user.name}`)) {
          user.mute = { isMuted: false };
        }
      });
    },
  },
  kick: {
    weight: 20,
    by: "moderator",
    async run(device, school, chance) {
      const user = chance.pick(school.users);
      if (user.isModerator) return;
      await school.ending(user, async () => {
        await moderate(device, school, `kick ${user.name}`);
      });
    },
  },
  "look around": {
    weight: 20,
    by: "moderator",
    run: (device, school, chance) =>
      moderate(
        device,
        school,
        chance.pick(["users", "rooms", "bans", "help"]),
      ),
  },
  "change the password": {
    weight: 1,
    async run(device, school, chance) {
      if (chance.below(4) > 0) return; // it takes much time of the processor
      const user = school.user(device.user);
      const changed = Promise.withResolvers<void>();
      await school.ending(user, async () => {
        user.changing = changed.promise;
        const [from, to] = [
          user.password,
          `${user.password.slice(0, -1)}${chance.below(9) + 1}x`,
        ];
        try {
          const name = device.user;
          await device.signIn.changePassword(device.server, name, { from, to });
          user.password = to;
        } catch (error) {
          school.model.fault(`${device.key}: cannot change: ${error}`);
        }
        user.changing = undefined;
        changed.resolve();
      });
    },
  },
  cut: {
    weight: 4,
    run: (device) => device.cut(),
  },
  quit: {
    weight: 2,
    run: (device) => device.quit(),
  },
} as const satisfies Readonly<Record<string, Action>> as Readonly<
  Record<ActionKey, Action>
>;

type ActionKey =
  | ("talk" | "whisper" | "shout" | "join" | "leave" | "look" | "peek")
  | ("history of a room" | "history of a user")
  | ("invite" | "remove" | "pass on" | "close")
  | ("quiet" | "topic" | "mute" | "kick" | "look around" | "cut" | "quit")
  | "change the password";

/** The names of the rows. */
export type ActionName = keyof typeof ACTIONS;

/** Gives a command of the operator; whether it was obeyed for sure. */
async function moderate(
  device: Device,
  school: School,
  line: string,
): Promise<boolean> {
  const answer = await device.ask("MODERATE", [], {}, line);
  return school.expect(device.key, line, answer, []);
}
