/**
 * The users of all servers: each server of a cluster tells the others of its
 * users, and knows those of the others, over a {@linkcode Bus} that may lose, repeat and reorder.
 *
 *     beat   once a second: how many deltas there were, and the digest of all facts
 *     delta  what has changed, numbered
 *     ask    for all facts, by a server that misses a delta or has another digest
 *     piece  of all facts
 *     signal from a user to a user of another server
 *     ack    whether two-socket users acknowledge a message of another server
 *     bye    the server stops
 *
 * The users of a server that is gone have {@linkcode MOVE_MS} to come back on
 * another one, or on the same one after its restart, and no user is told of it.
 * Then they are offline. Their names are free at once, as far as this knows.
 *
 * What comes from a program that is no Parley is ignored, and told to the operator
 * once. A server that tells nonsense takes no more memory than one with as many
 * users as may be, and there are at most {@linkcode MAX_SERVERS}.
 *
 * @module
 */
import { networkOf } from "../../../core/net/ip_address.ts";
import { MOVE_MS, type Table, UsersElsewhere } from "../../chat/elsewhere.ts";
import type { Hub } from "../../chat/hub.ts";
import { receiveSignal } from "../../chat/devices/signals.ts";
import type { ConnectionsElsewhere, Limits } from "../../limits/limits.ts";
import type { Clock } from "../../net/clock.ts";
import { hostOf } from "../../net/connection.ts";
import type { Bus } from "../bus.ts";
import type { Change } from "./facts.ts";
import { decodeFrame, type Frame } from "./frames.ts";
import { Peer } from "./peer.ts";
import { type Life, PresenceSender } from "./sender.ts";

/** Time between two beats, in milliseconds. */
export const BEAT_MS = 1_000;

/** A server that is not heard for so long is gone, in milliseconds. */
export const LEASE_MS = 6_000;

/**
 * The same if the log says it, in milliseconds: the server was not heard for some
 * seconds before that.
 */
export const GONE_MOVE_MS = 2_000;

/** Limit of the other servers. */
export const MAX_SERVERS = 32;

/** What {@linkcode ClusterPresence} needs. */
export interface PresenceOptions {
  readonly bus: Pick<Bus, "publish" | "subscribe">;
  /** The subject of all its messages, as `parley.here`. */
  readonly subject: string;
  /** The name of this server. */
  readonly server: string;
  readonly life: Life;
  /** Without users; it gets those of the other servers. */
  readonly hub: Hub;
  /** Without connections. */
  readonly limits: Limits;
  readonly clock: Clock;
  /** Limit of the users of one server. */
  readonly maxUsers: number;
  /** Gets a line for the operator. */
  readonly log: (line: string) => void;
  /** A user of another server is offline; not called if that server is gone. */
  exited?(name: string, server: string): void;
}

/** What is known of another server. */
interface Known {
  /** Undefined if it is gone. */
  peer: Peer | undefined;
  table: Table;
  /** The users of a life that is over, until they are taken for gone. */
  leaving: { table: Table; timer: Disposable } | undefined;
  /** Up to this life of it nothing counts any more. */
  endedSince: number;
  endedEpoch: string | undefined;
}

/** See the top of the file. */
export class ClusterPresence implements ConnectionsElsewhere, Disposable {
  readonly #options: PresenceOptions;
  readonly #sender: PresenceSender;
  readonly #users: UsersElsewhere;
  readonly #servers = new Map<string, Known>();
  readonly #told = new Set<string>();
  readonly #listening: Disposable;
  #beating: Disposable | undefined;
  #beatAt: number;
  #echoAt = -Infinity;

  /** Begins to tell and to listen. */
  constructor(options: PresenceOptions) {
    this.#options = options;
    const { bus, clock, hub, life, limits, server, subject } = options;
    this.#sender = new PresenceSender(server, life, {
      clock,
      publish: (bytes) => bus.publish(subject, bytes),
    });
    this.#users = new UsersElsewhere(hub, this.#sender, clock.after);
    limits.elsewhere = this;
    this.#beatAt = clock.now();
    this.#listening = bus.subscribe(subject, ({ bytes }) => this.#hear(bytes));
    this.#sender.ask("*");
    this.#beat();
  }

  /** The servers that are here, without this one. */
  servers(): string[] {
    return [...this.#servers].filter(([, { peer }]) => peer)
      .map(([server]) => server);
  }

  /** A life of another server is over: its users have moved, or are offline. */
  gone(server: string, epoch: string): void {
    const known = this.#servers.get(server);
    if (!known) return;
    known.endedEpoch = epoch;
    if (known.peer?.epoch !== epoch) return;
    this.#leave(known, "server lost", GONE_MOVE_MS);
  }

  /** A new life of this server begins, with the users that are here. */
  restart(life: Life): void {
    this.#sender.restart(life);
  }

  /** See {@linkcode ConnectionsElsewhere}. */
  connectionsFrom(network: string): number {
    let count = 0;
    for (const { peer } of this.#servers.values()) {
      count += peer?.connections().get(network) ?? 0;
    }
    return count;
  }

  /** See {@linkcode ConnectionsElsewhere}. */
  counted(network: string, count: number): void {
    this.#sender.counted(network, count);
  }

  /** Stops; what is known of the others stays as it is. */
  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    this.#beating?.[Symbol.dispose]();
    this.#sender[Symbol.dispose]();
    this.#users[Symbol.dispose]();
    for (const { peer, leaving } of this.#servers.values()) {
      peer?.[Symbol.dispose]();
      leaving?.timer[Symbol.dispose]();
    }
  }

  #beat(): void {
    const { clock } = this.#options;
    const now = clock.now();
    this.#beating = clock.after(BEAT_MS, () => this.#beat());
    const stoodStill = now - this.#beatAt > 2 * BEAT_MS;
    this.#beatAt = now;
    if (stoodStill) {
      for (const { peer } of this.#servers.values()) {
        if (peer) peer.heardAt = now;
      }
    }
    this.#sender.beat();
    // Without its own beats the bus is at fault, and not the other servers.
    if (now - this.#echoAt > 2 * BEAT_MS) return;
    for (const known of this.#servers.values()) {
      const { peer } = known;
      if (!peer || now - peer.heardAt <= LEASE_MS) continue;
      this.#leave(known, "server lost");
    }
  }

  #hear(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (typeof frame === "string") {
      return this.#tellOnce(`Ignored a message about users: ${frame}`);
    }
    const { server } = frame;
    if (server === this.#options.server) return this.#hearOwn(frame);
    const isAsked = frame.kind === "ask" &&
      (frame.of === "*" || frame.of === this.#options.server);
    if (isAsked) this.#sender.snapshot();
    const known = this.#servers.get(server) ?? this.#open(server);
    if (!known) return;
    const { peer, endedEpoch, endedSince } = known;
    if (frame.since <= endedSince || frame.epoch === endedEpoch) return;
    if (peer && frame.since < peer.since) return;
    if (peer && peer.epoch !== frame.epoch) {
      if (peer.since === frame.since) return; // two lives are never of one number
      this.#leave(known, "server restarted");
    }
    if (frame.kind === "bye") {
      this.#leave(known, "server closing");
      known.endedSince = frame.since;
      return;
    }
    if (frame.kind === "signal") return this.#signal(frame);
    if (frame.kind === "ack") return this.#ack(frame);
    known.peer ??= this.#newPeer(known, frame);
    known.peer.hear(frame);
  }

  #signal({ of, to, signal }: Frame & { kind: "signal" }): void {
    const { hub, server } = this.#options;
    const user = of === server ? hub.userNamed(to) : undefined;
    if (user) receiveSignal(hub, user, signal);
  }

  #ack({ of, server, id, all }: Frame & { kind: "ack" }): void {
    if (of !== this.#options.server) return;
    this.#sender.acknowledgements.heard(server, id, all);
  }

  #hearOwn({ epoch, since }: Frame): void {
    const { clock, server } = this.#options;
    const { life } = this.#sender;
    if (epoch === life.epoch) this.#echoAt = clock.now();
    else if (since >= life.since) {
      this.#tellOnce(
        `Another server has the name ${server}, too. ` +
          "Give each its own --server-name.",
      );
    }
  }

  #open(server: string): Known | undefined {
    if (this.#servers.size >= MAX_SERVERS) {
      const isOver = ([, { peer, leaving }]: [string, Known]) =>
        !peer && !leaving;
      const [old] = [...this.#servers].find(isOver) ?? [];
      if (old === undefined) {
        this.#tellOnce(
          `Ignored the server ${server}: there are ${MAX_SERVERS} others, ` +
            "which is the limit",
        );
        return undefined;
      }
      this.#servers.delete(old);
    }
    const known: Known = {
      peer: undefined,
      table: this.#users.table(server),
      leaving: undefined,
      endedSince: -1,
      endedEpoch: undefined,
    };
    this.#servers.set(server, known);
    return known;
  }

  #newPeer(known: Known, frame: Frame): Peer {
    const { clock, maxUsers } = this.#options;
    const { server } = frame;
    const { table } = known;
    return new Peer(frame, {
      now: clock.now,
      after: clock.after,
      maxUsers,
      changed: (change) => this.#change(table, change),
      ask: () => this.#sender.ask(server),
      refuse: (why) =>
        this.#tellOnce(`Ignored the users of the server ${server}: ${why}`),
    });
  }

  #change(table: Table, change: Change): void {
    switch (change[0]) {
      case "+":
        table.enter(change[1], peerOf(change[2], change[3]));
        for (const room of change[4]) table.join(change[1], room);
        break;
      case "-":
        table.exit(change[1], change[2]);
        return this.#options.exited?.(change[1], table.server);
      case "~":
        table.move(change[1]);
        return this.#options.exited?.(change[1], table.server);
      case ">":
        return table.join(change[1], change[2]);
      case "<":
        return table.leave(change[1], change[2]);
      case "=":
        return table.change(change[1], peerOf(change[2], change[3]));
      case "#":
    }
  }

  /** The users of a server have a while to come back. */
  #leave(known: Known, reason: string, forMs = MOVE_MS): void {
    const { peer, table } = known;
    if (!peer) return;
    peer[Symbol.dispose]();
    this.#sender.acknowledgements.gone(table.server);
    known.leaving?.timer[Symbol.dispose]();
    known.leaving?.table.clear(reason);
    table.isOver = true;
    const timer = this.#options.clock.after(forMs, () => {
      known.leaving = undefined;
      table.clear(reason);
    });
    known.leaving = { table, timer };
    known.peer = undefined;
    known.table = this.#users.table(table.server);
  }

  #tellOnce(line: string): void {
    if (this.#told.has(line) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(line);
    this.#options.log(line);
  }
}

/** Limit of the different lines that are told. */
const MAX_TOLD = 100;

function peerOf<K>(remote: string, kind: K) {
  return { remote, network: networkOf(hostOf(remote)), kind };
}
