/**
 * What members do in private rooms, and what is told of it: invitations, taking
 * members out, passing a room on, and closing it.
 *
 * A user who is no member gets the same error for a room that there is as for one
 * that there is not.
 *
 * @module
 */
import type { Lazy } from "../../core/lazy.ts";
import {
  ChatError,
  encode,
  isPrivateName,
  isUserName,
} from "../../protocol.ts";
import type { Hub } from "../chat/hub.ts";
import { printable } from "../chat/names/names.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import { checkRoomCount, noSuchRoom } from "../chat/refusals.ts";
import { isDefaultRoom } from "../chat/room_shares.ts";
import type { Change } from "../chat/presence.ts";
import type { User } from "../chat/user.ts";
import type { Journal } from "../journal/journal.ts";
import type { Account, Accounts } from "./accounts.ts";
import {
  keyOf,
  type Member,
  noAccount,
  noMember,
} from "./private_room_table.ts";
import {
  invitedNotice,
  type PrivateRoom,
  type PrivateRooms,
  type RoomEvent,
} from "./private_rooms.ts";
import type { AllRoomSettings } from "./room_settings.ts";
import type { ResumableSessions } from "./resume_tokens.ts";

/** What this works with. */
export interface Parts {
  readonly hub: Hub;
  readonly journal: Journal;
  readonly accounts: Lazy<Accounts>;
  readonly privateRooms: Lazy<PrivateRooms>;
  readonly resumables: ResumableSessions;
  readonly roomSettings: Lazy<AllRoomSettings>;
}

/** A user who asks for something. */
export interface Asker {
  readonly user: User;
  readonly account: Account | undefined;
  readonly network: string;
}

/**
 * Makes a private room for an account; resolves with its whole name.
 *
 * @throws {ChatError} 110 for a guest; 109 if the name is that of another room, or a
 * limit is reached; 119 if it cannot be stored.
 */
export async function makePrivate(
  { user, account, network }: Asker,
  { hub, privateRooms }: Parts,
  { name, key }: { readonly name: string; readonly key: string | undefined },
): Promise<string> {
  if (!account) {
    const why = "only a user with an account can; sign up first";
    throw new ChatError(110, `Cannot make a private room: ${why}`);
  }
  hub.roomNamed(name); // which throws for a name that no room can have
  if (isPrivateName(name)) { // it is there, or never will be
    return memberRoom(account, privateRooms, name, "join").name;
  }
  if (isDefaultRoom(name)) {
    throw new ChatError(
      109,
      `Cannot make ${name} private: choose another name`,
    );
  }
  checkRoomCount(name, user.rooms.size);
  const rooms = await privateRooms.load();
  const scoped = key === undefined ? undefined : `${account.keyScope} ${key}`;
  return await rooms.make(account, { name, network, key: scoped });
}

/**
 * Lets an account into a private room; a member stays one. `count` counts what is
 * stored, and can throw.
 *
 * @returns The answer.
 * @throws {ChatError} 109 if the user is no member; 120 if the user is muted; 121 if
 * there is no account of that very name.
 */
export async function invite(
  { user, account }: Asker,
  { hub, accounts, privateRooms }: Parts,
  { name, room: word, count }: {
    readonly name: string;
    readonly room: string;
    readonly count: () => void;
  },
): Promise<Uint8Array> {
  const deed = "invite to";
  hub.roomNamed(word);
  if (!isPrivateName(word)) {
    throw new ChatError(109, `Cannot invite to ${word}: it is not private`);
  }
  const room = memberRoom(account, privateRooms, word, deed);
  hub.muting.check(user, "invite"); // the name of a room can say something
  const found = (await accounts.load()).named(name);
  if (!found || keyOf(found) !== name.toLowerCase()) {
    throw unknownAccount(hub, name, found);
  }
  const isMember = room.members.has(keyOf(found));
  if (!isMember) {
    count();
    await privateRooms.loaded!.change(room, account!, "invite", found); // see above
  }
  return encode("INVITED", [found.name], {
    Room: room.name,
    Already: isMember ? "yes" : undefined,
  });
}

/** What the owner changes in a private room; one of these at a time. */
export interface RoomChange {
  /** Takes this member out; a member can take out itself. */
  readonly remove?: string | undefined;
  /** Passes the room on to this member. */
  readonly owner?: string | undefined;
  /** Closes the room: all leave, and its history is deleted. */
  readonly closed?: boolean;
}

/**
 * Changes a private room; resolves with its name when that is stored.
 *
 * @throws {ChatError} 109 if the user is no member, or the other user is none; 122
 * if only the owner may do that.
 */
export async function changeRoom(
  { account }: Asker,
  { accounts, hub, journal, privateRooms, roomSettings }: Parts,
  { word, change: { remove, owner, closed } }: {
    readonly word: string;
    readonly change: RoomChange;
  },
): Promise<string> {
  hub.roomNamed(word);
  const room = memberRoom(account, privateRooms, word, "change");
  const rooms = privateRooms.loaded!; // the room is one of them
  const by = account!;
  if (closed) {
    await rooms.change(room, by, "close");
    const settings = roomSettings.loaded?.end(room.name);
    await Promise.all([journal.forget(room.name), settings]);
    return room.name;
  }
  const name = remove ?? owner ?? "";
  const found = accounts.loaded?.named(name);
  if (!found || keyOf(found) !== name.toLowerCase()) {
    throw noMember(room.name, printable(name));
  }
  await rooms.change(
    room,
    by,
    remove === undefined ? "pass on" : "remove",
    found,
  );
  return room.name;
}

/** Tells the users of this server, and takes out those who are no members any more. */
export function tellMembers(parts: Parts, event: RoomEvent): void {
  const { hub } = parts;
  const { room, what, by: By, about } = event;
  const Room = room.name;
  switch (what) {
    case "join":
      return;
    case "invite": {
      const [member] = about as [Member]; // there is one
      const notice = invitedNotice(room, member);
      return tell([...present(parts, room), userOf(hub, member)], notice, By);
    }
    case "pass on": {
      const Owner = room.members.get(room.owner)?.name;
      const notice = encode("NOTICE", ["owner"], { Room, Owner, By });
      const users = about.map((member) => userOf(hub, member));
      return tell([...present(parts, room), ...users], notice);
    }
    case "remove": {
      const [member] = about as [Member]; // there is one
      const user = userOf(hub, member);
      const reason = By === member.name ? "for good" : `removed by ${By}`;
      takeOut(parts, Room, user, { kind: "left", reason });
      const notice = encode("NOTICE", ["removed"], {
        Room,
        User: member.name,
        By,
      });
      return tell([user], notice);
    }
    case "close": {
      const users = about.map((member) => userOf(hub, member));
      const all = new Set([...present(parts, room), ...users]);
      for (const user of all) takeOut(parts, Room, user, null);
      tell(all, encode("NOTICE", ["closed"], { Room, By }));
      // What the request does itself, if there is one.
      const isLeft = event.own && By === undefined;
      if (!isLeft) return;
      parts.journal.forget(Room).catch(unlessNotStored);
      parts.roomSettings.loaded?.end(Room).catch(unlessNotStored);
    }
  }
}

/** Takes a user out of a room, if the user is in it. */
function takeOut(
  { hub, resumables }: Parts,
  room: string,
  user: User | undefined,
  change: Change | null,
): void {
  const joined = user && hub.roomNamed(room);
  if (!joined || !user.rooms.has(joined)) return;
  hub.leave(user, room, change);
  const session = resumables.newest(user.name);
  if (session) resumables.left(session, [room]);
}

/** The members of a room who are in it, on this server. */
function present({ hub }: Parts, { name }: PrivateRoom): Iterable<User> {
  return hub.roomNamed(name)?.members ?? [];
}

/** The user of this server who has the account of a member. */
function userOf(hub: Hub, { name }: Member): User | undefined {
  const user = hub.userNamed(name);
  const isTheirs = user?.peer.kind === "account" &&
    keyOf(user) === keyOf({ name });
  return isTheirs ? user : undefined;
}

/** Sends each of the users a NOTICE once, but for the user who did it. */
function tell(
  users: Iterable<User | undefined>,
  notice: Uint8Array,
  by?: string,
): void {
  for (const user of new Set(users)) {
    if (user && user.name !== by) user.peer.notify(notice);
  }
}

/** The room of that name, of which the user is a member. */
function memberRoom(
  account: Account | undefined,
  { loaded }: Lazy<PrivateRooms>,
  word: string,
  deed: string,
): PrivateRoom {
  const room = account && loaded?.find(word, account);
  if (!room) throw noSuchRoom(word, deed);
  return room;
}

function unknownAccount(
  hub: Hub,
  word: string,
  similar: Account | undefined,
): ChatError {
  const name = printable(word);
  const user = isUserName(word)
    ? hub.userNamed(word) ?? hub.elsewhere?.named(word)
    : undefined;
  if (user?.peer.kind === "guest") {
    return noAccount(name, `: ${user.name} is a guest, who can sign up first`);
  }
  if (user?.peer.kind === "classic") {
    return noAccount(name, `: ${user.name} has a program without accounts`);
  }
  return noAccount(name, similar ? `. Did you mean ${similar.name}?` : "");
}
