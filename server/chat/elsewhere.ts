/**
 * The users of the other servers of the chat, as the hub of this one sees them:
 * those of each server in a table of its own, and all of them together.
 *
 * A user who moves is in two tables for a moment, or in one and here. The members
 * of a room are told of a user who joins it or leaves it anywhere: of the first
 * place that has the user in it, and of the last one that has not any more. So a
 * move is not told at all.
 *
 * server/cluster/presence/presence.ts keeps the tables as the other servers are. A lone
 * server has none of this.
 *
 * @module
 */
import type { Batch } from "./batch.ts";
import type { Hub } from "./hub.ts";
import { NameMap } from "./names/names.ts";
import type { Change } from "./presence.ts";
import type {
  Delivery,
  Elsewhere,
  Room,
  Signal,
  User,
  UserElsewhere,
} from "./user.ts";

/**
 * Users who moved, or whose server is gone, are kept for so long, in milliseconds:
 * no user is told of them if they are on another server by then.
 */
export const MOVE_MS = 5_000;

/** Limit of the users who moved, and are kept. */
const MAX_KEPT = 10_000;

/** The word for all users, which is used like the name of a room. */
const ALL = "ALL";

/** What happens on this server, to be told to the others. */
export interface Told extends
  Pick<
    Elsewhere,
    "entered" | "exited" | "joined" | "left" | "changed" | "closing" | "pass"
  > {
  /** A user who has moved to another server leaves the chat here. */
  moved(user: User): void;
  /** Whether those here acknowledge a message of a user of `server`. */
  acknowledge(
    server: string,
    firstId: number,
    acknowledged: Delivery["acknowledged"],
  ): void;
  /** Whether those of `server` acknowledge a message of a user here. */
  acknowledged(server: string, firstId: number): Promise<boolean>;
}

/** The members of a room, or all users, on the other servers. */
interface Place {
  /** The name of the room, as the first of them has it. */
  readonly name: string;
  /** By name in lower case; of one who moves the newest is last. */
  readonly members: Map<string, Entry[]>;
  /** How many of these names are in it here, too. */
  here: number;
}

/** A user, and where. */
interface Entry extends UserElsewhere {
  readonly table: { readonly isOver: boolean };
  peer: UserElsewhere["peer"];
  /** By the name that the user's server gives. */
  readonly places: Map<string, Place>;
}

/** See the top of the file. */
export class UsersElsewhere implements Elsewhere, Disposable {
  readonly #hub: Hub;
  readonly #told: Told;
  readonly #after: (ms: number, action: () => void) => Disposable;
  readonly #moving = new WeakSet<User>();
  readonly #kept = new Set<Disposable>(); // the timers of those who have moved
  readonly #all: Place = { name: ALL, members: new Map(), here: 0 };
  readonly #rooms = new NameMap<Place>();
  readonly #names = new NameMap<Entry[]>({ findsSimilar: true });

  /**
   * None, for a hub without users; `told` is told what happens in it. `after` calls
   * back once after so many milliseconds.
   */
  constructor(
    hub: Hub,
    told: Told,
    after: (ms: number, action: () => void) => Disposable,
  ) {
    this.#hub = hub;
    this.#told = told;
    this.#after = after;
    hub.elsewhere = this;
  }

  named(name: string): UserElsewhere | undefined {
    return this.#names.get(name)?.at(-1);
  }

  serversOf(name: string): string[] {
    const entries = this.#names.get(name) ?? [];
    const there = entries.filter(({ table }) => !table.isOver);
    return [...new Set(there.map(({ server }) => server))];
  }

  holds(name: string): boolean {
    return this.#names.get(name)?.some(({ table }) => !table.isOver) ?? false;
  }

  similar(name: string): string | undefined {
    const found = this.#names.similar(name);
    return found !== undefined && this.holds(found) ? found : undefined;
  }

  count(room: string): number {
    const place = this.#place(room);
    return place ? place.members.size - place.here : 0;
  }

  delivered(
    { from, to, firstId }: Batch,
    acknowledged: Delivery["acknowledged"],
  ): number {
    const sender = this.#all.members.get(from.toLowerCase())?.at(-1);
    if (sender?.peer.kind === "classic" && !this.#isHere(ALL, from)) {
      this.#told.acknowledge(sender.server, firstId, acknowledged);
    }
    if (to === ALL || to.startsWith("#")) return this.count(to);
    const user = this.named(to);
    return user && !this.#isHere(ALL, user.name) ? 1 : 0;
  }

  acknowledged(to: string, firstId: number): Promise<boolean>[] {
    const user = this.named(to);
    const users = user ? [user] : this.members(to);
    const servers = new Set<string>();
    for (const { peer, server } of users) {
      if (peer.kind === "classic") servers.add(server);
    }
    return Array.from(
      servers,
      (server) => this.#told.acknowledged(server, firstId),
    );
  }

  *members(room: string): Generator<UserElsewhere> {
    const place = this.#place(room);
    if (!place) return;
    for (const [, entries] of place.members) {
      const entry = entries.at(-1)!; // none is empty
      if (!this.#isHere(place.name, entry.name)) yield entry;
    }
  }

  isIn(room: string, name: string): boolean {
    return this.#place(room)?.members.has(name.toLowerCase()) ?? false;
  }

  roomName(name: string): string | undefined {
    return this.#rooms.get(name)?.name;
  }

  *rooms(): Generator<string> {
    for (const { name } of this.#rooms.values()) yield name;
  }

  entered(user: User): void {
    this.#countHere(ALL, user, 1);
    this.#told.entered(user);
  }

  moves(user: User): void {
    this.#moving.add(user);
  }

  exited(user: User, reason: string): void {
    const moves = this.#moving.delete(user);
    if (moves) this.#keepFrom(user);
    for (const room of user.rooms.keys()) this.#countHere(room.name, user, -1);
    this.#countHere(ALL, user, -1);
    if (moves) this.#told.moved(user);
    else this.#told.exited(user, reason);
  }

  joined(user: User, room: Room): void {
    this.#countHere(room.name, user, 1);
    this.#told.joined(user, room);
  }

  left(user: User, room: Room): void {
    this.#countHere(room.name, user, -1);
    this.#told.left(user, room);
  }

  pass(user: Pick<UserElsewhere, "name" | "server">, signal: Signal): void {
    this.#told.pass(user, signal);
  }

  changed(user: User): void {
    this.#told.changed(user);
  }

  closing(): void {
    this.#told.closing();
  }

  /**
   * Keeps a user who has moved for {@linkcode MOVE_MS}, as if the user were still
   * there: the news from the other server may come later.
   */
  keep({ name, server, peer, rooms }: UserElsewhere): void {
    if (this.#kept.size >= MAX_KEPT) return;
    const table = this.table(server);
    table.isOver = true;
    table.enter(name, peer);
    for (const room of rooms()) table.join(name, room);
    const timer = this.#after(MOVE_MS, () => {
      this.#kept.delete(timer);
      table.clear("signed in elsewhere");
    });
    this.#kept.add(timer);
  }

  /** Keeps no user any longer; all stay as they are. */
  [Symbol.dispose](): void {
    for (const timer of this.#kept) timer[Symbol.dispose]();
  }

  /** An empty table, for the users of one server. */
  table(server: string): Table {
    return new Table(server, {
      add: (entry, room) => this.#add(entry, room),
      remove: (entry, change) => this.#remove(entry, change),
      part: (entry, room) => this.#part(entry, room, { kind: "left" }),
      keep: (entry) => this.keep(entry),
    });
  }

  #keepFrom({ name, peer: { remote, network, kind }, rooms }: User): void {
    const names = Array.from(rooms.keys(), (room) => room.name);
    const peer = { remote, network, kind };
    this.keep({ name, server: "", peer, rooms: () => names });
  }

  #place(name: string): Place | undefined {
    if (name === ALL) return this.#all;
    return name.startsWith("#") ? this.#rooms.get(name) : undefined;
  }

  /** A user of this server enters a place, or leaves it. */
  #countHere(name: string, user: User, by: 1 | -1): void {
    const place = this.#place(name);
    if (place?.members.has(user.name.toLowerCase())) place.here += by;
  }

  #isHere(place: string, name: string): boolean {
    const user = this.#hub.userNamed(name);
    if (user?.name.toLowerCase() !== name.toLowerCase()) return false;
    const room = place === ALL ? undefined : this.#hub.roomNamed(place);
    return place === ALL || room !== undefined && user.rooms.has(room);
  }

  #add(entry: Entry, name: string): void {
    const place = this.#place(name) ?? this.#open(name);
    entry.places.set(name, place);
    const key = entry.name.toLowerCase();
    const entries = place.members.get(key);
    if (entries) return void entries.push(entry);
    const added = [entry];
    place.members.set(key, added);
    const isHere = this.#isHere(place.name, entry.name);
    if (isHere) place.here++;
    if (place === this.#all) {
      if (!this.#names.get(entry.name)) this.#names.add(entry.name, added);
    } else if (!isHere) this.#tell(place, entry, { kind: "joined" });
  }

  #remove(entry: Entry, change: Change): void {
    for (const name of [...entry.places.keys()]) {
      this.#part(entry, name, change);
    }
  }

  #part(entry: Entry, name: string, change: Change): void {
    const place = entry.places.get(name)!; // the table has looked
    entry.places.delete(name);
    const key = entry.name.toLowerCase();
    const entries = place.members.get(key)!; // it has this entry
    entries.splice(entries.indexOf(entry), 1);
    if (entries.length > 0) return;
    place.members.delete(key);
    const isHere = this.#isHere(place.name, entry.name);
    if (isHere) place.here--;
    if (place === this.#all) {
      if (this.#names.get(entry.name) === entries) {
        this.#names.delete(entry.name);
      }
      return;
    }
    if (place.members.size === 0) {
      this.#rooms.delete(place.name);
      this.#hub.shares.occupy(place.name, false);
    }
    if (!isHere) this.#tell(place, entry, change);
  }

  #open(name: string): Place {
    const place: Place = { name, members: new Map(), here: 0 };
    this.#rooms.add(name, place);
    this.#hub.shares.occupy(name, true);
    return place;
  }

  /** Tells the members here; they are of the room also for the shares. */
  #tell(place: Place, entry: Entry, change: Change): void {
    const room = this.#hub.roomNamed(place.name);
    if (!room) return;
    if (change.kind === "joined") {
      this.#hub.shares.join(room.name, entry.peer.network);
    }
    this.#hub.presence.announce(room, entry, change);
  }
}

/** What a table does to all. */
interface Doing {
  add(entry: Entry, room: string): void;
  remove(entry: Entry, change: Change): void;
  part(entry: Entry, room: string): void;
  keep(entry: Entry): void;
}

/** The users of one server. */
export class Table {
  /** The name of that server. */
  readonly server: string;
  /** Whether that server is gone, and the users are kept for a while. */
  isOver = false;
  readonly #doing: Doing;
  readonly #entries = new Map<string, Entry>();

  /** See {@linkcode UsersElsewhere.table}. */
  constructor(server: string, doing: Doing) {
    this.server = server;
    this.#doing = doing;
  }

  /** A user enters, whose name is not in the table. */
  enter(name: string, peer: UserElsewhere["peer"]): void {
    const places = new Map<string, Place>();
    const rooms = () => [...places.keys()].filter((room) => room !== ALL);
    const { server } = this;
    const entry = { name, server, table: this, peer, places, rooms };
    this.#entries.set(name.toLowerCase(), entry);
    this.#doing.add(entry, ALL);
  }

  /** A user who is in the table leaves the chat. */
  exit(name: string, reason: string): void {
    const entry = this.#entry(name);
    this.#entries.delete(name.toLowerCase());
    this.#doing.remove(entry, { kind: "offline", reason });
  }

  /** A user of the table joins a room, and was not in it. */
  join(name: string, room: string): void {
    this.#doing.add(this.#entry(name), room);
  }

  /** A user of the table leaves a room. */
  leave(name: string, room: string): void {
    this.#doing.part(this.#entry(name), room);
  }

  /** A user of the table has another kind, or another connection. */
  change(name: string, peer: UserElsewhere["peer"]): void {
    this.#entry(name).peer = peer;
  }

  /** A user of the table has moved to another server. */
  move(name: string): void {
    this.#doing.keep(this.#entry(name));
    this.exit(name, "signed in elsewhere");
  }

  /** All users leave. */
  clear(reason: string): void {
    for (const { name } of [...this.#entries.values()]) this.exit(name, reason);
  }

  #entry(name: string): Entry {
    return this.#entries.get(name.toLowerCase())!; // see above: it is there
  }
}
