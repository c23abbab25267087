/**
 * Which rooms there are, which users are in them, who joined and who left.
 *
 * @module
 */
import { type Frame, header } from "../protocol.ts";
import {
  type ListedRoom,
  numberOf,
  peopleOf,
  type Person,
  roomsOf,
} from "./frames.ts";
import type { Requester } from "./net/connection.ts";

/** How many users of a crowd a text names. */
const NAMED = 5;

/** What a NOTICE tells about users. */
export interface Presence {
  /** `offline` is leaving by the end of the connection. */
  readonly kind: "joined" | "left" | "offline";
  /** Their names; a crowded room reports many at once, us among them. */
  readonly users: readonly string[];
  /** With `#`; empty if the server names none. */
  readonly room: string;
  /** How many users the room has now; undefined if the server does not tell. */
  readonly members: number | undefined;
  /** Why they are offline; may be empty. */
  readonly reason: string;
}

/** What `notice` tells about users; undefined for another NOTICE. */
export function presenceOf(notice: Frame): Presence | undefined {
  const [kind] = notice.args;
  if (kind !== "joined" && kind !== "left" && kind !== "offline") {
    return undefined;
  }
  const user = header(notice, "user");
  return {
    kind,
    users: user === undefined
      ? peopleOf(notice).map(({ name }) => name)
      : [user],
    room: header(notice, "room") ?? "",
    members: numberOf(notice, "members"),
    reason: header(notice, "reason") ?? "",
  };
}

/** `users` as a text: the first of them by name, and how many more. */
export function namesText(users: readonly string[]): string {
  const more = users.length - NAMED;
  const named = users.slice(0, NAMED).join(", ");
  return more > 0 ? `${named} and ${more} more` : named;
}

/** Keeps `people`, names by their lower case, in step. */
export function updatePeople(
  people: Map<string, string>,
  { kind, users }: Pick<Presence, "kind" | "users">,
): void {
  for (const name of users) {
    if (kind === "joined") people.set(name.toLowerCase(), name);
    else people.delete(name.toLowerCase());
  }
}

/** Requests the list of rooms. */
export async function listRooms(server: Requester): Promise<ListedRoom[]> {
  return roomsOf(await server.request("ROOMS"));
}

/** Requests the list of users in `room`; of all users for `ALL`. */
export async function listPeople(
  server: Requester,
  room: string,
): Promise<Person[]> {
  return peopleOf(await server.request("WHO", [room]));
}
