/**
 * The log of a cluster: a stream of NATS JetStream, which all servers append to
 * and apply in its order.
 *
 * open_log.ts finds it, reader.ts reads it, replica.ts applies it, writer.ts appends
 * to it, peers.ts finds servers that are gone, stream.ts makes and checks the
 * stream. The log reaches back as log_bounds.ts says; snapshot_loader.ts loads what
 * was before, and snapshot_offer.ts gives it to other servers.
 *
 * @module
 */
import type { Database } from "../../journal/database.ts";
import type { Entries } from "../../journal/entries.ts";
import type { Append, Applier, Log } from "../../journal/log.ts";
import { ClaimTable } from "./claims.ts";
import { ClusterError } from "../cluster_error.ts";
import type { Item, Origin } from "./codec.ts";
import { NameClaims } from "./name_claims.ts";
import { boundsOf, LogBounds, type LogKeep } from "./log_bounds.ts";
import type { Subjects } from "../names.ts";
import type { Nats } from "../nats.ts";
import { type Peer, Peers } from "./peers.ts";
import { Reader } from "./reader.ts";
import { Replica } from "./replica.ts";
import { SnapshotOffer } from "./snapshot_offer.ts";
import { isNotFound, type StreamEnds, streamEnds } from "./stream.ts";
import { Writer, type Written } from "./writer.ts";

/** How often the stream is asked how far it goes. */
const LOOK_EVERY_MS = 1_000;

/** A leader that is behind is so for a moment: that often in a row it is not. */
const MAX_BEHIND = 5;

/** The others are told within this time that a server stops. */
const GOODBYE_MS = 2_000;

/** The kind of the entries of {@linkcode ReplicatedLog.caughtUp}. */
const CAUGHT_UP = "caught-up";

/** Options of {@linkcode ReplicatedLog}. */
export interface ReplicatedLogOptions {
  /** The connection, which the caller closes. */
  readonly nats: Nats;
  /** Where all that the log says is applied. */
  readonly database: Database;
  /** The database file, or `:memory:`. */
  readonly db: string;
  /** How long messages are stored, and so how long the log reaches back. */
  readonly keep: LogKeep;
  /** This server's name, which no other server of the cluster has. */
  readonly server: string;
  /** Gets a line for the operator. */
  readonly log: (line: string) => void;
  /** Called once, when this server cannot go on: the chat would differ. */
  readonly fail: (error: ClusterError) => void;
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

/** See the top of the file. */
export class ReplicatedLog implements Log, AsyncDisposable {
  /** The names that users of this server hold. */
  readonly claims: NameClaims;
  readonly #options: ReplicatedLogOptions;
  readonly #subjects: Subjects;
  readonly #mark: string;
  readonly #replica: Replica;
  readonly #writer: Writer;
  readonly #bounds: LogBounds;
  readonly #scope = new DisposableStack();
  #view: ClusterView = { addresses: [] };
  #reader: Reader | undefined;
  #peers: Peers | undefined;
  #offer: SnapshotOffer | undefined;
  #ends: StreamEnds;
  #behind = 0;
  #missing = 0;
  #hasStarted = false;
  #failure: ClusterError | undefined;
  #onProgress = () => {};

  /** The log that open_log.ts has found; `ends`: how far it goes. */
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
    const own = boundsOf(options.keep);
    this.#bounds = new LogBounds({ nats, subjects, own, log });
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
    signal?.throwIfAborted();
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
    // From now on: old entries may be deleted while it reads.
    const looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#scope.defer(() => clearInterval(looking));
    await Promise.race([this.#catchUp(reader), failed]);
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
    this.#bounds.look(this.#ends);
    this.#offer = new SnapshotOffer({
      ...{ ...this.#options, subjects: this.#subjects, replica },
      isSame: () => this.peers.every(({ agrees }) => agrees !== false),
    });
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
    written: Written;
  } {
    const { cursor, refused } = this.#replica;
    return {
      ...cursor,
      ...{ lag: this.lag, refused, stream: this.#ends },
      takesEntries: !this.#writer.isStuck,
      written: this.#writer.written,
    };
  }

  /** Tells the others this server's state now. */
  beat(): void {
    this.#peers?.beat();
  }

  /** Tells the others that this server stops, and stops. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.claims.close();
    await this.#offer?.[Symbol.asyncDispose]();
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
    this.#offer?.[Symbol.asyncDispose]();
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
          `The log begins at ${ends.first}, and this server has read it up to ` +
            `${this.#replica.cursor.sequence}. Start it again: it loads a ` +
            "snapshot from another server",
        ),
      );
    }
    this.#reader?.want(ends.last);
    if (this.#hasStarted) this.#bounds.look(ends);
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

/** Why a server does not use a stream that another one has made meanwhile. */
export function madeAnew({ stream }: Subjects): string {
  return `The stream ${stream} was made anew: it is not the log that this ` +
    "server has read. See docs/cluster.md";
}
