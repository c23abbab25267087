/**
 * Private rooms, in both clients: what the server tells of them, in words, and the
 * commands of their members.
 *
 * @module
 */
import {
  type Frame,
  header,
  isPrivateName,
  lookAlike,
} from "../../protocol.ts";
import { type CommandClient, roomNamed } from "../command_client.ts";
import { isAway, type Person } from "../requests.ts";
import { sanitizeName } from "../text/sanitize.ts";
import { type RunCommand } from "../text/typed_line.ts";

/** Something that has happened in a private room of ours. */
export interface RoomNews {
  /** What has happened; a NOTICE has this word. */
  readonly kind: "invited" | "removed" | "owner" | "closed";
  /** With `#`. */
  readonly room: string;
  /** Who did it; undefined if the account of its owner was deleted. */
  readonly by: string | undefined;
  /** Whom it is about: the new owner, for instance. */
  readonly user: string;
  /** Whether we are that user. */
  readonly isMe: boolean;
}

/** What `notice` tells of a private room; undefined for another NOTICE. */
export function roomNewsOf(notice: Frame, me: string): RoomNews | undefined {
  const [kind] = notice.args;
  const isNews = kind === "invited" || kind === "removed" ||
    kind === "owner" || kind === "closed";
  const room = header(notice, "room") ?? "";
  if (!isNews || !isPrivateName(room)) return undefined;
  const user = header(notice, kind === "owner" ? "owner" : "user") ?? "";
  const isMe = lookAlike(user) === lookAlike(me);
  return { kind, room, by: header(notice, "by"), user, isMe };
}

/** Whether we are no member any more. */
export function isOver({ kind, isMe }: RoomNews): boolean {
  return kind === "closed" || kind === "removed" && isMe;
}

/** What has happened, in words. */
export function roomNewsText({ kind, ...news }: RoomNews): string {
  const [room, user] = [roomText(news.room), sanitizeName(news.user)];
  const by = news.by === undefined ? undefined : sanitizeName(news.by);
  const isOwn = news.by === news.user;
  switch (kind) {
    case "invited":
      return news.isMe
        ? `${by} invites you to ${room}. To join it, type /join ${
          sanitizeName(news.room)
        }`
        : `${by} made ${user} a member of ${room}`;
    case "removed":
      return isOwn
        ? `You are no member of ${room} any more`
        : `${by} removed ${news.isMe ? "you" : user} from ${room}`;
    case "owner": {
      const owns = `${news.isMe ? "You own" : `${user} owns`} ${room} now`;
      return by === undefined
        ? `${owns}: the account of its owner was deleted`
        : owns;
    }
    case "closed":
      return by === undefined
        ? `${room} is closed: the account of its owner was deleted`
        : `${by} closed ${room}, and its messages are deleted`;
  }
}

/** The name of a room, with a lock if it is private. */
export function roomText(name: string): string {
  const shown = sanitizeName(name);
  return isPrivateName(name) ? `\u{1f512} ${shown} (private)` : shown;
}

/** What follows `/join`: the room, and whether it is to be made, for members alone. */
export function readJoin(
  words: string,
): { readonly word: string; readonly isPrivate: boolean } {
  const all = words.split(/\s+/);
  const rest = all.filter((word) => word.toLowerCase() !== "--private");
  return { word: rest.join(" "), isPrivate: rest.length < all.length };
}

/** The names of members who are not in the room, of those that WHO lists. */
export function awayLines(people: readonly Person[]): string[] {
  const names = people.filter(isAway).map(({ name }) => sanitizeName(name));
  return names.length > 0 ? [`Members who are away: ${names.join(", ")}`] : [];
}

/** After a private room was made. */
export function madeText(room: string): string {
  return `You made ${roomText(room)}. Only its members can join it, read it, ` +
    "and see that it exists. To let a user in, type /invite NAME";
}

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
