/**
 * Tells the members of a room that users join and leave: at once, or once a
 * second in a crowded room, where each join would be told to a crowd.
 *
 * @module
 */
import { encode } from "../../protocol.ts";
import type { Room, User } from "./user.ts";

/** A room with more members is told once a second. */
export const QUIET_ROOM_MEMBERS = 100;

/** How a user joined or left. */
export interface Change {
  readonly kind: "joined" | "left" | "offline";
  /** Told with it, if given. */
  readonly reason?: string;
}

/** Users that joined or left since it was last told, by name. */
type Gathered = Map<string, { kind: Change["kind"]; remote: string }>;

/** See the top of the file. */
export class Presence {
  readonly #gathered = new Map<Room, Gathered>(); // of crowded rooms

  /** Tells the other members, or gathers it in a crowded room. */
  announce(room: Room, user: User, { kind, reason }: Change): void {
    const { remote } = user.peer;
    const known = this.#gathered.get(room);
    if (known || room.members.size > QUIET_ROOM_MEMBERS) {
      const gathered: Gathered = known ?? new Map();
      const before = gathered.get(user.name)?.kind;
      const undone = before && (before === "joined") !== (kind === "joined");
      if (undone) gathered.delete(user.name);
      else gathered.set(user.name, { kind, remote });
      this.#gathered.set(room, gathered);
      return;
    }
    const notice = encode("NOTICE", [kind], {
      Room: room.name,
      User: user.name,
      From: kind === "joined" ? remote : undefined,
      Reason: reason,
      Members: room.members.size,
    });
    for (const member of room.members) {
      if (member !== user) member.peer.notify(notice);
    }
  }

  /** Tells crowded rooms what was gathered. */
  tellGathered(): void {
    const crowded = [...this.#gathered];
    this.#gathered.clear(); // an exit while this is told is told next
    for (const [room, gathered] of crowded) {
      for (const kind of ["joined", "left", "offline"] as const) {
        const lines = [...gathered]
          .filter(([, event]) => event.kind === kind)
          .map(([name, { remote }]) => `${name} ${remote}\n`);
        if (lines.length === 0) continue;
        const notice = encode("NOTICE", [kind], {
          Room: room.name,
          Count: lines.length,
          Members: room.members.size,
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
