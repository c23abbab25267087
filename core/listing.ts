/**
 * Who and what there is, as the server lists it.
 *
 * @module
 */
import type { Line } from "./reconnecting.ts";
import { linesOf } from "./frames.ts";

/** What the server can be asked on; without `glance`, never only `now`. */
export type Lister = Pick<Line, "request"> & Partial<Pick<Line, "glance">>;

/** Somebody who is connected, as WHO tells it. */
export interface Person {
  /** The user's name. */
  readonly name: string;
  /** The rest of the line: address and kind. */
  readonly details: string;
}

/** A room, as ROOMS tells it. */
export interface Room {
  /** With `#`. */
  readonly name: string;
  /** How many are inside. */
  readonly members: string;
}

/** How a list is asked for. */
export interface ListOptions {
  /** Rather not at all than after the connection is back. */
  readonly now?: boolean;
}

/** Which rooms there are. */
export async function listRooms(
  line: Lister,
  options: ListOptions = {},
): Promise<Room[]> {
  const lines = await list(line, "ROOMS", [], options);
  return lines.map((line) => {
    const [name = "", members = "0"] = line.split(" ");
    return { name, members };
  });
}

/** Who is in `room`, or with `ALL` connected at all. */
export async function listPeople(
  line: Lister,
  room: string,
  options: ListOptions = {},
): Promise<Person[]> {
  const lines = await list(line, "WHO", [room], options);
  return lines.map((line) => {
    const [name = "", ...details] = line.split(" ");
    return { name, details: details.join(" ") };
  });
}

async function list(
  line: Lister,
  verb: "ROOMS" | "WHO",
  args: readonly string[],
  { now = false }: ListOptions,
): Promise<string[]> {
  const asking = now && line.glance
    ? line.glance(verb, args)
    : line.request(verb, args);
  return linesOf(await asking);
}
