/**
 * What a server tells the others of itself: its users with their rooms, and how
 * many connections it has from each network. Facts change by changes, of which each
 * fits or does not; equal facts have equal digests.
 *
 * Values in, values out. The same class is what a server tells, and what another
 * one has been told: so both have the same limits.
 *
 * @module
 */
import { MAX_ROOMS_PER_USER } from "../../chat/refusals.ts";
import type { UserKind } from "../../chat/user.ts";

/** One change of the facts, as it is sent. */
export type Change =
  /** A user enters, and is in these rooms. */
  | readonly [
    "+",
    name: string,
    remote: string,
    kind: UserKind,
    rooms: readonly string[],
  ]
  /** A user leaves the chat. */
  | readonly ["-", name: string, reason: string]
  /** A user has moved to another server. */
  | readonly ["~", name: string]
  /** A user joins a room. */
  | readonly [">", name: string, room: string]
  /** A user leaves a room. */
  | readonly ["<", name: string, room: string]
  /** A user has another connection, or another kind. */
  | readonly ["=", name: string, remote: string, kind: UserKind]
  /** So many connections come from a network. */
  | readonly ["#", network: string, count: number];

/** What is told of a user. */
interface Fact {
  readonly name: string;
  remote: string;
  kind: UserKind;
  readonly rooms: Set<string>;
}

/** The reason for users of whom only is known that they are gone. */
const LOST = "connection lost";

/** See the top of the file. */
export class Facts {
  readonly #max: number;
  readonly #users = new Map<string, Fact>(); // by name in lower case
  readonly #connections = new Map<string, number>();
  #sum = [0, 0];

  /** None; there are at most `max` users, and as many networks. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#users.size === 0 && this.#connections.size === 0;
  }

  /** The same text for the same facts, and another one for others. */
  get digest(): string {
    return this.#sum.map((sum) => (sum >>> 0).toString(36)).join(".");
  }

  /** How many connections there are, by network. */
  connections(): ReadonlyMap<string, number> {
    return this.#connections;
  }

  /** Makes a change. @returns Whether it fits; if not, nothing has changed. */
  apply(change: Change): boolean {
    const [what, key] = change;
    if (what === "#") return this.#count(key, change[2]);
    const user = this.#users.get(key.toLowerCase());
    if (what === "+") return !user && this.#enter(change);
    if (!user) return false;
    switch (what) {
      case "-":
      case "~":
        this.#users.delete(key.toLowerCase());
        this.#note(user, -1);
        for (const room of user.rooms) this.#noteRoom(user, room, -1);
        return true;
      case ">":
        if (
          user.rooms.has(change[2]) || user.rooms.size === MAX_ROOMS_PER_USER
        ) {
          return false;
        }
        user.rooms.add(change[2]);
        this.#noteRoom(user, change[2], 1);
        return true;
      case "<":
        if (!user.rooms.delete(change[2])) return false;
        this.#noteRoom(user, change[2], -1);
        return true;
      case "=":
        this.#note(user, -1);
        [user.remote, user.kind] = [change[2], change[3]];
        this.#note(user, 1);
        return true;
    }
  }

  /** The changes that make these facts out of none. */
  *all(): Generator<Change> {
    for (const { name, remote, kind, rooms } of this.#users.values()) {
      yield ["+", name, remote, kind, [...rooms]];
    }
    for (const [network, count] of this.#connections) {
      yield ["#", network, count];
    }
  }

  /** The changes that make `others` out of these facts. */
  *changesTo(others: Facts): Generator<Change> {
    for (const [key, { name }] of this.#users) {
      if (others.#users.get(key)?.name !== name) yield ["-", name, LOST];
    }
    for (const [key, { name, remote, kind, rooms }] of others.#users) {
      const known = this.#users.get(key);
      if (known?.name !== name) {
        yield ["+", name, remote, kind, [...rooms]];
        continue;
      }
      if (known.remote !== remote || known.kind !== kind) {
        yield ["=", name, remote, kind];
      }
      for (const room of known.rooms.difference(rooms)) {
        yield ["<", name, room];
      }
      for (const room of rooms.difference(known.rooms)) {
        yield [">", name, room];
      }
    }
    for (const network of this.#connections.keys()) {
      if (!others.#connections.has(network)) yield ["#", network, 0];
    }
    for (const [network, count] of others.#connections) {
      if (this.#connections.get(network) !== count) {
        yield ["#", network, count];
      }
    }
  }

  #enter([, name, remote, kind, rooms]: Change & readonly ["+", ...unknown[]]) {
    const set = new Set(rooms);
    const fits = this.#users.size < this.#max && set.size === rooms.length &&
      set.size <= MAX_ROOMS_PER_USER;
    if (!fits) return false;
    const user = { name, remote, kind, rooms: set };
    this.#users.set(name.toLowerCase(), user);
    this.#note(user, 1);
    for (const room of set) this.#noteRoom(user, room, 1);
    return true;
  }

  #count(network: string, count: number): boolean {
    const before = this.#connections.get(network);
    if (before !== undefined) this.#add(`# ${network} ${before}`, -1);
    else if (this.#connections.size === this.#max) return count === 0;
    if (count === 0) this.#connections.delete(network);
    else {
      this.#connections.set(network, count);
      this.#add(`# ${network} ${count}`, 1);
    }
    return true;
  }

  #note({ name, remote, kind }: Fact, sign: 1 | -1): void {
    this.#add(`+ ${name} ${remote} ${kind}`, sign);
  }

  #noteRoom({ name }: Fact, room: string, sign: 1 | -1): void {
    this.#add(`> ${name} ${room}`, sign);
  }

  /** Facts have no order, so their hashes are summed up. */
  #add(fact: string, sign: 1 | -1): void {
    this.#sum = this.#sum.map((sum, i) => (sum + sign * hash(fact, i)) | 0);
  }
}

/** FNV-1a (draft-eastlake-fnv), of 32 bits; `seed` gives another hash. */
function hash(text: string, seed: number): number {
  let value = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b9);
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return value;
}
