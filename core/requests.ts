/**
 * What clients ask a server for: which rooms there are, which users are in
 * them, and older messages, page by page.
 *
 * @module
 */
import type { Frame } from "../protocol.ts";
import { numberOf, rowsOf } from "./frames.ts";
import type { Requester } from "./net/connection.ts";

/** The most messages that a server gives for one HISTORY. */
const PAGE = 1_000;

/** After so many bytes of messages no further page is requested. */
export const MAX_HISTORY_BYTES: number = 8 * 1024 * 1024;

/** A user, as a line of WHO has it. */
export interface Person {
  /** As its owner writes it. */
  readonly name: string;
  /** The rest of the line: address, kind, and the role if the user has one. */
  readonly details: readonly string[];
}

/** A room, as a line of ROOMS has it. */
export interface ListedRoom {
  /** With `#`. */
  readonly name: string;
  /** How many users are in it. */
  readonly members: number;
  /** The beginning of its topic; empty if it has none. */
  readonly topic: string;
}

/** Requests the list of rooms. */
export async function listRooms(server: Requester): Promise<ListedRoom[]> {
  return rowsOf(await server.request("ROOMS")).map(([name, details]) => {
    const [words = "", ...topic] = details.split(" : ");
    return { name, members: parseInt(words) || 0, topic: topic.join(" : ") };
  });
}

/** Requests the list of users in `room`; of all users for `ALL`. */
export async function listPeople(
  server: Requester,
  room: string,
): Promise<Person[]> {
  return (await listMembers(server, room)).filter((one) => !isAway(one));
}

/** The same, with the members of a private room who are not in it. */
export async function listMembers(
  server: Requester,
  room: string,
): Promise<Person[]> {
  return rowsOf(await server.request("WHO", [room]))
    .map(([name, details]) => ({ name, details: details.split(" ") }));
}

/** Whether it is a member of a private room who is not in it. */
export function isAway({ details: [address] }: Person): boolean {
  return address === "-";
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

/**
 * Messages of a room, oldest first; the pages are requested backwards, to
 * {@linkcode MAX_HISTORY_BYTES}. A message that is sent meanwhile may be among
 * them.
 */
export async function history(
  server: Requester,
  room: string,
  { most, after, before }: HistoryRange = {},
): Promise<Frame[]> {
  let messages: Frame[] = [];
  let [left, end, bytes] = [most, before, 0];
  do {
    const limit = left && Math.min(left, PAGE);
    const headers = { Limit: limit, After: after, Before: end };
    const answer = await server.request("HISTORY", [room], headers);
    messages = [...answer.messages, ...messages];
    for (const { body } of answer.messages) bytes += body.length;
    const count = numberOf(answer, "count") ?? answer.messages.length;
    if (left === undefined || count < limit! || count === 0) break;
    left -= count;
    const [oldest] = answer.messages;
    end = oldest && numberOf(oldest, "id");
  } while (left > 0 && bytes < MAX_HISTORY_BYTES && end !== undefined);
  return messages;
}

/** Limit of calls that are declined unasked in a minute. */
export const MAX_DECLINES = 60;

/**
 * Counts the calls that are declined unasked. Users who call without end must not
 * use up the rate of our own requests: further calls ring in vain.
 */
export class DeclineLimit {
  readonly #times: number[] = []; // of the last of them

  /**
   * Whether one more can be declined; counts it. `now` is in milliseconds that
   * never jump. Tests pass their own.
   */
  allows(now: number = performance.now()): boolean {
    const [first = -Infinity] = this.#times;
    const isFull = this.#times.length === MAX_DECLINES;
    if (isFull && now - first < 60_000) return false;
    if (isFull) this.#times.shift();
    this.#times.push(now);
    return true;
  }
}
