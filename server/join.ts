/**
 * Makes this server one of several that have one chat: connects to NATS, applies
 * the log that all of them write, and tells the others of this one.
 *
 * Only a server with `--nats` loads this module, and with it all of
 * server/cluster/ and the packages of NATS.
 *
 * @module
 */
import {
  AlternateList,
  announcementOf,
  othersIn,
  type OwnPlace,
} from "./alternates.ts";
import type { ClusterError } from "./cluster/cluster_error.ts";
import type { Claim, ClaimOptions } from "./cluster/log/name_claims.ts";
import type { LogKeep } from "./cluster/log/log_bounds.ts";
import { openLog } from "./cluster/log/open_log.ts";
import type { ReplicatedLog } from "./cluster/log/replicated_log.ts";
import { subjectsOf } from "./cluster/names.ts";
import { connectNats, type Nats } from "./cluster/nats.ts";
import { ClusterPresence } from "./cluster/presence/presence.ts";
import { Requests } from "./cluster/presence/requests.ts";
import type { Life } from "./cluster/presence/sender.ts";
import type { StatementSync } from "node:sqlite";
import { Database } from "./journal/database.ts";
import { StartError } from "./journal/start_error.ts";
import { DEFAULT_KEEP } from "./limits/rates.ts";
import { CLOCK } from "./net/clock.ts";
import type { ClusterState, Context, Together } from "./session/session.ts";
import type { SharedLog } from "./storage.ts";

/** Options of {@linkcode joinCluster}. */
export interface JoinOptions {
  /** Addresses of NATS. */
  readonly servers: readonly string[];
  /** The file of credentials for NATS. */
  readonly credentials?: string | undefined;
  /** The file of the certificate that signed those of NATS. */
  readonly ca?: string | undefined;
  /** The name of the chat. */
  readonly cluster: string;
  /** The name of this server; default: that of this computer. */
  readonly server?: string | undefined;
  /** Whether the log in NATS is lost, and goes on from the database. */
  readonly renew: boolean;
  /** The database file, or `:memory:`. */
  readonly db: string;
  /** How long messages are stored. */
  readonly keep: Omit<LogKeep, "bytes"> & {
    readonly bytes?: number | undefined;
  };
  /** Gets the lines of the log. */
  readonly log: (line: string) => void;
  /** Ends the start, which waits for NATS; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** One of several servers. Dispose to leave the others. */
export interface Cluster extends Together, SharedLog, AsyncDisposable {
  /** Resolves when this server cannot go on. */
  readonly failed: Promise<ClusterError>;
  /** The other servers that clients can go to. */
  readonly alternates: AlternateList;
  /** Carries what servers tell each other. */
  readonly nats: Nats;
  /**
   * Applies the log, up to its present end, and tells the others of the users of
   * this server from then on, at most `maxUsers`. All kinds of entries are
   * registered, and there are no users yet.
   *
   * @throws {StartError} Why it cannot.
   */
  start(context: Context, maxUsers: number): Promise<void>;
  /** Tells the others where clients find this server. */
  announce(place: OwnPlace): void;
}

/**
 * Opens the database, and the log.
 *
 * @throws {StartError} Why it cannot.
 */
export async function joinCluster(options: JoinOptions): Promise<Cluster> {
  const { db, cluster, renew, log } = options;
  const { bytes = DEFAULT_KEEP.bytes } = options.keep;
  const keep = { ...options.keep, bytes };
  const server = options.server ?? ownName();
  await using opened = new AsyncDisposableStack();
  const database = opened.use(new Database(db, log));
  const name = `parley ${cluster} ${server}`;
  const nats = opened.use(await connectNats({ ...options, name }));
  const signal = AbortSignal.any([options.signal, nats.denied]);
  const { promise: failed, resolve: fail } = Promise.withResolvers<
    ClusterError
  >();
  const replicated = opened.use(
    await openLog({
      ...{
        nats,
        database,
        db,
        keep,
        cluster,
        server,
        renew,
        log,
        fail,
        signal,
      },
    }),
  );
  opened.move(); // the database is that of the storage now
  return new Joined({
    ...{ cluster, server, nats, database, replicated, failed, log },
  });
}

class Joined implements Cluster {
  readonly server: string;
  readonly nats: Nats;
  readonly database: Database;
  readonly entries: ReplicatedLog;
  readonly failed: Promise<ClusterError>;
  readonly alternates = new AlternateList(CLOCK.after);
  readonly #open: StatementSync;
  readonly #isOpen: StatementSync;
  readonly #cluster: string;
  readonly #log: (line: string) => void;
  #addresses: readonly string[] = [];
  #presence: ClusterPresence | undefined;
  #requests: Requests | undefined;

  constructor(
    { cluster, server, nats, database, replicated, failed, log }:
      & Pick<Joined, "server" | "nats" | "database" | "failed">
      & Pick<JoinOptions, "cluster" | "log">
      & { replicated: ReplicatedLog },
  ) {
    this.#cluster = cluster;
    this.#log = log;
    this.server = server;
    this.nats = nats;
    this.database = database;
    this.entries = replicated;
    this.failed = failed;
    this.#open = database.prepare(
      "SELECT server FROM epochs WHERE open = 1 AND server <> ?",
    );
    this.#isOpen = database.prepare(
      "SELECT 1 FROM epochs WHERE server = ? AND open = 1",
    );
  }

  get open(): readonly string[] {
    return this.#open.all(this.server).map((row) => String(row["server"]));
  }

  isUp(server: string): boolean {
    return this.#isOpen.get(server) !== undefined;
  }

  async start(context: Context, maxUsers: number): Promise<void> {
    const addresses = () => this.#addresses;
    await this.entries.start({
      get addresses() {
        return addresses();
      },
      gone: ({ server, epoch }) => {
        context.resumables.serverLost(server, context.now());
        this.#presence?.gone(server, epoch);
      },
      peersChanged: () => {
        const told = this.entries.peers.map(({ addresses }) => addresses);
        this.alternates.set(othersIn(told));
      },
      restarted: () => this.#presence?.restart(this.#life()),
    });
    context.resumables.restarted(context.now());
    const { hub, limits } = context;
    this.#presence = new ClusterPresence({
      ...{ bus: this.nats, server: this.server, life: this.#life() },
      subject: subjectsOf(this.#cluster).here,
      ...{ hub, limits, clock: context, maxUsers, log: this.#log },
      exited: (name, server) =>
        context.resumables.lostElsewhere(name, server, context.now()),
    });
    const { disconnect } = await import("./session/expel.ts");
    const { holderGone } = await import("./session/register.ts");
    this.#requests = new Requests({
      ...{ bus: this.nats, server: this.server },
      subject: subjectsOf(this.#cluster).request,
      answers: {
        kick: (target, reason) => disconnect(context, target, reason),
        holder: (name, network) => holderGone(context, name, network),
      },
    });
    await this.nats.flush(); // NATS has denied by then what it denies
    this.nats.denied.throwIfAborted();
  }

  /** The word of its present life; the log is longer in each later one. */
  #life(): Life {
    const { epoch = "", status } = this.entries;
    return { epoch, since: status.sequence };
  }

  announce(place: OwnPlace): void {
    this.#addresses = announcementOf(place);
    this.entries.beat();
  }

  caughtUp(): Promise<void> {
    return this.entries.caughtUp();
  }

  claim(name: string, options: ClaimOptions): Promise<Claim> {
    return this.entries.claims.claim(name, options);
  }

  async kick(
    server: string,
    target: string,
    reason: string,
  ): Promise<number | undefined> {
    return await this.#requests?.kick(server, target, reason);
  }

  async askHolder(
    server: string,
    name: string,
    network: string,
  ): Promise<number | undefined> {
    return await this.#requests?.holder(server, name, network);
  }

  get others(): ClusterState["others"] {
    const now = performance.now();
    return this.entries.peers.map(({ heardAt, ...peer }) => ({
      ...peer,
      heardMs: now - heardAt,
    }));
  }

  state(): ClusterState {
    return {
      ...this.entries.status,
      server: this.server,
      nats: this.nats.version,
      isConnected: this.nats.connectedSince !== undefined,
      isOpen: this.entries.epoch !== undefined,
      others: this.others,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.alternates[Symbol.dispose]();
    this.#presence?.[Symbol.dispose]();
    this.#requests?.[Symbol.dispose]();
    await this.entries[Symbol.asyncDispose]();
    await this.nats[Symbol.asyncDispose]();
  }
}

/** @throws {StartError} If the system does not tell it. */
function ownName(): string {
  try {
    const [name = ""] = Deno.hostname().split(".");
    return name.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, 32);
  } catch {
    throw new StartError(
      "Cannot find the name of this computer; give one with --server-name",
    );
  }
}
