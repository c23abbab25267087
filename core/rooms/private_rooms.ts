/**
 * Private rooms, in both clients: what the server tells of them, in words.
 *
 * @module
 */
import {
  type Frame,
  header,
  isPrivateName,
  lookAlike,
} from "../../protocol.ts";
import { isAway, type Person } from "../requests.ts";
import { sanitizeName } from "../text/sanitize.ts";

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

/** Invitations that were told: the server repeats each until its room is joined. */
export class Invitations {
  readonly #rooms = new Set<string>();

  /** Whether the user was not told of it before. */
  isNew(news: RoomNews): boolean {
    const { kind, isMe, room } = news;
    if (isOver(news)) this.#rooms.delete(room);
    if (kind !== "invited" || !isMe) return true;
    const wasTold = this.#rooms.has(room);
    this.#rooms.add(room);
    return !wasTold;
  }
}

/** Whether a request for `asked` may be answered with the room `name`. */
export function answersWith(name: string, asked: string): boolean {
  const isMade = isPrivateName(name) && !isPrivateName(asked);
  const meant = isMade ? name.slice(0, name.indexOf(".")) : name;
  return lookAlike(meant) === lookAlike(asked);
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
