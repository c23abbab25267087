/**
 * What clients ask a server for: which rooms there are, which users are in
 * them, and older messages, page by page.
 *
 * @module
 */
import type { Frame } from "../protocol.ts";
import { numberOf, rowsOf, timeOf } from "./frames.ts";
import type { Requester } from "./net/connection.ts";

/** The most messages that a server gives for one HISTORY. */
const PAGE = 1_000;

/** A user, as a line of WHO has it. */
export interface Person {
  /** As its owner writes it. */
  readonly name: string;
  /** The rest of the line: address and kind. */
  readonly details: string;
}

/** A room, as a line of ROOMS has it. */
export interface ListedRoom {
  /** With `#`. */
  readonly name: string;
  /** How many users are in it. */
  readonly members: number;
}

/** Requests the list of rooms. */
export async function listRooms(server: Requester): Promise<ListedRoom[]> {
  return rowsOf(await server.request("ROOMS"))
    .map(([name, members]) => ({ name, members: parseInt(members) || 0 }));
}

/** Requests the list of users in `room`; of all users for `ALL`. */
export async function listPeople(
  server: Requester,
  room: string,
): Promise<Person[]> {
  return rowsOf(await server.request("WHO", [room]))
    .map(([name, details]) => ({ name, details }));
}

/** Which messages of a room. */
export interface HistoryRange {
  /** At most so many, the newest of them. Default: the server's default. */
  readonly most?: number | undefined;
  /** Only those with a greater id. */
  readonly after?: number | undefined;
  /** Only those with a smaller id. */
  readonly before?: number | undefined;
}

/** By what a message of a room is recognized. */
export interface Landmark {
  /** With `#`. */
  readonly room: string;
  /** Unlike all others, as long as the server does not count anew. */
  readonly id: number;
  /** When it was sent, in milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Messages of a room, oldest first; the pages are requested backwards. A message
 * that is sent meanwhile may be among them.
 */
export async function history(
  server: Requester,
  room: string,
  { most, after, before }: HistoryRange = {},
): Promise<Frame[]> {
  let messages: Frame[] = [];
  let [left, end] = [most, before];
  do {
    const limit = left && Math.min(left, PAGE);
    const headers = { Limit: limit, After: after, Before: end };
    const answer = await server.request("HISTORY", [room], headers);
    messages = [...answer.messages, ...messages];
    const count = numberOf(answer, "count") ?? answer.messages.length;
    if (left === undefined || count < limit! || count === 0) break;
    left -= count;
    end = lowestId(answer.messages);
  } while (left > 0 && end !== undefined);
  return messages;
}

/** Whether the server still has the message `landmark`. */
export async function remembers(
  server: Requester,
  { room, id, at }: Landmark,
): Promise<boolean> {
  const range = { most: 1, after: id - 1, before: id + 1 };
  const [found] = await history(server, room, range);
  return found !== undefined && timeOf(found).getTime() === at;
}

function lowestId(messages: readonly Frame[]): number | undefined {
  const ids = messages.flatMap((frame) => numberOf(frame, "id") ?? []);
  return ids.length > 0 ? ids.reduce((a, b) => Math.min(a, b)) : undefined;
}
