/**
 * The commands that both clients run alike. What they show is lines of text:
 * each client draws those in its own way.
 *
 * @module
 */
import { lookAlike, targetKind } from "../protocol.ts";
import { type CommandClient, roomNamed } from "./command_client.ts";
import { textOf } from "./frames.ts";
import type { Requester } from "./net/connection.ts";
import { awayLines } from "./rooms/private_rooms.ts";
import { isAway, listMembers, listPeople, listRooms } from "./requests.ts";
import { sanitize } from "./text/sanitize.ts";
import {
  type CommandName,
  type ModeratorCommandName,
  readPrivate,
  type RunCommand,
} from "./text/typed_line.ts";

/**
 * What `/who` shows of a room without members: whether it exists, or the user of
 * that name.
 */
async function userOrRoom(server: Requester, room: string): Promise<string> {
  const wanted = lookAlike(room);
  const isMeant = ({ name }: { name: string }) => lookAlike(name) === wanted;
  if ((await listRooms(server)).some(isMeant)) return `No users are in ${room}`;
  const people = await listPeople(server, "ALL");
  const user = people.find(({ name }) => isMeant({ name: `#${name}` }));
  if (user) return `${user.name}  ${user.details.join(" ")}`;
  return `There is no room ${room}, and no user of that name is connected`;
}

/** What runs a command of moderators: the server, which answers with lines. */
function moderate(name: ModeratorCommandName): RunCommand<CommandClient> {
  return async (client, rest) => {
    const line = `${name} ${rest}`.trim();
    const answer = await client.server.request("MODERATE", [], {}, line);
    client.answer(textOf(answer).split("\n").map((row) => sanitize(row)));
  };
}

/** A command about the settings of a room, which is loaded with the first one. */
function setting(
  name: "topic" | "quiet" | "voice",
): RunCommand<CommandClient> {
  return async (client, rest) => {
    const { SETTING_COMMANDS } = await import("./rooms/settings_text.ts");
    return await SETTING_COMMANDS[name](client, rest);
  };
}

/** The same for a private room. */
function member(
  name: "invite" | "remove" | "owner" | "close",
): RunCommand<CommandClient> {
  return async (client, rest) => {
    const { PRIVATE_COMMANDS } = await import("./rooms/private_commands.ts");
    const run: RunCommand<CommandClient> = PRIVATE_COMMANDS[name];
    const result = await run(client, rest);
    return result === "usage" ? result : undefined;
  };
}

/** Reads what follows `/history`: undefined if it does not fit. */
export function readHistory(
  rest: string,
): { user?: string; most?: number } | undefined {
  const typed = /^(?:@([^\s:]+):?(?=\s|$)\s*)?([1-9]\d{0,4})?$/.exec(rest);
  if (!typed) return undefined;
  const [, user, most] = typed;
  if (user !== undefined && targetKind(user) !== "user") return undefined;
  return {
    ...user === undefined ? {} : { user },
    ...most === undefined ? {} : { most: Number(most) },
  };
}

/** The commands that both clients run alike. */
export const SHARED_COMMANDS = {
  async help(client, rest) {
    const { helpLines } = await import("./text/help.ts");
    const { isModerator: moderator, isWeb: web } = client;
    client.answer(helpLines(rest, { web, moderator }));
  },
  async list(client) {
    if (!client.room) return await client.showRooms();
    const people = await listPeople(client.server, client.room);
    client.answer([
      `In ${client.room} (${people.length}):`,
      ...people.map(({ name, details: [address = ""] }) =>
        `  ${client.nicks.labelOf(name)} <${address}>`
      ),
    ]);
  },
  async who(client, rest): Promise<void | "usage"> {
    const isAll = rest.toLowerCase() === "all" || (!rest && !client.room);
    const room = isAll ? "ALL" : roomNamed(rest || client.room!);
    if (!room) return "usage";
    const all = await listMembers(client.server, room);
    const people = all.filter((one) => !isAway(one));
    const found = all.length === 0
      ? await userOrRoom(client.server, room)
      : undefined;
    if (found) return client.answer([found]);
    const labels = people.map(({ name }) => client.nicks.labelOf(name));
    const width = Math.max(...labels.map(({ length }) => length));
    client.answer([
      `${isAll ? "Connected" : `In ${room}`}: ${people.length}`,
      ...people.map(({ details }, index) =>
        `  ${labels[index]!.padEnd(width)}  ${details.join(" ")}`
      ),
      ...awayLines(all),
    ]);
  },
  invite: member("invite"),
  remove: member("remove"),
  owner: member("owner"),
  close: member("close"),
  msg(client, rest) {
    const read = readPrivate(rest);
    return read ? client.sendTo(read.to, read.text) : "usage";
  },
  topic: setting("topic"),
  quiet: setting("quiet"),
  voice: setting("voice"),
  /** With a receiver, {@linkcode withReceiver} has made it another command. */
  reply(client, rest): void | "usage" {
    if (rest === "") return "usage";
    client.answer(["You have no private message to reply to"]);
  },
  async nick(client, rest) {
    const { nicks, server } = client;
    if (rest === "") {
      const now = nicks.own === undefined
        ? "You have no display name"
        : `You are shown as ${nicks.ownLabel}`;
      return client.answer([
        `${now}; /nick NAME sets one, /nick off removes it`,
      ]);
    }
    const wanted = rest.toLowerCase() === "off" ? "" : rest;
    await nicks.take(server, wanted);
    client.answer([
      nicks.own === undefined
        ? "You have no display name now"
        : `You are shown as ${nicks.ownLabel} now`,
    ]);
  },
  users: moderate("users"),
  kick: moderate("kick"),
  ban: moderate("ban"),
  unban: moderate("unban"),
  mute: moderate("mute"),
  unmute: moderate("unmute"),
  bans: moderate("bans"),
  unblock: moderate("unblock"),
  say: moderate("say"),
  forget: moderate("forget"),
  async devices(client, rest): Promise<void | "usage"> {
    const { runDevices } = await import("./session/devices_command.ts");
    return await runDevices(client, rest);
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
