/**
 * Private rooms, and the accounts that are members of each.
 *
 * The server gives a private room its name: the one that was asked for, a dot, and
 * four characters by chance. No public room has a dot in its name. So a private room
 * takes no name from any other room, two groups can each have their own `#group`,
 * and to ask for a name with a dot never makes a room: a user who is no member is
 * answered alike, whether there is such a room or not. No later room has the same
 * name either.
 *
 * membership.ts has what members do with them.
 *
 * @module
 */
import { encode, type Headers } from "../../protocol.ts";
import type { Hub } from "../chat/hub.ts";
import { NameMap } from "../chat/names/names.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import type { Database } from "../journal/database.ts";
import type {
  AccountEntry,
  PrivateRoomChangedEntry,
  PrivateRoomEntry,
  PrivateRoomLimits,
} from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import type { Account } from "./accounts.ts";
import { keyOf, type Member, PrivateRoomTable } from "./private_room_table.ts";
import { endOf } from "./targets.ts";

/** Limits of private rooms: in total, of one address, and of one owner. */
export const PRIVATE_ROOM_LIMITS = {
  total: 10_000,
  perAddress: 500,
  perOwner: 50,
} as const;

/** Limit of the invitations that an account is told of when it registers. */
const MAX_INVITATIONS_TOLD = 50;

/** A private room, as its members know it. */
export interface PrivateRoom {
  readonly name: string;
  /** The key of the account that owns it. */
  readonly owner: string;
  /** By the keys of their accounts, the longest member first. */
  readonly members: ReadonlyMap<string, Member>;
}

interface OwnRoom extends PrivateRoom {
  owner: string;
  readonly members: Map<string, Member>;
}

/** What has happened in a private room, on any server. */
export interface RoomEvent {
  readonly room: PrivateRoom;
  readonly what: PrivateRoomChangedEntry["what"];
  /** The name of the user who did it; undefined if an account was deleted. */
  readonly by: string | undefined;
  /** The members whom it is about: those of a room that is closed, for instance. */
  readonly about: readonly Member[];
  /** Whether this server has done it. */
  readonly own: boolean;
}

/** Settings of {@linkcode PrivateRooms}. */
export interface PrivateRoomOptions {
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
  /** Default: {@linkcode PRIVATE_ROOM_LIMITS}. */
  readonly limits?: Readonly<Record<keyof PrivateRoomLimits, number>>;
  /** Is called right after each event, on each server. */
  happened?(event: RoomEvent): void;
}

/** All private rooms of one database. */
export class PrivateRooms {
  readonly #rooms = new NameMap<OwnRoom>();
  readonly #of = new Map<string, Set<OwnRoom>>(); // by the key of a member
  readonly #limits: PrivateRoomLimits;
  readonly #make: Append<PrivateRoomEntry, string>;
  readonly #change: Append<PrivateRoomChangedEntry, void>;
  readonly #happened: (event: RoomEvent) => void;

  constructor(database: Database, options: PrivateRoomOptions = {}) {
    const { entries = database, limits = PRIVATE_ROOM_LIMITS } = options;
    this.#happened = (event) => options.happened?.(event);
    this.#limits = {
      total: endOf(limits.total),
      perAddress: endOf(limits.perAddress),
      perOwner: endOf(limits.perOwner),
    };
    const table = new PrivateRoomTable(database);
    this.#make = entries.register("private-room", {
      change: (entry) => table.make(entry),
      applied: ({ room: name, owner }, known) => {
        if (known !== undefined) return known; // the same request, again
        const key = keyOf(owner);
        const room: OwnRoom = { name, owner: key, members: new Map() };
        this.#rooms.add(name, room);
        this.#put(room, { name: owner.name, invitedBy: "", hasJoined: true });
        return name;
      },
    });
    this.#change = entries.register("private-room-changed", {
      change: (entry) => table.change(entry),
      applied: (entry, hasChanged, own) => {
        const room = this.#rooms.get(entry.room);
        if (hasChanged && room) this.#changed(room, entry, own);
      },
    });
    for (const { room: name, owner, ...member } of table.all()) {
      const known = this.#rooms.get(name);
      const room = known ?? { name, owner, members: new Map() };
      if (!known) this.#rooms.add(name, room);
      this.#put(room, member);
    }
  }

  /** The room of that name if the account is a member of it, and else undefined. */
  find(name: string, account: Pick<Account, "name">): PrivateRoom | undefined {
    const room = this.#rooms.get(name);
    return room?.members.has(keyOf(account)) ? room : undefined;
  }

  /** Whether the account owns the room of that name. */
  isOwner(name: string, account: Pick<Account, "name">): boolean {
    return this.#rooms.get(name)?.owner === keyOf(account);
  }

  /** The rooms of which the account is a member. */
  of(account: Pick<Account, "name">): Iterable<PrivateRoom> {
    return this.#of.get(keyOf(account)) ?? [];
  }

  /** A NOTICE for each room that has let the account in, and that it has not joined. */
  invitations(account: Pick<Account, "name">): Uint8Array[] {
    return Array.from(this.of(account)).flatMap((room) => {
      const member = room.members.get(keyOf(account));
      return member && !member.hasJoined ? [invitedNotice(room, member)] : [];
    }).slice(-MAX_INVITATIONS_TOLD);
  }

  /** What JOINED tells of a room. */
  headersOf({ members, owner }: PrivateRoom): Headers {
    return { Private: "yes", Owner: members.get(owner)?.name };
  }

  /**
   * The lines of ROOMS for the rooms of an account; undefined if there are none.
   * `more` gives what else a line tells.
   */
  linesOf(
    account: Pick<Account, "name">,
    hub: Hub,
    more: (room: string) => string = () => "",
  ): Uint8Array | undefined {
    const lines = Array.from(this.of(account), ({ name }) => {
      const room = hub.roomNamed(name);
      const members = room
        ? hub.members(room)
        : hub.elsewhere?.count(name) ?? 0;
      return `${name} ${members} private${more(name)}\n`;
    });
    return lines.length > 0 ? encoder.encode(lines.join("")) : undefined;
  }

  /** The lines of WHO for members who are not in the room, on any server. */
  away(name: string, hub: Hub): string[] {
    const room = this.#rooms.get(name);
    if (!room) return [];
    const here = [
      ...hub.roomNamed(name)?.members ?? [],
      ...hub.elsewhere?.members(name) ?? [],
    ];
    const present = new Set(here.map(keyOf));
    return Array.from(room.members)
      .filter(([key]) => !present.has(key))
      .map(([, member]) => `${member.name} - away\n`);
  }

  /** Stores that a member has joined for the first time, if that can be now. */
  async joined(room: PrivateRoom, account: Account): Promise<void> {
    if (room.members.get(keyOf(account))?.hasJoined !== false) return;
    await this.change(room, account, "join").catch(unlessNotStored);
  }

  /** Whether there is a room of that name: for the server, and for no user. */
  has(name: string): boolean {
    return this.#rooms.get(name) !== undefined;
  }

  /** All rooms: for the operator, and for no user. */
  all(): Iterable<PrivateRoom> {
    return this.#rooms.values();
  }

  /**
   * Makes a private room; resolves with its name when it is stored. A request with
   * a `key` that the owner has used before resolves with the room that it made then.
   *
   * @throws {ChatError} 109 if there are too many; 119 if it cannot be stored.
   */
  async make(
    owner: Account,
    { name, network, key }: {
      readonly name: string;
      readonly network: string;
      readonly key?: string | undefined;
    },
  ): Promise<string> {
    let room: string;
    do room = `${name}.${suffix()}`; while (this.has(room));
    const limits = this.#limits;
    const { createdAt } = owner;
    const by = { name: owner.name, createdAt };
    return await this.#make({ room, owner: by, network, key, limits });
  }

  /**
   * Does what a member wants to do in a room; resolves when it is stored.
   *
   * @throws {ChatError} 109 if the user is no member, or the other account is none;
   * 122 if only the owner may do that; 121 if there is no such account; 119 if it
   * cannot be stored.
   */
  change(
    room: PrivateRoom,
    by: Account,
    what: PrivateRoomChangedEntry["what"],
    account?: AccountEntry,
  ): Promise<void> {
    return this.#change({
      room: room.name,
      by: { name: by.name, createdAt: by.createdAt },
      what,
      account: account &&
        { name: account.name, createdAt: account.createdAt },
    });
  }

  /** An account was deleted, and with it what the tables had of it. */
  accountDeleted(account: Pick<Account, "name">, own: boolean): void {
    const key = keyOf(account);
    for (const room of [...this.#of.get(key) ?? []]) {
      this.#take(room, key);
      if (room.owner !== key) continue;
      const heir = heirOf(room);
      if (heir === undefined) {
        this.#rooms.delete(room.name);
        const event = {
          room,
          what: "close",
          by: undefined,
          about: [],
        } as const;
        this.#happened({ ...event, own });
        continue;
      }
      room.owner = heir;
      const about = [room.members.get(heir)!]; // it is one of them
      this.#happened({ room, what: "pass on", by: undefined, about, own });
    }
  }

  #changed(
    room: OwnRoom,
    { by, what, account = by }: PrivateRoomChangedEntry,
    own: boolean,
  ): void {
    const key = keyOf(account);
    const before = room.members.get(key);
    const { name } = account;
    const about: Member[] = [];
    if (what === "invite") {
      const member = { name, invitedBy: by.name, hasJoined: false };
      this.#put(room, member);
      about.push(member);
    } else if (what === "close") {
      about.push(...room.members.values());
      for (const one of [...room.members.keys()]) this.#take(room, one);
      this.#rooms.delete(room.name);
    } else if (before) {
      about.push(before);
      if (what === "remove") this.#take(room, key);
      if (what === "pass on") room.owner = key;
      if (what === "join") {
        room.members.set(key, { ...before, hasJoined: true });
      }
    }
    this.#happened({ room, what, by: by.name, about, own });
  }

  #put(room: OwnRoom, member: Member): void {
    const key = keyOf(member);
    room.members.set(key, member);
    this.#of.set(key, (this.#of.get(key) ?? new Set()).add(room));
  }

  #take(room: OwnRoom, key: string): void {
    room.members.delete(key);
    const rooms = this.#of.get(key);
    rooms?.delete(room);
    if (rooms?.size === 0) this.#of.delete(key);
  }
}

/** Whose the room is when its owner is gone; as the trigger of the tables has it. */
function heirOf({ members }: PrivateRoom): string | undefined {
  const keys = [...members.keys()];
  return keys.find((key) => members.get(key)?.hasJoined) ?? keys[0];
}

/** Letters and digits of which none looks like another one. */
const CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789";

function suffix(): string {
  const chosen = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(chosen, (n) => CHARACTERS[n % CHARACTERS.length]).join("");
}

/** The NOTICE that an account is let in. */
export function invitedNotice(
  { name }: Pick<PrivateRoom, "name">,
  member: Member,
): Uint8Array {
  const { name: User, invitedBy: By } = member;
  return encode("NOTICE", ["invited"], { Room: name, User, By });
}

const encoder = new TextEncoder();
