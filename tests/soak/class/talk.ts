/**
 * What users of the class send and read, and what must come of it.
 *
 * @module
 */
import type { Device } from "./device.ts";
import { type Message, type Model, numbersIn } from "./model.ts";
import type { School } from "./school.ts";

/** The limit of messages in an answer to HISTORY. */
const PAGE = 1_000;

/** Sends a message; it must be refused when it must, and not else. */
export async function say(
  device: Device,
  school: School,
  to: string,
): Promise<void> {
  const { model } = school;
  const user = school.user(device.user);
  const room = model.rooms.get(to);
  const [mute, speakers] = [user.mute, room?.speakers];
  const { refused, begun, ended, number } = await device.send(to);
  if (device.isOver && refused === undefined) return;
  if (room && !isThroughout(device, to, begun, ended)) return;
  const isKnown = mute === user.mute && mute !== undefined &&
    (!room || speakers === room.speakers && speakers !== undefined);
  const isAllowed = !mute?.isMuted &&
    (!room || speakers === "all" || user.isModerator ||
      room.owner === user.name || speakers?.includes(user.name) === true);
  const isAsIt = isKnown
    ? refused === (isAllowed ? undefined : 120)
    : refused === undefined || refused === 120;
  if (isAsIt) return;
  model.fault(
    `${device.key}: message ${number} to ${to} was ` +
      `${refused === undefined ? "sent" : `refused: ${refused}`}`,
  );
}

/** Whether the device was surely in a room all the time. */
function isThroughout(
  device: Device,
  room: string,
  begun: number,
  ended: number,
): boolean {
  return device.stays.get(room)?.some(({ from, to }) =>
    from < begun && ended < to
  ) ?? false;
}

/** Reads the messages of a room, or with a user: those that were sent must be there. */
export async function readAll(
  device: Device,
  school: School,
  of: string,
): Promise<void> {
  const { model } = school;
  const begun = model.now();
  const texts = await device.older(of, PAGE);
  const ended = model.now();
  if (!texts) return;
  const isRoom = of.startsWith("#");
  if (isRoom && !isThroughout(device, of, begun, ended)) return;
  const numbers = texts.flatMap((text) => numbersIn(text));
  const found = new Set(numbers);
  if (found.size < numbers.length) {
    model.fault(`${device.key}: HISTORY ${of} has a message twice`);
  }
  for (const { id, ended: sent, number } of newestOf(device, model, of)) {
    // Those that came after the request are shown as they come.
    const isOld = id !== undefined && sent < begun &&
      id <= device.startedAfter!;
    if (!isOld || found.has(number)) continue;
    model.fault(`${device.key}: HISTORY ${of} is without message ${number}`);
  }
}

/** Messages that one HISTORY has for sure, unless they are newer than its answer. */
function newestOf({ user }: Device, model: Model, of: string): Message[] {
  const isOf = ({ from, to }: Message) =>
    of.startsWith("#")
      ? to === of
      : from === of && to === user || from === user && to === of;
  // One that is not answered may be stored, as the newest of all.
  const place = ({ id = Number.MAX_SAFE_INTEGER }: Message) => id;
  return [...model.messages.values()]
    .filter((one) => isOf(one) && one.refused === undefined)
    .sort((a, b) => place(a) - place(b))
    .slice(-PAGE);
}
