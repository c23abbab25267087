/**
 * Tells the members of a room that users join and leave: at once, or once a
 * second in a crowded room, where each join would be told to a crowd.
 *
 * Users of one network who join and leave without end would fill the screens of
 * all others, also with names that say something. So a network has
 * {@linkcode AT_ONCE} changes, and then one in two seconds. Beyond that its
 * changes are told every {@linkcode BUSY_TICKS} seconds, without those that came
 * to nothing.
 *
 * @module
 */
import { encode } from "../../protocol.ts";
import type { Mover, Room } from "./user.ts";

/** A room with more members is told once a second. */
export const QUIET_ROOM_MEMBERS = 100;

/** Changes of one network that are told at once; a class has far fewer. */
export const AT_ONCE = 200;

/** Changes that a network earns in a tick. */
const EARNED = 1 / 2;

/** Ticks between two reports of the changes of a network that has used up its own. */
export const BUSY_TICKS = 10;

/** How a user joined or left. */
export interface Change {
  readonly kind: "joined" | "left" | "offline";
  /** Told with it, if given. */
  readonly reason?: string;
}

/** Users that joined or left since it was last told, by name. */
type Gathered = Map<string, Gathering>;

/** What became of one user. */
interface Gathering {
  readonly kind: Change["kind"];
  readonly remote: string;
  /** The tick in which it is told. */
  readonly due: number;
}

/** See the top of the file. */
export class Presence {
  /** The display name of a user, if there are any. */
  nickOf: ((name: string) => string | undefined) | undefined;
  readonly #gathered = new Map<Room, Gathered>();
  readonly #spent = new Map<string, number>(); // changes, by network
  readonly #time: () => string;
  readonly #atOnce: number;
  readonly #members: (room: Room) => number;
  #tick = 0;

  /**
   * `time` gives the time as the wire has it; `atOnce` is in place of
   * {@linkcode AT_ONCE}; `members` counts those of a room, of all servers.
   */
  constructor(
    time: () => string,
    atOnce: number = AT_ONCE,
    members: (room: Room) => number = ({ members }) => members.size,
  ) {
    this.#time = time;
    this.#atOnce = atOnce;
    this.#members = members;
  }

  /** Tells the other members, or gathers it to be told later. */
  announce(room: Room, user: Mover, { kind, reason }: Change): void {
    const { network, remote } = user.peer;
    const spent = this.#spent.get(network) ?? 0;
    const busy = spent + 1 > this.#atOnce;
    if (!busy) this.#spent.set(network, spent + 1);
    const known = this.#gathered.get(room);
    const members: ReadonlySet<Mover> = room.members;
    const isAlone = members.size === (members.has(user) ? 1 : 0);
    if (isAlone && !known) return; // no members to tell
    if (known || busy || this.#members(room) > QUIET_ROOM_MEMBERS) {
      const gathered: Gathered = known ?? new Map();
      const before = gathered.get(user.name)?.kind;
      const undone = before && (before === "joined") !== (kind === "joined");
      const due = busy ? this.#tick - this.#tick % BUSY_TICKS + BUSY_TICKS : 0;
      if (undone) gathered.delete(user.name);
      else gathered.set(user.name, { kind, remote, due });
      this.#gathered.set(room, gathered);
      return;
    }
    const notice = encode("NOTICE", [kind], {
      Room: room.name,
      User: user.name,
      From: kind === "joined" ? remote : undefined,
      Nick: kind === "joined" ? this.nickOf?.(user.name) : undefined,
      Reason: reason,
      Members: this.#members(room),
      Time: this.#time(),
    });
    for (const member of room.members) {
      if (member !== user) member.peer.notify(notice);
    }
  }

  /** Tells what was gathered and is due; the ticks of start.ts call it. */
  tellGathered(): void {
    this.#tick++;
    for (const [network, spent] of this.#spent) {
      if (spent > EARNED) this.#spent.set(network, spent - EARNED);
      else this.#spent.delete(network);
    }
    const rooms = [...this.#gathered];
    this.#gathered.clear(); // an exit while this is told is told next
    for (const [room, gathered] of rooms) {
      const [due, later] = parted(gathered, this.#tick);
      if (later.size > 0) this.#gathered.set(room, later);
      for (const kind of ["joined", "left", "offline"] as const) {
        const lines = [...due]
          .filter(([, event]) => event.kind === kind)
          .map(([name, { remote }]) => {
            const nick = kind === "joined" ? this.nickOf?.(name) : undefined;
            return `${name} ${remote}${nick === undefined ? "" : ` ${nick}`}\n`;
          });
        if (lines.length === 0) continue;
        const notice = encode("NOTICE", [kind], {
          Room: room.name,
          Count: lines.length,
          Members: this.#members(room),
          Time: this.#time(),
        }, lines.join(""));
        for (const member of room.members) member.peer.notify(notice);
      }
    }
  }

  /** Forgets what was gathered for a room without members. */
  forget(room: Room): void {
    this.#gathered.delete(room);
  }
}

/** What is due in `tick`, and the rest. */
function parted(gathered: Gathered, tick: number): [Gathered, Gathered] {
  const { due = [], later = [] } = Object.groupBy(
    gathered,
    ([, event]) => event.due > tick ? "later" : "due",
  );
  return [new Map(due), new Map(later)];
}
