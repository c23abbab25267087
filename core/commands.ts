/**
 * The commands that both clients run alike. What they show is lines of text:
 * each client draws those in its own way.
 *
 * @module
 */
import { DEFAULT_ROOM, isRoomName } from "../protocol.ts";
import type { Requester } from "./net/connection.ts";
import { listPeople } from "./requests.ts";
import {
  type CommandName,
  helpLines,
  parseLine,
  type RunCommand,
} from "./text/typed_line.ts";

/** What a command needs of a client. */
export interface CommandClient {
  /** To the server. */
  readonly server: Requester;
  /** The room that messages go to, with `#`; undefined in none. */
  readonly room: string | undefined;
  /** The sender of the last private message. */
  readonly lastSender: string | undefined;
  /** Whether it is the web client, which has fewer commands. */
  readonly isWeb: boolean;
  /** Sends a message to a user, or to `ALL`; `"kept"` if it cannot be sent. */
  sendTo(to: string, text: string): void | "kept";
  /** Shows the rooms, and how many users are in each. */
  showRooms(): Promise<void> | void;
  /** Shows what a command found out. */
  answer(lines: readonly string[]): void;
}

/** The room that was typed, with or without `#`; nothing: the default room. */
export function roomNamed(word: string): string | undefined {
  const bare = word.trim().replace(/^#/, "");
  const name = bare === "" ? DEFAULT_ROOM : `#${bare}`;
  return isRoomName(name) ? name : undefined;
}

/** The commands that both clients run alike. */
export const SHARED_COMMANDS = {
  help(client, rest) {
    client.answer(helpLines(rest, { web: client.isWeb }));
  },
  async list(client) {
    if (!client.room) return await client.showRooms();
    const people = await listPeople(client.server, client.room);
    const names = people.map(({ name }) => name).join(", ");
    client.answer([`In ${client.room} (${people.length}): ${names}`]);
  },
  async who(client, rest): Promise<void | "usage"> {
    const isAll = rest.toLowerCase() === "all" || (!rest && !client.room);
    const room = isAll ? "ALL" : roomNamed(rest || client.room!);
    if (!room) return "usage";
    const people = await listPeople(client.server, room);
    const width = people.reduce((most, { name }) => {
      return Math.max(most, name.length);
    }, 0);
    client.answer([
      `${isAll ? "Connected" : `In ${room}`}: ${people.length}`,
      ...people.map(({ name, details }) =>
        `  ${name.padEnd(width)}  ${details}`
      ),
    ]);
  },
  msg(client, rest) {
    const line = parseLine(`@${rest}`);
    return line.kind === "private"
      ? client.sendTo(line.to, line.text)
      : "usage";
  },
  reply(client, rest) {
    if (rest === "") return "usage";
    if (client.lastSender) return client.sendTo(client.lastSender, rest);
    client.answer(["You have no private message to reply to"]);
  },
  async ping(client) {
    const start = performance.now();
    await client.server.request("PING");
    const tookMs = performance.now() - start;
    client.answer([`The server answers in ${tookMs.toFixed(1)} ms`]);
  },
} as const satisfies {
  readonly [Name in CommandName]?: RunCommand<CommandClient>;
};
