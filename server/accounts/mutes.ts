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
import { unlessNotStored } from "../chat/not_stored.ts";
import {
  type Measure,
  Measures,
  storedTarget,
  type Target,
  targetText,
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
}

/** What {@linkcode Mutes.remove} did. */
export interface Unmuted {
  /** The mute that is removed. */
  readonly removed: Mute | undefined;
  /** The mutes in spite of which the name may send now. */
  readonly allowedBy: readonly Mute[];
}

interface Held extends Mute {
  readonly places: Map<string, number>;
  readonly allowed: Set<string>;
  /** Those of {@linkcode Mute.allowed} that are so until another user has them. */
  readonly present: Set<string>;
  /** Other names that it has muted, as they look: perhaps they left since. */
  readonly concerned: Set<string>;
}

/** All mutes of one database. */
export class Mutes implements MuteRules {
  readonly #database: Database;
  readonly #ask: MuteQuestions;
  readonly #now: () => number;
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
    for (const row of database.prepare("SELECT * FROM mutes").all()) {
      const target = storedTarget(row);
      if (!target) continue;
      const { since, until, places, allowed } = row;
      this.#hold({
        ...target,
        ...database.damage.readRow(() => ({
          places: new Map<string, number>(JSON.parse(String(places))),
          ...readAllowed(String(allowed)),
        })),
        since: Number(since),
        until: until === null ? Infinity : Number(until),
        concerned: new Set(),
      });
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
    for (const mute of this.#others(name, remote)) note(mute.concerned, [name]);
    return this.reason(name, remote);
  }

  /** See {@linkcode MuteRules}. */
  newcomer(name: string): void {
    const look = lookAlike(name);
    for (const mute of this.#mutes.all()) {
      if (!mute.present.delete(look)) continue;
      mute.allowed.delete(look);
      // What cannot be stored holds until a restart.
      this.#store([], mute).catch(unlessNotStored);
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
   * @throws {ChatError} 119 if it cannot be stored; then it ends with the server.
   */
  async add(target: Target, until: number): Promise<void> {
    const before = this.#mutes.get(target);
    const isSame = before !== undefined && before.until > this.#now();
    const gone = this.#mutes.replacedBy(target);
    for (const one of gone) this.#drop(one);
    const mute: Held = {
      ...target,
      since: this.#now(),
      until,
      places: isSame ? before.places : new Map(),
      allowed: isSame ? before.allowed : new Set(),
      present: isSame ? before.present : new Set(),
      concerned: isSame ? before.concerned : new Set(),
    };
    this.#hold(mute);
    const user = target.kind === "name"
      ? [...this.#ask.users()].find((one) => isSameName(one.name, mute.value))
      : undefined;
    const coming = user && this.#came(mute, user.remote);
    await Promise.all([this.#store(gone, mute), coming]);
  }

  /**
   * Removes the mute of this very target. A name may from now on send in spite of
   * any mute that concerns it, or did when it was last here. It holds at once;
   * resolves when it is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then a restart undoes it.
   */
  remove(target: Target): Unmuted & { storing: Promise<unknown> } {
    const found = this.#mutes.get(target);
    const removed = found && found.until > this.#now() ? found : undefined;
    if (removed) this.#drop(removed);
    const allowedBy = target.kind === "name" ? this.#over(target.value) : [];
    for (const mute of allowedBy) {
      note(mute.allowed, [target.value]);
      mute.present.delete(lookAlike(target.value));
    }
    return {
      removed,
      allowedBy,
      storing: Promise.all([
        removed && this.#store([removed]),
        ...allowedBy.map((mute) => this.#store([], mute)),
      ]),
    };
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
    const network = networkOf(remote);
    const { places } = mute;
    if (places.has(network) || places.size >= MAX_PLACES) return undefined;
    const here = Array.from(this.#ask.users())
      .filter((user) => networkOf(user.remote) === network)
      .map(({ name }) => name);
    const others = here.filter((name) => !isSameName(name, mute.value));
    const added = others.map(lookAlike).filter((one) => !mute.allowed.has(one));
    note(mute.allowed, others);
    note(mute.present, added);
    places.set(network, this.#now());
    this.#hold(mute);
    return this.#store([], mute);
  }

  #hold(mute: Held): void {
    this.#mutes.add(mute);
    for (const network of mute.places.keys()) {
      const mutes = this.#places.get(network) ?? new Set();
      this.#places.set(network, mutes.add(mute));
    }
  }

  #drop(mute: Held): void {
    this.#mutes.delete(mute);
    for (const network of mute.places.keys()) {
      const mutes = this.#places.get(network);
      if (mutes?.delete(mute) && mutes.size === 0) this.#places.delete(network);
    }
  }

  #store(gone: readonly Mute[], mute?: Held): Promise<void> {
    return this.#database.write(() => {
      for (const { kind, value } of gone) this.#delete.run(kind, value);
      if (!mute) return;
      const { kind, value, since, until, places } = mute;
      this.#put.run(
        ...[kind, value, since, until === Infinity ? null : until],
        ...[JSON.stringify([...places]), writeAllowed(mute)],
      );
    });
  }
}

/** The names as they are stored: in front of one that is `present` is a `+`. */
function writeAllowed({ allowed, present }: Held): string {
  const names = Array.from(
    allowed,
    (name) => present.has(name) ? `+${name}` : name,
  );
  return JSON.stringify(names);
}

/** The opposite of {@linkcode writeAllowed}. @throws {Error} If it is none. */
function readAllowed(text: string): Pick<Held, "allowed" | "present"> {
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

/** Of too many names, the newest stay. */
function note(noted: Set<string>, names: readonly string[]): void {
  for (const name of names) noted.add(lookAlike(name));
  for (const name of noted) {
    if (noted.size <= MAX_ALLOWED) return;
    noted.delete(name);
  }
}

function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase() ||
    lookAlike(one) === lookAlike(other);
}
