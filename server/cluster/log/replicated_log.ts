/**
 * The log of a cluster: a stream of NATS JetStream, which all servers append to
 * and apply in its order.
 *
 * reader.ts reads it, replica.ts applies it, writer.ts appends to it, peers.ts
 * finds servers that are gone, stream.ts makes and checks the stream.
 *
 * @module
 */
import type { Database } from "../../journal/database.ts";
import type { Entries } from "../../journal/entries.ts";
import type { Append, Applier, Log } from "../../journal/log.ts";
import { StartError } from "../../journal/start_error.ts";
import { ClaimTable } from "./claims.ts";
import { ClusterError } from "../cluster_error.ts";
import type { Item, Origin } from "./codec.ts";
import { NameClaims } from "./name_claims.ts";
import { checkName, type Subjects, subjectsOf } from "../names.ts";
import type { Nats } from "../nats.ts";
import { type Peer, Peers } from "./peers.ts";
import { Reader } from "./reader.ts";
import { Replica } from "./replica.ts";
import {
  isNotFound,
  type NewStream,
  openStream,
  type StreamEnds,
  streamEnds,
} from "./stream.ts";
import { Writer } from "./writer.ts";

/** How often the stream is asked how far it goes. */
const LOOK_EVERY_MS = 1_000;

/** A leader that is behind is so for a moment: that often in a row it is not. */
const MAX_BEHIND = 5;

/** A server of the same name answers in this time. */
const NAME_ANSWER_MS = 500;

/** The others are told within this time that a server stops. */
const GOODBYE_MS = 2_000;

/** The kind of the entries of {@linkcode ReplicatedLog.caughtUp}. */
const CAUGHT_UP = "caught-up";

/** Options of {@linkcode openLog}. */
export interface ReplicatedLogOptions {
  /** The connection, which the caller closes. */
  readonly nats: Nats;
  /** Where all that the log says is applied. */
  readonly database: Database;
  /** The name of the cluster. */
  readonly cluster: string;
  /** This server's name, which no other server of the cluster has. */
  readonly server: string;
  /** Gets a line for the operator. */
  readonly log: (line: string) => void;
  /** Called once, when this server cannot go on: the chat would differ. */
  readonly fail: (error: ClusterError) => void;
  /** Whether the log in NATS is lost, and goes on from this database. */
  readonly renew?: boolean;
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined;
}

/** What others are told, and who is told of changes. */
export interface ClusterView {
  /** Where clients can connect, as the protocol's header Alternate has it. */
  readonly addresses: readonly string[];
  /** The servers, or their addresses, are others now. */
  peersChanged?(): void;
  /** This server has begun another epoch: the others took it for gone. */
  restarted?(): void;
  /** A server's epoch is over: it has stopped, or is taken for gone. */
  gone?(origin: Origin): void;
}

/**
 * Finds the log, and makes it if there is none. It is read and appended to after
 * {@linkcode ReplicatedLog.start}.
 *
 * @throws {StartError} If it cannot be used, and why.
 */
export async function openLog(
  options: ReplicatedLogOptions,
): Promise<ReplicatedLog> {
  const { nats, database, cluster, server, signal } = options;
  checkName("--cluster", cluster);
  checkName("--server-name", server);
  const subjects = subjectsOf(cluster);
  const name = subjects.name + server;
  if (await nats.request(name, new Uint8Array(), NAME_ANSWER_MS)) {
    throw new StartError(
      `Cannot use the name "${server}": another server of the cluster ` +
        `"${cluster}" has it; choose one with --server-name`,
    );
  }
  const known = database.prepare("SELECT * FROM cluster").get();
  if (!known) checkEmpty(database);
  const make = newStream(known, options);
  const ends = await openStream(nats.jsm, subjects, { make, signal });
  if (!known) await begin(database, ends);
  else if (known["mark"] !== ends.mark) {
    throw new StartError(madeAnew(subjects));
  }
  return new ReplicatedLog(options, subjects, ends);
}

/** Which stream may be made for a database. */
function newStream(
  known: Record<string, unknown> | undefined,
  { renew = false }: ReplicatedLogOptions,
): NewStream | undefined {
  if (!known && renew) {
    throw new StartError(
      "Cannot use --renew-log: the file of this server has nothing of a log",
    );
  }
  if (!known) return { mark: crypto.randomUUID(), first: 1, isNeeded: false };
  if (!renew) return undefined;
  const first = Number(known["sequence"]) + 1;
  return { mark: String(known["mark"]), first, isNeeded: true };
}

/** From now on the database is that of the log; the ids of messages are its. */
async function begin(database: Database, { mark }: StreamEnds): Promise<void> {
  await database.write(() => {
    const insert = "INSERT INTO cluster VALUES (?, 0, '', '')";
    database.prepare(insert).run(mark);
    const id = mark.replaceAll("-", "");
    database.prepare("UPDATE journal SET id = ?").run(id);
  });
}

/** @throws {StartError} If the database has what no other server has. */
function checkEmpty(database: Database): void {
  for (const table of ["messages", "last_id", "accounts", "bans", "mutes"]) {
    const row = database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get();
    if (!row) continue;
    throw new StartError(
      "Cannot use this file with --nats: a server alone has written it; " +
        "choose a new file with --db",
    );
  }
}

/** See the top of the file. */
export class ReplicatedLog implements Log, AsyncDisposable {
  /** The names that users of this server hold. */
  readonly claims: NameClaims;
  readonly #options: ReplicatedLogOptions;
  readonly #subjects: Subjects;
  readonly #mark: string;
  readonly #replica: Replica;
  readonly #writer: Writer;
  readonly #scope = new DisposableStack();
  #view: ClusterView = { addresses: [] };
  #reader: Reader | undefined;
  #peers: Peers | undefined;
  #ends: StreamEnds;
  #behind = 0;
  #missing = 0;
  #hasStarted = false;
  #failure: ClusterError | undefined;
  #onProgress = () => {};

  /** See {@linkcode openLog}. */
  constructor(
    options: ReplicatedLogOptions,
    subjects: Subjects,
    ends: StreamEnds,
  ) {
    this.#options = options;
    this.#subjects = subjects;
    this.#ends = ends;
    this.#mark = ends.mark;
    const { database, server, nats, log } = options;
    const fail = (error: ClusterError) => this.#fail(error);
    const isOwn = ({ server: name, epoch }: Origin) =>
      name === server && epoch === this.#writer.epoch;
    this.#replica = new Replica(database, new ClaimTable(database), {
      waiting: (envelope) =>
        envelope.server === server ? this.#writer.waiting(envelope) : undefined,
      up: (origin, lost) => {
        if (origin.server !== server) return;
        this.claims.lost(lost);
        if (this.#hasStarted) setTimeout(() => this.#view.restarted?.());
      },
      gone: (origin) => {
        if (origin.server !== server) this.#view.gone?.(origin);
      },
      fail,
      log,
    });
    this.#writer = new Writer({
      ...{ nats, subjects, server, log, fail, replica: this.#replica },
      claims: () => this.claims.held,
      want: (sequence) => this.#reader?.want(sequence),
    });
    this.claims = new NameClaims({
      replica: this.#replica,
      append: (item) => this.#writer.append(item),
      isOwn,
    });
    // It changes nothing: when it comes back, all before it is applied.
    this.#replica.register(CAUGHT_UP, { change: () => {}, applied: () => {} });
    nats.failed.then(fail);
  }

  /**
   * Entries of `kind` are applied by `applier`. All kinds are registered before
   * {@linkcode ReplicatedLog.start}.
   */
  register<K extends keyof Entries, C, R>(
    kind: K,
    applier: Applier<Entries[K], C, R>,
  ): Append<Entries[K], R> {
    this.#replica.register(kind, applier);
    return (entry) => this.#writer.append<R>({ kind, entry });
  }

  /**
   * Reads the log, up to its present end, and lets the others know this server.
   * Resolves when it can serve users.
   *
   * @throws {ClusterError} If the log is another one than this server has read.
   */
  async start(view: ClusterView): Promise<void> {
    this.#view = view;
    const { nats, server, log } = this.#options;
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.#rejectStart = reject;
    failed.catch(() => {}); // who waits is told
    const { signal } = this.#options;
    signal?.addEventListener("abort", () => reject(signal.reason));
    const shared = { bus: nats, subjects: this.#subjects };
    const fail = (error: ClusterError) => this.#fail(error);
    this.#scope.use(nats.subscribe(this.#subjects.name + server, (message) => {
      if (!message.reply) return;
      nats.publish(message.reply, new TextEncoder().encode(server));
    }));
    const replica = this.#replica;
    const reader = this.#reader = this.#scope.use(
      new Reader({
        ...{ ...shared, replica, fail, log },
        applied: () => this.#applied(),
        doubt: () => this.#verify(),
      }),
    );
    this.#scope.use(nats.onReconnect(() => {
      this.#look();
      this.#verify();
    }));
    await Promise.race([this.#catchUp(reader), failed]);
    const looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#scope.defer(() => clearInterval(looking));
    this.#peers = this.#scope.use(
      new Peers({
        ...{ ...shared, server, replica, fail, log },
        epoch: () => this.#writer.epoch,
        state: () => ({ addresses: view.addresses, lag: this.lag }),
        connectedSince: () => nats.connectedSince,
        want: (sequence) => reader.want(sequence),
        silent: (origin) => this.#end(origin),
        changed: () => view.peersChanged?.(),
      }),
    );
    await Promise.race([this.#writer.start(), failed]);
    this.#peers.beat();
    this.#rejectStart = () => {};
    this.#hasStarted = true;
  }

  #rejectStart: (error: ClusterError) => void = () => {};

  /**
   * Resolves when all is applied that any server had stored before the call.
   *
   * @throws {ChatError} 119 if the log takes no entries.
   * @throws {UndecidedError} If it does not answer.
   */
  caughtUp(): Promise<void> {
    return this.#writer.append({ kind: CAUGHT_UP, entry: {} });
  }

  /** How many entries are not applied yet. */
  get lag(): number {
    return Math.max(0, this.#ends.last - this.#replica.cursor.sequence);
  }

  /** This life of the server; undefined while the others take it for gone. */
  get epoch(): string | undefined {
    return this.#writer.epoch;
  }

  /** The other servers, as they told last. */
  get peers(): readonly Peer[] {
    return this.#peers?.others ?? [];
  }

  /** For the operator: how far this server is, and what NATS says of the log. */
  get status(): {
    sequence: number;
    hash: string;
    lag: number;
    refused: number;
    takesEntries: boolean;
    stream: StreamEnds;
  } {
    const { cursor, refused } = this.#replica;
    return {
      ...cursor,
      ...{ lag: this.lag, refused, stream: this.#ends },
      takesEntries: !this.#writer.isStuck,
    };
  }

  /** Tells the others this server's state now. */
  beat(): void {
    this.#peers?.beat();
  }

  /** Tells the others that this server stops, and stops. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.claims.close();
    if (this.#scope.disposed) return await this.#writer.close();
    const { epoch } = this.#writer;
    if (epoch !== undefined && !this.#failure) {
      const own = { server: this.#options.server, epoch };
      const told = this.#writer.append({ kind: "down", entry: own });
      let timer;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, GOODBYE_MS);
      });
      await Promise.race([told.catch(() => {}), late]);
      clearTimeout(timer);
    }
    this.#scope.dispose();
    await this.#writer.close();
  }

  #fail(error: ClusterError): void {
    if (this.#failure || this.#scope.disposed) return;
    this.#failure = error;
    const { sequence } = this.#replica.cursor;
    this.#options.log(`This server has read the log up to ${sequence}`);
    this.#rejectStart(error);
    this.#onProgress();
    this.#scope.dispose();
    this.#writer.close();
    this.#options.fail(error);
  }

  #applied(): void {
    this.#writer.applied();
    this.#onProgress();
  }

  /** Reads up to the end that the stream has now. */
  async #catchUp(reader: Reader): Promise<void> {
    await this.#look();
    await this.#verify();
    const { last } = this.#ends;
    reader.want(last);
    while (this.#replica.cursor.sequence < last && !this.#failure) {
      await new Promise<void>((resolve) => this.#onProgress = resolve);
    }
  }

  /** Has an epoch ended that another server is silent in. */
  #end(origin: Origin): void {
    const item: Item = { kind: "down", entry: origin };
    this.#writer.append(item).catch(() => {}); // it is told again
  }

  /** Asks how far the stream goes, and whether it is the same. */
  async #look(): Promise<void> {
    const { sequence: before } = this.#replica.cursor;
    let ends: StreamEnds;
    try {
      ends = await streamEnds(this.#options.nats.jsm, this.#subjects);
    } catch (error) {
      // Without an answer it has no leader: the next look finds one.
      if (!isNotFound(error)) return;
      this.#missing++;
      if (this.#missing < MAX_BEHIND) return;
      const why = `The stream ${this.#subjects.stream} is gone from NATS. ` +
        "See docs/cluster.md";
      return this.#fail(new ClusterError(why));
    }
    this.#missing = 0;
    this.#ends = ends;
    if (ends.leader !== undefined) this.#writer.led();
    if (ends.mark !== this.#mark) {
      return this.#fail(new ClusterError(madeAnew(this.#subjects)));
    }
    this.#behind = ends.last < before ? this.#behind + 1 : 0;
    if (this.#behind >= MAX_BEHIND) {
      return this.#fail(
        new ClusterError(
          `The stream ends at ${ends.last}, and this server has applied ` +
            `${before}: NATS has lost entries. See docs/cluster.md`,
        ),
      );
    }
    if (ends.first > this.#replica.cursor.sequence + 1) {
      return this.#fail(
        new ClusterError(
          `The log begins at ${ends.first}, and this server has read up to ` +
            `${this.#replica.cursor.sequence}: start it with a backup of ` +
            "another server",
        ),
      );
    }
    this.#reader?.want(ends.last);
  }

  /** Compares the last entry that is applied with what the stream has there. */
  async #verify(): Promise<void> {
    const { sequence } = this.#replica.cursor;
    if (sequence === 0) return;
    const { nats } = this.#options;
    let bytes: Uint8Array | undefined;
    try {
      const { stream } = this.#subjects;
      const query = { seq: sequence };
      bytes = (await nats.jsm.streams.getMessage(stream, query))?.data;
    } catch {
      return; // it has no leader, or lacks the entry: #look tells which
    }
    if (!bytes || this.#replica.isSame({ sequence, bytes }) !== false) return;
    this.#fail(
      new ClusterError(
        `Entry ${sequence} of the stream is another one than this server has ` +
          "applied: the stream was restored from a backup, or NATS has lost " +
          "entries. See docs/cluster.md",
      ),
    );
  }
}

function madeAnew({ stream }: Subjects): string {
  return `The stream ${stream} was made anew: it is not the log that this ` +
    "server has read. See docs/cluster.md";
}
