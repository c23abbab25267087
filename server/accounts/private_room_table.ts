/**
 * The tables of private rooms and their members, and who may change what in them.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError, lookAlike } from "../../protocol.ts";
import { noSuchRoom } from "../chat/refusals.ts";
import type { Database } from "../journal/database.ts";
import type {
  AccountEntry,
  PrivateRoomChangedEntry,
  PrivateRoomEntry,
} from "../journal/entries.ts";
import type { Account } from "./accounts.ts";

/** Limit of the members of a private room. */
export const MAX_PRIVATE_MEMBERS = 1_000;

/** A member of a private room: an account. */
export interface Member {
  /** As its owner writes it. */
  readonly name: string;
  /** Who has let the account in. */
  readonly invitedBy: string;
  /** Whether the account has joined the room since, on any device. */
  readonly hasJoined: boolean;
}

/** See the top of the file. All but {@linkcode all} is called inside of a change. */
export class PrivateRoomTable {
  readonly #account: StatementSync;
  readonly #requested: StatementSync;
  readonly #counts: StatementSync;
  readonly #insert: StatementSync;
  readonly #room: StatementSync;
  readonly #member: StatementSync;
  readonly #members: StatementSync;
  readonly #put: StatementSync;
  readonly #join: StatementSync;
  readonly #take: StatementSync;
  readonly #pass: StatementSync;
  readonly #close: readonly StatementSync[];
  readonly #all: StatementSync;

  constructor(database: Database) {
    const prepare = (sql: string) => database.prepare(sql);
    this.#account = prepare(
      "SELECT 1 FROM accounts WHERE key = ? AND created_at = ?",
    );
    this.#requested = prepare(
      "SELECT name FROM private_rooms WHERE owner = ? AND request = ?",
    );
    this.#counts = prepare(`
      SELECT count(*) AS total, total(network = ?) AS per_address,
        total(owner = ?) AS per_owner FROM private_rooms`);
    this.#insert = prepare("INSERT INTO private_rooms VALUES (?, ?, ?, ?, ?)");
    this.#room = prepare("SELECT owner FROM private_rooms WHERE name = ?");
    this.#member = prepare(
      "SELECT joined FROM private_members WHERE room = ? AND account = ?",
    );
    this.#members = prepare(
      "SELECT count(*) AS count FROM private_members WHERE room = ?",
    );
    this.#put = prepare(`
      INSERT INTO private_members SELECT ?1, ?2, ?3,
        ifnull(max(number), 0) + 1, ?4, ?5 FROM private_members WHERE room = ?1`);
    this.#join = prepare(
      "UPDATE private_members SET joined = 1 WHERE room = ? AND account = ?",
    );
    this.#take = prepare(
      "DELETE FROM private_members WHERE room = ? AND account = ?",
    );
    this.#pass = prepare("UPDATE private_rooms SET owner = ? WHERE name = ?");
    this.#close = [
      prepare("DELETE FROM private_members WHERE room = ?"),
      prepare("DELETE FROM private_rooms WHERE name = ?"),
    ];
    this.#all = prepare(`
      SELECT r.name AS room, owner, m.name AS name, invited_by, joined
      FROM private_rooms AS r JOIN private_members AS m ON m.room = r.name
      ORDER BY r.name, number`);
  }

  /** All members of all rooms, the longest member of each room first. */
  all(): (Member & { room: string; owner: string })[] {
    return this.#all.all().map((row) => ({
      room: String(row["room"]),
      owner: String(row["owner"]),
      name: String(row["name"]),
      invitedBy: String(row["invited_by"]),
      hasJoined: row["joined"] === 1,
    }));
  }

  /** Returns the name of the room that the same request has made before. */
  make(entry: PrivateRoomEntry): string | undefined {
    const { room, owner, network, key } = entry;
    this.#check(owner);
    const known = key && this.#requested.get(keyOf(owner), key)?.["name"];
    if (known) return String(known);
    this.#checkLimits(entry);
    this.#insert.run(
      ...[room, lookAlike(room), keyOf(owner), network, key ?? null],
    );
    this.#put.run(room, keyOf(owner), owner.name, "", 1);
    return undefined;
  }

  /** Returns whether that changes anything. */
  change({ room, by, what, account = by }: PrivateRoomChangedEntry): boolean {
    const owner = this.#room.get(room)?.["owner"];
    const isOwner = owner === keyOf(by);
    if (!this.#isMember(room, by)) throw noSuchRoom(room, DEEDS[what]);
    const isOwn = keyOf(account) === keyOf(by);
    const isFree = what === "invite" || what === "join" ||
      what === "remove" && isOwn;
    if (!isFree && !isOwner) throw notOwner(room, what);
    if (what === "invite") return this.#invite(room, by, account);
    if (what === "close") {
      for (const statement of this.#close) statement.run(room);
      return true;
    }
    const key = keyOf(account);
    if (!this.#isMember(room, account)) throw noMember(room, account.name);
    switch (what) {
      case "join":
        if (this.#member.get(room, key)?.["joined"] === 1) return false;
        return this.#join.run(room, key).changes > 0;
      case "remove":
        if (key === owner) throw ownerStays(room);
        return this.#take.run(room, key).changes > 0;
      case "pass on":
        if (key === owner) return false;
        return this.#pass.run(key, room).changes > 0;
    }
  }

  #invite(room: string, by: AccountEntry, account: AccountEntry): boolean {
    if (this.#isMember(room, account)) return false;
    this.#check(account);
    if (Number(this.#members.get(room)?.["count"]) >= MAX_PRIVATE_MEMBERS) {
      throw tooMany(`invite to ${room}`, MAX_PRIVATE_MEMBERS, "members");
    }
    this.#put.run(room, keyOf(account), account.name, by.name, 0);
    return true;
  }

  #isMember(room: string, account: AccountEntry): boolean {
    return this.#isThere(account) &&
      this.#member.get(room, keyOf(account)) !== undefined;
  }

  #isThere(account: AccountEntry): boolean {
    const { createdAt } = account;
    return this.#account.get(keyOf(account), createdAt) !== undefined;
  }

  /** @throws {ChatError} 121 if the account is deleted by now. */
  #check(account: AccountEntry): void {
    if (!this.#isThere(account)) throw noAccount(account.name);
  }

  /** @throws {ChatError} 109 if a limit forbids one more. */
  #checkLimits({ room, owner, network, limits }: PrivateRoomEntry): void {
    const row = this.#counts.get(network, keyOf(owner));
    const check = (limit: number | null, count: string, what: string) => {
      if (limit === null || Number(row?.[count]) < limit) return;
      throw tooMany(`create ${room.split(".")[0]}`, limit, what);
    };
    check(limits.perOwner, "per_owner", "private rooms that you own");
    check(limits.perAddress, "per_address", "private rooms of your address");
    check(limits.total, "total", "private rooms");
  }
}

const DEEDS = {
  "invite": "invite to",
  "join": "join",
  "remove": "remove a member of",
  "pass on": "pass on",
  "close": "close",
} as const;

/** The error for what only the owner of a room may do. */
function notOwner(
  room: string,
  what: PrivateRoomChangedEntry["what"],
): ChatError {
  return new ChatError(122, `Cannot ${DEEDS[what]} ${room}: you do not own it`);
}

/** The error for an account that is no member, for a member who asks. */
export function noMember(room: string, name: string): ChatError {
  return new ChatError(109, `Cannot do that: ${name} is no member of ${room}`);
}

function ownerStays(room: string): ChatError {
  const next = "pass it on first, or close it";
  return new ChatError(
    122,
    `Cannot leave ${room} for good: you own it; ${next}`,
  );
}

/** The error for a name without an account. */
export function noAccount(name: string, next = ""): ChatError {
  return new ChatError(
    121,
    `Cannot invite ${name}: there is no such account${next}`,
  );
}

function tooMany(deed: string, limit: number, what: string): ChatError {
  return new ChatError(109, `Cannot ${deed}: the limit is ${limit} ${what}`, {
    headers: { Limit: limit },
  });
}

/** The key of an account in the tables. */
export function keyOf({ name }: Pick<Account, "name">): string {
  return name.toLowerCase();
}
