/**
 * What must hold in the end: each device was shown what the server's file has for
 * it, each message once and in order, and nothing else.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { Device } from "./device.ts";
import { type Message, type Model, numbersIn, type Span } from "./model.ts";
import { TerminalDevice } from "./terminal_device.ts";

/** A message as the file has it. */
interface Row {
  readonly id: number;
  readonly from: string;
  readonly to: string;
}

/** What was compared. */
export interface Compared {
  readonly stored: number;
  readonly shown: number;
}

/** Compares the file of a server that has ended with all that was sent and shown. */
export function check(
  model: Model,
  devices: readonly Device[],
  file: string,
): Compared {
  const stored = readFile(model, file);
  for (const message of model.messages.values()) {
    checkStored(model, message, stored.get(message.number));
  }
  let shown = 0;
  for (const device of devices) shown += checkShown(model, device, stored);
  return { stored: stored.size, shown };
}

/** The messages of the class that the file has, by number. */
function readFile(model: Model, file: string): Map<number, Row> {
  using database = new DatabaseSync(file, { readOnly: true });
  const rows = new Map<number, Row>();
  const all = database.prepare(
    "SELECT first_id, count, sender, target, lengths, bodies FROM messages",
  ).all();
  for (const row of all) {
    const { first_id, count, sender, target, lengths, bodies } = row as {
      first_id: number;
      count: number;
      sender: string;
      target: string;
      lengths: Uint8Array | null;
      bodies: Uint8Array;
    };
    const sizes = lengths === null
      ? [bodies.length]
      : new Uint32Array(lengths.slice().buffer);
    for (let i = 0, at = 0; i < count; at += sizes[i++]!) {
      const text = decoder.decode(bodies.subarray(at, at + sizes[i]!));
      for (const number of numbersIn(text)) {
        if (rows.has(number)) model.fault(`message ${number} is stored twice`);
        rows.set(number, { id: first_id + i, from: sender, to: target });
      }
    }
  }
  return rows;
}

function checkStored(
  model: Model,
  { number, from, to, id, refused }: Message,
  row: Row | undefined,
): void {
  const what = `message ${number} of ${from} to ${to}`;
  if (row && refused !== undefined) {
    model.fault(`${what} was refused (${refused}) and is stored`);
  }
  if (id === undefined) return;
  if (row === undefined) {
    const isDeleted = model.rooms.get(to)?.isClosed === true;
    if (!isDeleted) model.fault(`${what} was answered SENT and is not stored`);
  } else if (row.id !== id || row.from !== from || row.to !== to) {
    model.fault(
      `${what} has the id ${id} and is stored as ${Deno.inspect(row)}`,
    );
  }
}

/** Checks one device; returns how many messages it was surely to be shown. */
function checkShown(
  model: Model,
  device: Device,
  stored: ReadonlyMap<number, Row>,
): number {
  const shown = new Map<number, number>(); // how often
  const last = new Map<string, number>(); // the newest id, of each order
  for (const { text, isOld } of device.shown) {
    for (const number of numbersIn(text)) {
      const message = model.messages.get(number)!;
      const what = `${device.key} was shown message ${number}`;
      shown.set(number, (shown.get(number) ?? 0) + 1);
      if (message.refused !== undefined) model.fault(`${what}: it was refused`);
      if (!model.mayRead(message, device.user, device)) {
        const { past } = model.rooms.get(message.to) ?? {}; // frames are exact
        if (!past?.has(device.user)) model.fault(`${what}: not for it`);
      }
      const id = message.id ?? stored.get(number)?.id;
      if (id === undefined) {
        model.fault(`${what}, which is not stored`);
        continue;
      }
      const { startedAfter = 0 } = device;
      // What came while the user was away, and what was asked for, has its own order.
      const order = isOld || id <= startedAfter
        ? orderOf(message, device)
        : "live";
      const before = last.get(order) ?? 0;
      const isAgain = isOld && hasJoinedAgain(device, message.to);
      const isToSelf = message.to === message.from;
      if (id <= before && !isAgain && !isToSelf) {
        model.fault(`${what} (${message.to}, id ${id}) after ${before}`);
      }
      last.set(order, id);
    }
  }
  let due = 0;
  for (const message of model.messages.values()) {
    const count = shown.get(message.number) ?? 0;
    const { number, to, from } = message;
    if (count > 1 && !hasJoinedAgain(device, to) && to !== from) {
      model.fault(
        `${device.key} was shown message ${number} to ${to} ${count} times`,
      );
    }
    if (!isDue(device, message)) continue;
    due++;
    if (count > 0) continue;
    model.fault(
      `${device.key} was not shown message ${number} of ${from} to ${to}, ` +
        `id ${message.id}`,
    );
  }
  return due;
}

/** Whether a message must have been shown. */
function isDue(device: Device, message: Message): boolean {
  const { from, to, id } = message;
  if (id === undefined) return false;
  const { user, here, stays } = device;
  if (to === "ALL") return covers(here, message);
  if (!to.startsWith("#")) {
    const isOurs = to === user || from === user;
    return isOurs && to !== from && covers(here, message);
  }
  // A page shows no room any more that it has left.
  const all = stays.get(to) ?? [];
  const spans = device instanceof TerminalDevice
    ? all
    : all.filter((one) => one.to === Infinity);
  return covers(spans, message);
}

function covers(
  spans: readonly Span[],
  { begun, ended, id = 0 }: Message,
): boolean {
  return spans.some(({ from, to, upTo = Infinity }) =>
    from < begun && ended < to && id <= upTo
  );
}

function hasJoinedAgain({ joins, hasLeft }: Device, room: string): boolean {
  return (joins.get(room) ?? 0) > 1 || hasLeft.has(room);
}

/** Messages of one conversation are in order, whenever they were asked for. */
function orderOf({ from, to }: Message, { user }: Device): string {
  if (to.startsWith("#") || to === "ALL") return `old ${to}`;
  return `old @${from === user ? to : from}`;
}

const decoder = new TextDecoder();
