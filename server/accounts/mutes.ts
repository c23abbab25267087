/**
 * Mutes: names and networks whose users can only read.
 *
 * A muted user does not talk on under another name. While a name is muted, a new
 * name that comes from its network is muted, too: it was not connected when the
 * mute began there, and no account has it from before. Accounts from before and
 * users who were connected talk on, since a class may stand behind one address,
 * until another user takes such a name. The operator unmutes any other name.
 *
 * Mutes are held in memory, where each user who registers is checked, and stored:
 * they survive a restart, with the names that talk on.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { networkOf } from "../../core/net/ip_address.ts";
import { lookAlike } from "../../protocol.ts";
import type { MuteRules } from "../chat/user.ts";
import type { Database } from "../journal/database.ts";
import type { MuteEntry } from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import {
  endOf,
  isSameName,
  isSameTarget,
  type Measure,
  Measures,
  storedTarget,
  type Target,
  targetOf,
  targetText,
  timeOf,
} from "./targets.ts";
import { timeText } from "../../core/net/connection_error.ts";

/** Limit of the mutes that hold. */
export const MAX_MUTES = 1_000;

/** Limit of the names that may send in spite of one mute. */
export const MAX_ALLOWED = 1_000;

/** Limit of the networks from which a muted name came; later ones do not count. */
export const MAX_PLACES = 8;

/** One mute. */
export interface Mute extends Measure {
  /** For a name: the networks from which it came, and since when. */
  readonly places: ReadonlyMap<string, number>;
  /** Names that may send all the same, as they look. */
  readonly allowed: ReadonlySet<string>;
}

/** Why a user cannot send. */
export interface Muted {
  readonly mute: Mute;
  /** The mute is of another name, at the user's network. */
  readonly isOther: boolean;
}

/** What mutes ask. */
export interface MuteQuestions {
  /** The names and addresses of all connected users. */
  users(): Iterable<{ readonly name: string; readonly remote: string }>;
  /** When the account of that name was created; undefined if there is none. */
  accountSince(name: string): number | undefined;
  /** Gets a line for each user who is muted from the start, and its address. */
  log(line: string, remote: string): void;
  /** Milliseconds since the epoch. Default: the computer's clock. */
  now?(): number;
  /** Another server has changed who can send: all users are to be marked again. */
  changed?(): void;
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
}

/** What {@linkcode Mutes.remove} did. */
export interface Unmuted {
  /** The mute that is removed. */
  readonly removed: Mute | undefined;
  /** The mutes in spite of which the name may send now. */
  readonly allowedBy: readonly Mute[];
}

/** A mute as it is stored. */
interface StoredMute extends Mute {
  /** Those of {@linkcode Mute.allowed} that are so until another user has them. */
  readonly present: ReadonlySet<string>;
}

interface Held extends StoredMute {
  /** Other names that it has muted here, as they look: perhaps they left since. */
  readonly concerned: Set<string>;
}

/** All mutes of one database. */
export class Mutes implements MuteRules {
  readonly #database: Database;
  readonly #append: Append<MuteEntry, void>;
  readonly #ask: MuteQuestions;
  readonly #now: () => number;
  /** Whether the mutes are those of several servers. */
  readonly #isShared: boolean;
  readonly #ofKind: StatementSync;
  readonly #mutes: Measures<Held>;
  readonly #places = new Map<string, Set<Held>>(); // by network
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: Database, questions: MuteQuestions) {
    this.#database = database;
    this.#ask = questions;
    this.#now = questions.now ?? Date.now;
    this.#mutes = new Measures(this.#now, MAX_MUTES);
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO mutes (kind, value, since, until, places, allowed) " +
        "VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#delete = database.prepare(
      "DELETE FROM mutes WHERE kind = ? AND value = ?",
    );
    this.#ofKind = database.prepare("SELECT * FROM mutes WHERE kind = ?");
    const { entries = database } = questions;
    this.#isShared = entries !== database;
    this.#append = entries.register("mute", {
      change: (entry) => this.#store(entry, this.#ofKind.all(entry.kind)),
      applied: (entry, mute, own) => {
        // It does not hold here, if it took too long to store it.
        const isKnown = own && isAlike(this.#mutes.get(entry), mute);
        this.#hold(entry, mute);
        if (isKnown) return;
        if (entry.muted || entry.allow) questions.changed?.();
        if (mute && !own && entry.place !== undefined) {
          this.#allowHere(mute, entry);
        }
      },
    });
    for (const row of database.prepare("SELECT * FROM mutes").all()) {
      const mute = this.#muteOf(row);
      if (mute) this.#add({ ...mute, concerned: new Set() });
    }
  }

  /** What mutes a user; `remote` is the user's address, with or without a port. */
  of(name: string, remote: string): Muted | undefined {
    if (this.#mutes.size === 0) return undefined;
    const own = this.#mutes.find({ kind: "name", value: name });
    if (own) return { mute: own, isOther: false };
    const [mute] = this.#others(name, remote);
    return mute && { mute, isOther: mute.kind === "name" };
  }

  /** See {@linkcode MuteRules}. */
  reason(name: string, remote: string): string | undefined {
    const muted = this.of(name, remote);
    if (!muted) return undefined;
    const { mute, isOther } = muted;
    const leftMs = mute.until - this.#now();
    const time = leftMs === Infinity ? "" : ` for ${timeText(leftMs)}`;
    if (isOther) {
      return `you are muted${time}, as ${mute.value} at your address is; ` +
        `ask the operator to unmute ${name}`;
    }
    const what = mute.kind === "name" ? "you" : "your address";
    return `the operator has muted ${what}${time}`;
  }

  /** See {@linkcode MuteRules}. */
  entered(name: string, remote: string): string | undefined {
    if (this.#mutes.size === 0) return undefined;
    const own = this.#mutes.find({ kind: "name", value: name });
    // What cannot be stored now is stored when the name comes again.
    if (own) this.#came(own, remote)?.catch(unlessNotStored);
    const muted = this.of(name, remote);
    if (!muted) return undefined;
    const line = `${name} <${remote}> is muted${becauseOf(muted)}`;
    this.#ask.log(line, remote);
    for (const mute of this.#others(name, remote)) {
      note(mute.concerned, [lookAlike(name)]);
    }
    return this.reason(name, remote);
  }

  /** See {@linkcode MuteRules}. */
  newcomer(name: string): void {
    const look = lookAlike(name);
    for (const mute of this.#mutes.all()) {
      if (!mute.present.has(look)) continue;
      // What cannot be stored holds until a restart.
      this.#change(mute, { newcomer: look }).catch(unlessNotStored);
    }
  }

  /** All that have not ended. */
  all(): Mute[] {
    return this.#mutes.all();
  }

  /** Whether there are too many for one of `target`. */
  isFullFor(target: Target): boolean {
    return this.#mutes.isFullFor(target);
  }

  /**
   * Mutes a target until a time. It holds at once; resolves when it is stored. A
   * mute that holds already keeps the names that may send.
   *
   * @throws {ChatError} 119 if it cannot be stored; then it ends with the server,
   * or at once if there are several, which must have the same mutes.
   * @throws {UndecidedError} If that is not known; then it has ended, and holds if
   * it is stored later.
   */
  async add(target: Target, until: number): Promise<void> {
    const before = this.#mutes.get(target);
    const isSame = before !== undefined && before.until > this.#now();
    const places = isSame ? before.places : new Map<string, number>();
    const gone = this.#mutes.replacedBy(target).map(targetOf)
      .filter((one) => !isSameTarget(one, target));
    const { kind, value } = target;
    const user = kind === "name"
      ? [...this.#ask.users()].find(({ name }) => isSameName(name, value))
      : undefined;
    const place = user && this.#placeOf(value, user.remote, places);
    const muted = { until: endOf(until) };
    await this.#change(target, { muted, gone, ...place });
  }

  /**
   * Removes the mute of this very target. A name may from now on send in spite of
   * any mute that concerns it, or did when it was last here. It holds at once;
   * resolves when it is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then a restart undoes it, or it
   * is undone at once if there are several servers.
   * @throws {UndecidedError} If that is not known; as with {@linkcode Mutes.add}.
   */
  remove(target: Target): Unmuted & { storing: Promise<unknown> } {
    const found = this.#mutes.get(target);
    const removed = found && found.until > this.#now() ? found : undefined;
    const removing = removed && this.#change(removed, { muted: "no" });
    const allowedBy = target.kind === "name" ? this.#over(target.value) : [];
    const allow = [lookAlike(target.value)];
    const allowing = allowedBy.map((mute) => this.#change(mute, { allow }));
    const storing = Promise.all([removing, ...allowing]);
    return { removed, allowedBy, storing };
  }

  /** The mutes of other targets because of which the name cannot send. */
  #over(name: string): Held[] {
    const look = lookAlike(name);
    const here = Array.from(this.#ask.users())
      .filter((user) => isSameName(user.name, name))
      .flatMap(({ remote }) => [...this.#others(name, remote)]);
    const before = this.#mutes.all()
      .filter(({ concerned, allowed }) =>
        concerned.has(look) && !allowed.has(look)
      );
    return [...new Set([...here, ...before])];
  }

  /** The mutes of the user's network, and of other names there. */
  *#others(name: string, remote: string): Generator<Held, void, void> {
    const look = lookAlike(name);
    const here = { kind: "address", value: remote } as const;
    for (const mute of this.#mutes.covering(here)) {
      if (!mute.allowed.has(look)) yield mute;
    }
    if (this.#places.size === 0) return;
    const network = networkOf(remote);
    const now = this.#now();
    for (const mute of this.#places.get(network) ?? []) {
      if (mute.until <= now || mute.allowed.has(look)) continue;
      if (isSameName(name, mute.value)) continue;
      const since = this.#ask.accountSince(name) ?? Infinity;
      if (since > mute.places.get(network)!) yield mute; // it is by its places
    }
  }

  /** A muted name came from a network; undefined if it has come from there before. */
  #came(mute: Held, remote: string): Promise<void> | undefined {
    const place = this.#placeOf(mute.value, remote, mute.places);
    return place && this.#change(mute, place);
  }

  /** What an entry says of a muted name at a network, unless that counts already. */
  #placeOf(
    name: string,
    remote: string,
    places: ReadonlyMap<string, number>,
  ): Pick<MuteEntry, "place" | "present"> | undefined {
    const place = networkOf(remote);
    if (places.has(place) || places.size >= MAX_PLACES) return undefined;
    return { place, present: this.#othersAt(place, name) };
  }

  /** The users of a network but for the muted one, as they look. */
  #othersAt(network: string, muted: string): string[] {
    return Array.from(this.#ask.users())
      .filter(({ remote }) => networkOf(remote) === network)
      .filter(({ name }) => !isSameName(name, muted))
      .map(({ name }) => lookAlike(name));
  }

  /** Another server has muted a name at a network, from which users are here. */
  #allowHere(mute: StoredMute, { value, place = "" }: MuteEntry): void {
    const present = this.#othersAt(place, value)
      .filter((look) => !mute.allowed.has(look));
    if (present.length === 0) return;
    this.#change(mute, { present }).catch(unlessNotStored);
  }

  /**
   * Changes the mute of a target at once; resolves when that is stored. If it cannot
   * be, what several servers have is as it is stored.
   */
  async #change(
    target: Target,
    what: Omit<MuteEntry, "kind" | "value" | "at">,
  ): Promise<void> {
    const entry = { ...targetOf(target), at: this.#now(), ...what };
    this.#hold(entry, revised(this.#mutes.get(target), entry));
    try {
      await this.#append(entry);
    } catch (error) {
      if (this.#isShared) this.#readAgain([entry, ...entry.gone ?? []]);
      throw error;
    }
  }

  #readAgain(targets: readonly Target[]): void {
    for (const target of targets) {
      const { concerned = new Set<string>() } = this.#mutes.get(target) ?? {};
      this.#drop(target);
      const mute = this.#ofKind.all(target.kind).map((row) => this.#muteOf(row))
        .find((one) => one !== undefined && isSameTarget(one, target));
      if (mute) this.#add({ ...mute, concerned });
    }
    this.#ask.changed?.();
  }

  /** Inside of a change. @returns The mute from now on. */
  #store(entry: MuteEntry, rows: readonly Row[]): StoredMute | undefined {
    for (const { kind, value } of entry.gone ?? []) {
      this.#delete.run(kind, value);
    }
    const before = rows.map((row) => this.#muteOf(row))
      .filter((one) => one !== undefined && isSameTarget(one, entry));
    for (const one of before) this.#delete.run(one!.kind, one!.value);
    const mute = revised(before[0], entry);
    if (!mute) return undefined;
    const { kind, value, since, until, places } = mute;
    this.#put.run(
      ...[kind, value, since, endOf(until)],
      ...[JSON.stringify([...places]), writeAllowed(mute)],
    );
    return mute;
  }

  /** From now on, `mute` is that of the entry; undefined: there is none. */
  #hold(entry: MuteEntry, mute: StoredMute | undefined): void {
    for (const one of entry.gone ?? []) this.#drop(one);
    const before = this.#mutes.get(entry);
    const isSame = before && (!entry.muted || before.until > entry.at);
    const concerned = isSame ? before.concerned : new Set<string>();
    this.#drop(entry);
    if (mute) this.#add({ ...mute, concerned });
  }

  #add(mute: Held): void {
    this.#mutes.add(mute);
    for (const network of mute.places.keys()) {
      const mutes = this.#places.get(network) ?? new Set();
      this.#places.set(network, mutes.add(mute));
    }
  }

  #drop(target: Target): void {
    const mute = this.#mutes.get(target);
    if (!mute) return;
    this.#mutes.delete(mute);
    for (const network of mute.places.keys()) {
      const mutes = this.#places.get(network);
      if (mutes?.delete(mute) && mutes.size === 0) this.#places.delete(network);
    }
  }

  /**
   * The mute of a row; undefined if it is one of no target.
   *
   * @throws {ChatError} 119 if it is not as it was stored.
   */
  #muteOf(row: Row): StoredMute | undefined {
    const target = storedTarget(row);
    return target && {
      ...target,
      ...this.#database.damage.readRow(() => ({
        places: new Map<string, number>(JSON.parse(String(row["places"]))),
        ...readAllowed(String(row["allowed"])),
      })),
      since: Number(row["since"]),
      until: timeOf(row["until"]),
    };
  }
}

type Row = Readonly<Record<string, unknown>>;

/** Whether the same can send, as far as both say. */
function isAlike(
  one: StoredMute | undefined,
  other: StoredMute | undefined,
): boolean {
  return one?.since === other?.since && one?.until === other?.until &&
    one?.allowed.size === other?.allowed.size;
}

/** What an entry makes of a mute, which stays as it is; undefined is none. */
function revised(
  before: StoredMute | undefined,
  entry: MuteEntry,
): StoredMute | undefined {
  const { kind, value, at, muted, place, present = [], allow = [] } = entry;
  if (muted === "no" || !muted && !before) return undefined;
  const kept = muted && before && before.until <= at ? undefined : before;
  const mute = {
    places: new Map(kept?.places),
    allowed: new Set(kept?.allowed),
    present: new Set(kept?.present),
  };
  const isNew = place !== undefined && !mute.places.has(place);
  if (isNew && mute.places.size < MAX_PLACES) mute.places.set(place, at);
  note(mute.present, present.filter((look) => !mute.allowed.has(look)));
  note(mute.allowed, present);
  note(mute.allowed, allow);
  for (const look of allow) mute.present.delete(look);
  const { newcomer } = entry;
  if (newcomer !== undefined && mute.present.delete(newcomer)) {
    mute.allowed.delete(newcomer);
  }
  return muted
    ? { kind, value, since: at, until: timeOf(muted.until), ...mute }
    : { ...before!, ...mute }; // without both, there is none
}

/** The names as they are stored: in front of one that is `present` is a `+`. */
function writeAllowed({ allowed, present }: StoredMute): string {
  const names = Array.from(
    allowed,
    (name) => present.has(name) ? `+${name}` : name,
  );
  return JSON.stringify(names);
}

/** The opposite of {@linkcode writeAllowed}. @throws {Error} If it is none. */
function readAllowed(text: string): Pick<StoredMute, "allowed" | "present"> {
  const names = new Set<string>(JSON.parse(text));
  const present = Array.from(names).filter((name) => name.startsWith("+"))
    .map((name) => name.slice(1));
  return {
    allowed: new Set(Array.from(names, (name) => name.replace(/^\+/, ""))),
    present: new Set(present),
  };
}

/** Behind "muted": why, if it is not the user's own mute. */
export function becauseOf({ mute, isOther }: Muted): string {
  if (isOther) return ` as ${mute.value} is`;
  return mute.kind === "name" ? "" : ` with ${targetText(mute)}`;
}

/** Adds names, as they look. Of too many, the newest stay. */
function note(noted: Set<string>, looks: readonly string[]): void {
  for (const look of looks) noted.add(look);
  for (const name of noted) {
    if (noted.size <= MAX_ALLOWED) return;
    noted.delete(name);
  }
}
