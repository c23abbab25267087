/**
 * Servers for tests, each of which is one of a cluster of its own, with a second
 * server that only listens. When the test ends its server, both must have the same.
 *
 * A test starts a server without waiting, and to join a cluster takes a while: so
 * some are made beforehand.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { subjectsOf } from "../../../server/cluster/names.ts";
import { connectNats, type Nats } from "../../../server/cluster/nats.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import { type Cluster, joinCluster } from "../../../server/join.ts";
import { DEFAULT_KEEP } from "../../../server/limits/rates.ts";
import { type Server, startServer } from "../../../server/start.ts";
import { openStorage } from "../../../server/storage.ts";
import { listenHere, type Member } from "../../tools/net/test_server.ts";
import { within } from "../../tools/net/within.ts";

/** So many servers can be started by a test before it waits for anything. */
const READY = 4;

/** Room that NATS keeps free for the log of a test. */
const LOG_BYTES = 32 * 2 ** 20;

/** What both servers must have alike, in the order of its keys. */
const TABLES: readonly string[] = [
  ...["accounts", "bans", "claims", "epochs", "journal", "keys", "last_id"],
  ...[
    "lockouts",
    "mutes",
    "private_members",
    "private_rooms",
    "read_marks",
    "room_settings",
    "rooms",
    "visits",
  ],
];

/** How often both are looked at until they have read the same, in milliseconds. */
const LOOK_EVERY_MS = 20;

/** See the top of the file. */
export class Members implements AsyncDisposable {
  readonly #addresses: readonly string[];
  /** Deletes the logs of clusters that are over. */
  #nats: Promise<Nats> | undefined;
  #ready: ClusterMember[] = [];
  /** By the file of their database: those that go on after a restart. */
  readonly #next = new Map<string, ClusterMember>();

  /** @param addresses Those of NATS. */
  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  /** Makes as many as are missing. */
  async fill(): Promise<void> {
    const missing = READY - this.#ready.length;
    const made = Array.from({ length: missing }, () => this.#make());
    this.#ready.push(...await Promise.all(made));
  }

  /** One of them; with the file of a database, the server that had it before. */
  take(db = IN_MEMORY): Member {
    const next = this.#next.get(db);
    this.#next.delete(db);
    const member = next ?? this.#ready.shift();
    if (!member) throw new Error(`Cannot start more than ${READY} servers`);
    return {
      shared: member.cluster,
      check: () => member.check(),
      left: async () => {
        if (db === IN_MEMORY) await this.#end(member);
        else this.#next.set(db, await member.again());
        await this.fill(); // for a test that starts many, one after the other
      },
    };
  }

  /** Ends those that no test has taken. */
  async [Symbol.asyncDispose](): Promise<void> {
    const left = [...this.#ready.splice(0), ...this.#next.values()];
    await Promise.all(left.map((one) => one.giveUp()));
    await (await this.#nats)?.[Symbol.asyncDispose]();
  }

  async #end(member: ClusterMember): Promise<void> {
    const [servers, name] = [this.#addresses, "tests"];
    this.#nats ??= connectNats({ servers, name, log: () => {} });
    await member[Symbol.asyncDispose]();
    await (await this.#nats).jsm.streams.delete(member.stream);
  }

  async #make(): Promise<ClusterMember> {
    const cluster = crypto.randomUUID().replaceAll("-", "");
    return await ClusterMember.join(this.#addresses, cluster);
  }
}

/** A server that is about to be started, and the one that listens. */
class ClusterMember implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly #listener: Cluster;
  readonly #other: Server;
  readonly #log: string[];
  readonly #join: (server: string) => Promise<Cluster>;
  /** The log, which somebody else deletes. */
  readonly stream: string;

  private constructor(
    { cluster, listener, other, log }: {
      readonly cluster: Cluster;
      readonly listener: Cluster;
      readonly other: Server;
      readonly log: string[];
    },
    stream: string,
    join: (server: string) => Promise<Cluster>,
  ) {
    this.cluster = cluster;
    this.#listener = listener;
    this.#other = other;
    this.#log = log;
    this.stream = stream;
    this.#join = join;
  }

  static async join(
    servers: readonly string[],
    cluster: string,
  ): Promise<ClusterMember> {
    const log: string[] = [];
    const join = (server: string) =>
      joinCluster({
        ...{ servers, cluster, server, renew: false, db: IN_MEMORY },
        keep: { ...DEFAULT_KEEP, bytes: LOG_BYTES },
        ...{ log: (line) => log.push(line), signal: NEVER },
      });
    const listener = await join("listener");
    const other = startServer({
      tcp: listenHere(),
      storage: openStorage({ db: IN_MEMORY, shared: listener }),
      ...{ cluster: listener, log: (line) => log.push(line) },
    });
    await other.ready;
    const { stream } = subjectsOf(cluster);
    const parts = { cluster: await join("tested"), listener, other, log };
    return new ClusterMember(parts, stream, join);
  }

  /** Waits until both have read the same, and compares what they have. */
  async check(): Promise<void> {
    await within(this.#untilEqual(), () => `${this.#states()}`);
    for (const table of TABLES) {
      const [own, other] = [this.cluster, this.#listener].map(({ database }) =>
        database.prepare(`SELECT * FROM ${table}`).all()
      );
      assertEquals(other, own, `the table ${table} on both servers`);
    }
    assertEquals(this.#log.filter((line) => line.startsWith("A bug")), []);
  }

  /** The same server again, which has no more than its name. */
  async again(): Promise<ClusterMember> {
    const parts = {
      ...{ cluster: await this.#join("tested"), listener: this.#listener },
      ...{ other: this.#other, log: this.#log },
    };
    return new ClusterMember(parts, this.stream, this.#join);
  }

  /** Ends both, of which one was not started. */
  async giveUp(): Promise<void> {
    await this[Symbol.asyncDispose]();
    const { cluster } = this;
    await cluster[Symbol.asyncDispose]();
    cluster.database.close();
  }

  /** Ends the one that listens. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#other[Symbol.asyncDispose]();
  }

  async #untilEqual(): Promise<void> {
    for (;;) {
      const [own, other] = this.#states();
      if (own === other) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  #states(): string[] {
    return [this.cluster, this.#listener].map((one) => {
      const { sequence, hash } = one.state();
      return `${sequence} ${hash}`;
    });
  }
}

const NEVER = new AbortController().signal;
