/**
 * Servers of a cluster without sockets: a hub with its presence, and users who
 * note what they are told.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { FrameDecoder, header } from "../../../protocol.ts";
import { Hub } from "../../../server/chat/hub.ts";
import type {
  Peer,
  Room,
  RoomHistory,
  User,
  UserKind,
} from "../../../server/chat/user.ts";
import {
  ClusterPresence,
  type PresenceOptions,
} from "../../../server/cluster/presence/presence.ts";
import { subjectsOf } from "../../../server/cluster/names.ts";
import { Limits } from "../../../server/limits/limits.ts";
import type { Clock } from "../../../server/net/clock.ts";
import type { End } from "./lossy_bus.ts";

/** A journal without messages. */
export const NO_HISTORY: RoomHistory = {
  lastId: 0,
  roomName: () => undefined,
  rooms: () => [],
  share: () => {},
  forget: () => Promise.resolve(),
};

/** A user who keeps a list of the members of each room by the notices alone. */
export class Observer implements Peer {
  kind: UserKind = "guest";
  readonly remote: string;
  readonly network: string;
  readonly congested = false;
  /** What was told, as `joined #r bob`. */
  readonly told: string[] = [];
  /** The members of each room. */
  readonly rooms = new Map<string, { names: Set<string>; count: number }>();
  user!: User;

  constructor(remote: string) {
    this.remote = remote;
    this.network = remote.slice(0, remote.lastIndexOf(":"));
  }

  relief(): Promise<void> {
    return Promise.resolve();
  }

  forward(): undefined {}

  notify(bytes: Uint8Array): void {
    const decoder = new FrameDecoder({ maxBodyBytes: 1_000_000 });
    for (let at = 0; at < bytes.length;) {
      const space = decoder.space();
      const part = bytes.subarray(at, at += space.length);
      space.set(part);
      decoder.received(part.length);
      for (const frame of decoder.frames()) {
        assert(!(frame instanceof Error));
        const kind = frame.args[0]!;
        if (kind === "closing") continue;
        const name = header(frame, "user");
        const names = name
          ? [name]
          : new TextDecoder().decode(frame.body).trim().split("\n")
            .map((line) => line.split(" ")[0]!);
        const room = header(frame, "room")!;
        for (const one of names) this.#note(kind, room, one);
        this.rooms.get(room)!.count = Number(header(frame, "members"));
      }
    }
  }

  #note(kind: string, room: string, name: string): void {
    this.told.push(`${kind} ${room} ${name}`);
    const { names } = this.rooms.get(room)!;
    if (kind === "joined") {
      assert(!names.has(name), `${name} joined ${room} twice`);
      names.add(name);
    } else assert(names.delete(name), `${name} left ${room} twice`);
  }
}

let peers = 0;

/** One server. */
export class TestServer<B extends PresenceOptions["bus"] = End>
  implements Disposable {
  readonly hub: Hub;
  readonly limits: Limits;
  readonly presence: ClusterPresence;
  readonly bus: B;
  readonly name: string;
  readonly log: string[] = [];
  /** The users of other servers who went offline, and where they were. */
  readonly exited: string[] = [];
  epoch: string;

  constructor(
    name: string,
    since: number,
    { bus, clock, maxUsers = 1_000 }: {
      bus: B;
      clock: Clock;
      maxUsers?: number;
    },
  ) {
    this.name = name;
    this.epoch = `${name}-${since}`;
    this.bus = bus;
    this.hub = new Hub({ changesAtOnce: Infinity, now: clock.now });
    this.limits = new Limits({ maxConnectionsPerAddress: 3 });
    this.presence = new ClusterPresence({
      ...{ bus, clock, hub: this.hub, limits: this.limits, maxUsers },
      subject: subjectsOf("test").here,
      server: name,
      life: { epoch: this.epoch, since },
      log: (line) => void this.log.push(line),
      exited: (user, server) => void this.exited.push(`${user} ${server}`),
    });
  }

  /** A user enters. */
  enter(name: string, ...rooms: string[]): Observer {
    const peer = new Observer(`10.0.0.${++peers % 250}:1000`);
    this.hub.names.reserve(name, { isOwn: true });
    peer.user = this.hub.enter(name, peer);
    for (const room of rooms) this.join(peer, room);
    return peer;
  }

  /** A user joins a room, and asks who is there. */
  join(peer: Observer, name: string): void {
    const room = this.hub.join(peer.user, name, NO_HISTORY);
    const names = new Set(this.namesIn(room.name));
    peer.rooms.set(room.name, { names, count: this.hub.members(room) });
  }

  /** A user leaves a room. */
  leave(peer: Observer, name: string): void {
    const room = this.hub.leave(peer.user, name);
    peer.rooms.delete(room.name);
  }

  /** The names in a room, or in all for ALL, as WHO has them. */
  namesIn(room: string): string[] {
    const here: Room | undefined = room === "ALL"
      ? undefined
      : this.hub.roomNamed(room);
    const users = room === "ALL" ? this.hub.users() : here?.members ?? [];
    return [
      ...Array.from(users, ({ name }) => name),
      ...Array.from(
        this.hub.elsewhere!.members(room),
        ({ name }) => name,
      ),
    ].sort();
  }

  /** Ends without a word, as a process that is killed. */
  [Symbol.dispose](): void {
    this.presence[Symbol.dispose]();
  }
}

/** Asserts that all servers see the users of all servers, and no others. */
export function assertOneChat(
  servers: readonly TestServer<PresenceOptions["bus"]>[],
): void {
  const truth = new Map<string, string[]>([["ALL", []]]);
  for (const { hub } of servers) {
    for (const { name, rooms } of hub.users()) {
      truth.get("ALL")!.push(name);
      for (const room of rooms.keys()) {
        truth.set(room.name, [...truth.get(room.name) ?? [], name]);
      }
    }
  }
  for (const server of servers) {
    const { hub } = server;
    const known = new Set([
      ...truth.keys(),
      ...hub.elsewhere!.rooms(),
      ...Array.from(hub.rooms(), ({ name }) => name),
    ]);
    for (const room of known) {
      const names = truth.get(room)?.sort() ?? [];
      const where = `${room} on ${server.name}`;
      assertEquals(server.namesIn(room), names, where);
      const here = room === "ALL"
        ? [...hub.users()].length
        : hub.roomNamed(room)?.members.size ?? 0;
      const count = here + hub.elsewhere!.count(room);
      assertEquals(count, names.length, where);
    }
    for (const { peer, name } of hub.users()) {
      const observer = peer as Observer; // a TestServer has no other peers
      for (const [room, { names, count }] of observer.rooms) {
        const what = `what ${name} was told of ${room}`;
        assertEquals([...names].sort(), truth.get(room), what);
        assertEquals(count, names.size, what);
      }
    }
  }
}
