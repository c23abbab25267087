/**
 * What users of the class do to rooms: settings, members of private rooms, and what
 * others can find out about these.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ChatError, type Headers } from "../../../protocol.ts";
import type { Chance } from "../../fuzz/hostile_frames.ts";
import type { Device } from "./device.ts";
import type { Room } from "./model.ts";
import { LECTURE, type School, valueOf } from "./school.ts";

/** So long a room is quiet, at most, in milliseconds. */
const QUIET_MS = 2_000;

/** A private room that is not there. */
const NOWHERE = "#group.zzzz";

/** A room whose settings the user may change: a private one, or one of a moderator. */
export function setRoom(
  device: Device,
  school: School,
  chance: Chance,
): Room | undefined {
  const own = school.privateRooms.filter(({ owner }) => owner === device.user);
  const lecture = school.model.rooms.get(LECTURE)!;
  return chance.pick([
    ...own,
    ...(school.user(device.user).isModerator ? [lecture] : []),
  ]);
}

export function maySet({ user }: Device, school: School, room: Room): boolean {
  return room.isPrivate
    ? !room.isClosed && room.owner === user
    : school.user(user).isModerator;
}

/** A room is quiet for a while, in which one user may have voice. */
export async function beQuiet(
  device: Device,
  school: School,
  room: Room,
  chance: Chance,
): Promise<void> {
  if (!maySet(device, school, room)) return;
  const set = async (headers: Headers) => {
    const args = ["SET", [room.name], headers] as const;
    const answer = await school.askAs(device.user, ...args);
    // 102: it was obeyed, and its answer lost.
    school.expect(device.key, `SET ${Deno.inspect(headers)}`, answer, [102]);
  };
  const voice = chance.pick([...school.users.map(({ name }) => name)]);
  room.speakers = undefined;
  await set({ Quiet: "yes" });
  room.speakers = [];
  await sleep(chance.below(QUIET_MS));
  room.speakers = undefined;
  await set({ Voice: voice });
  room.speakers = [voice];
  await sleep(chance.below(QUIET_MS));
  room.speakers = undefined;
  await set({ Unvoice: voice });
  await set({ Quiet: "no" });
  room.speakers = "all";
}

/** A user who is no member asks about a private room, and about one that is not there. */
export async function peek(
  device: Device,
  school: School,
  chance: Chance,
): Promise<void> {
  const { model } = school;
  const isHidden = (room: Room) => !model.mayKnow(room, device.user, device);
  const rooms = school.privateRooms.filter(isHidden);
  if (rooms.length === 0) return;
  const room = chance.pick(rooms);
  // A user who becomes a member meanwhile would leave the room by what is asked here.
  await model.turns(room.name).take(async () => {
    if (isHidden(room)) await peekAt(room, device, school, chance);
  });
}

async function peekAt(
  room: Room,
  device: Device,
  school: School,
  chance: Chance,
): Promise<void> {
  const requests: Parameters<Device["ask"]>[] = [
    ["JOIN", ["ROOM"]],
    ["LEAVE", ["ROOM"]],
    ["WHO", ["ROOM"]],
    ["HISTORY", ["ROOM"]],
    ["SEND", ["ROOM"], {}, "hello"],
    ["SET", ["ROOM"], { Remove: "ROOM" }],
    ["SET", ["ROOM"], { Closed: "yes" }],
    ["INVITE", [device.user], { Room: "ROOM" }],
  ];
  const [verb, args, headers = {}, body] = chance.pick(requests);
  const names = chance.below(2) === 0
    ? [room.name, NOWHERE]
    : [NOWHERE, room.name];
  const answers: string[] = [];
  for (const name of names) {
    const put = (text: unknown) => `${text}`.replace("ROOM", name);
    const own = Object.fromEntries(
      Object.entries(headers).map(([key, value]) => [
        key,
        key === "Remove" ? device.user : put(value),
      ]),
    );
    const begun = performance.now();
    const answer = await device.ask(verb, args!.map(put), own, body);
    const tookMs = performance.now() - begun;
    const { refusalsMs } = school;
    refusalsMs[name === NOWHERE ? "nowhere" : "there"].push(tookMs);
    if (!answer) return; // it has ended
    if (!(answer instanceof ChatError)) {
      return school.model.fault(`${device.key}: ${verb} ${name} was answered`);
    }
    answers.push(`${answer.code} ${answer.message}`.replaceAll(name, "#ROOM"));
  }
  if (answers[0] === answers[1] && answers[0]!.startsWith("109 ")) return;
  const muted = answers.some((one) => one.startsWith("120 "));
  if (muted) return; // which began between the two
  school.model.fault(
    `${device.key}: ${verb} is answered ${answers.join("; ")}`,
  );
}

/** A private room of which the user is a member. */
export function ownRoom(
  { user }: Device,
  school: School,
  chance: Chance,
): Room | undefined {
  const own = school.privateRooms.filter(({ members }) => members.has(user));
  return own.length === 0 ? undefined : chance.pick(own);
}

export function isMember({ user, isOver }: Device, room: Room): boolean {
  return !isOver && !room.isClosed && room.members.has(user);
}

/** Takes a member out; from then on it may be shown nothing. */
export async function remove(
  device: Device,
  school: School,
  room: Room,
  user: string,
): Promise<void> {
  const { devices } = school.user(user);
  const stays = Array.from(
    devices,
    (one) => [one, one.rooms.includes(room.name)] as const,
  );
  begin(room, user, devices);
  const answer = await school.askAs(device.user, "SET", [room.name], {
    Remove: user,
  });
  // 109: the first request was obeyed, and its answer lost.
  const isDone =
    school.expect(device.key, `SET Remove: ${user}`, answer, [109]) ||
    answer instanceof ChatError && answer.code === 109;
  if (!isDone) {
    room.members.add(user); // perhaps; the run is over
    for (const [one, was] of stays) if (was) await one.join(room.name);
    return;
  }
  await end(room, user, devices);
}

/** A user who is about to leave a private room may still be shown it. */
function begin(room: Room, user: string, devices: Iterable<Device>): void {
  room.leaving.add(user);
  room.members.delete(user);
  for (const one of devices) one.endStay(room.name);
}

/** Once a device has all that was sent before, it may be shown no more. */
async function end(
  room: Room,
  user: string,
  devices: Iterable<Device>,
): Promise<void> {
  const all = [...devices]; // also those that came meanwhile
  for (const one of all) {
    one.endStay(room.name);
    room.late.add(one);
  }
  room.leaving.delete(user);
  await Promise.all(all.map(async (one) => {
    await Promise.race([one.settle(), one.ended]);
    room.late.delete(one);
  }));
}

export async function readOwner(
  device: Device,
  school: School,
  room: Room,
): Promise<void> {
  const answer = await school.askAs(device.user, "JOIN", [room.name]);
  if (!school.expect(device.key, `JOIN ${room.name}`, answer, [])) return;
  room.owner = valueOf(answer, "owner") ?? room.owner;
}

export async function closeRoom(
  device: Device,
  school: School,
  room: Room,
): Promise<void> {
  const users = school.users.filter(({ name }) => room.members.has(name));
  room.isClosed = true;
  for (const { name, devices } of users) begin(room, name, devices);
  const answer = await school.askAs(device.user, "SET", [room.name], {
    Closed: "yes",
  });
  school.expect(device.key, "SET Closed", answer, [109]);
  await Promise.all(
    users.map(({ name, devices }) => end(room, name, devices)),
  );
}

/** Another room in place of one that was closed. */
export async function openAgain(
  device: Device,
  school: School,
  chance: Chance,
): Promise<void> {
  const room = await school.makePrivate(device);
  for (let i = 0; room && i < 5; i++) {
    await school.model.turns(room.name).take(() =>
      school.letIn(device.user, chance.pick(school.users).name, room)
    );
  }
}
