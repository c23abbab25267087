/**
 * The commands of members of private rooms, for both clients. They are loaded with the
 * first one.
 *
 * @module
 */
import { header, isPrivateName } from "../../protocol.ts";
import { type CommandClient, roomNamed } from "../command_client.ts";
import { sanitizeName } from "../text/sanitize.ts";
import type { RunCommand } from "../text/typed_line.ts";
import { roomText } from "./private_rooms.ts";

/** A command that changes the private room in view, for a member of it. */
function change(
  header: "Remove" | "Owner",
  done: (name: string, room: string) => string,
): RunCommand<CommandClient> {
  return async (client, rest): Promise<void | "usage"> => {
    const name = nameIn(rest);
    if (name === undefined) return "usage";
    const room = privateRoom(client);
    if (room === undefined) return;
    await client.server.request("SET", [room], { [header]: name });
    client.answer([done(name, room)]);
  };
}

/** The commands that both clients run alike, in a private room. */
export const PRIVATE_COMMANDS = {
  async invite(client, rest): Promise<void | "usage"> {
    const [, word = "", place] = /^(\S+)(?:\s+(\S+))?$/.exec(rest) ?? [];
    const name = nameIn(word);
    if (name === undefined) return "usage";
    const room = privateRoom(client, place);
    if (room === undefined) return;
    const answer = await client.server.request("INVITE", [name], {
      Room: room,
    });
    const shown = sanitizeName(answer.args[0] ?? name);
    const isMember = header(answer, "already") === "yes";
    client.answer([
      isMember
        ? `${shown} is a member of ${roomText(room)} already`
        : `${shown} is a member of ${roomText(room)} now, and can join it`,
    ]);
  },
  remove: change(
    "Remove",
    (name, room) =>
      `${sanitizeName(name)} is no member of ${roomText(room)} any more`,
  ),
  owner: change(
    "Owner",
    (name, room) => `${sanitizeName(name)} owns ${roomText(room)}`,
  ),
  async close(client, rest): Promise<void | "usage"> {
    if (rest === "") return "usage"; // it cannot be undone
    const room = roomNamed(rest);
    if (room === undefined || !isPrivateName(room)) {
      return client.answer([ONLY_PRIVATE]);
    }
    await client.server.request("SET", [room], { Closed: "yes" });
  },
} as const satisfies Readonly<Record<string, RunCommand<CommandClient>>>;

const ONLY_PRIVATE =
  "That is for private rooms. To make one, type /join ROOM --private";

/** The room that was typed, or is in view, if it is private; or the user is told. */
function privateRoom(
  client: CommandClient,
  typed?: string,
): string | undefined {
  const room = typed === undefined ? client.room : roomNamed(typed);
  if (room !== undefined && isPrivateName(room)) return room;
  client.answer([ONLY_PRIVATE]);
  return undefined;
}

/** The one name in what was typed, with or without `@`. */
function nameIn(rest: string): string | undefined {
  return /^@?([A-Za-z0-9]{1,32})$/.exec(rest)?.[1];
}
