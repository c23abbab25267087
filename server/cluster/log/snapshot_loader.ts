/**
 * Loads a snapshot of another server, when the log in NATS does not reach back to
 * where this server has read it. Asks all servers, and takes the first that has
 * read enough; tries another one if that fails. A server that waits tells for
 * which ones, and ends if none of them can help.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Database } from "../../journal/database.ts";
import { MIGRATIONS } from "../../journal/schema.ts";
import {
  createSnapshot,
  loadSnapshot,
  removeSnapshot,
  snapshotPath,
  whyNoSnapshot,
} from "../../journal/snapshot.ts";
import { format } from "@std/fmt/bytes";
import { ClusterError } from "../cluster_error.ts";
import type { Nats } from "../nats.ts";
import type { Subjects } from "../names.ts";
import {
  answerOf,
  encodeJson,
  type Offer,
  offerOf,
  PART_BYTES,
  type PartRequest,
  type ReadySnapshot,
  type SnapshotRequest,
} from "./snapshot_wire.ts";
import { type StreamEnds, streamEnds, writersOf } from "./stream.ts";

/** Answers to a question to all servers are waited for so long. */
const GATHER_MS = 500;

/** A server that makes a snapshot is asked so often how far it is. */
const ASK_EVERY_MS = 250;

/** A request is answered in this time, and is sent as often. */
const ANSWER_MS = 2_000;
const ATTEMPTS = 3;

/** How many parts are on their way at a time. */
const WINDOW = 4;

/** After a snapshot that cannot be used, the pause doubles up to the longest. */
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 60_000;

/** If no server is known to wait for, it is waited so long for any. */
const ANY_WITHIN_MS = 60_000;

/** Options of {@linkcode SnapshotLoader}. */
export interface SnapshotLoaderOptions {
  readonly nats: Nats;
  readonly subjects: Subjects;
  readonly database: Database;
  /** The database file, or `:memory:`. */
  readonly db: string;
  /** This server's name. */
  readonly server: string;
  /** Gets a line for the operator. */
  log(line: string): void;
  readonly signal?: AbortSignal | undefined;
}

/** Why a snapshot of one server cannot be used; there may be others. */
class UnusableError extends Error {}

/** See the top of the file. */
export class SnapshotLoader implements Disposable {
  readonly #options: SnapshotLoaderOptions;
  readonly #scope = new DisposableStack();
  /** How far the servers are that cannot help: they wait, too. */
  readonly #lacking = new Map<string, number>();
  readonly #sequence: number;
  #ends: StreamEnds;
  #lastServer = "";
  #told = "";
  #failures = 0;
  /** Why NATS cannot be used any more. */
  #failure: ClusterError | undefined;

  /** `ends`: where the log begins; `sequence`: how far this server has read it. */
  constructor(
    options: SnapshotLoaderOptions,
    { ends, sequence }: { ends: StreamEnds; sequence: number },
  ) {
    this.#options = options;
    this.#ends = ends;
    this.#sequence = sequence;
    const { nats, subjects, server } = options;
    nats.failed.then((error) => this.#failure = error);
    // Others that wait for a snapshot must know that they wait in vain.
    this.#scope.use(nats.subscribe(subjects.snapshot, ({ reply }) => {
      const own = { server, sequence, schema: MIGRATIONS.length, gives: false };
      if (reply) nats.publish(reply, encodeJson(own));
    }));
  }

  /** Neither asks nor answers any more. */
  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  /**
   * Loads a snapshot, from which on the log can be read; waits for a server that
   * has one.
   *
   * @throws {ClusterError} If no server has one that this one can use.
   */
  async load(): Promise<void> {
    const { log, signal } = this.#options;
    const { first } = this.#ends;
    log(
      `The log begins at ${first}, and this server has read it up to ` +
        `${this.#sequence}: it loads a snapshot from another server`,
    );
    for (const began = performance.now();;) {
      signal?.throwIfAborted();
      if (this.#failure) throw this.#failure;
      const offers = await this.#ask();
      const usable = offers.filter(({ gives, sequence }) =>
        gives && sequence >= this.#ends.first - 1
      );
      const known = usable.filter(({ schema }) => schema <= MIGRATIONS.length);
      const newer = usable.find(({ schema }) => schema > MIGRATIONS.length);
      // One that failed is tried again when there is no other.
      const offer = known.find(({ server }) => server !== this.#lastServer) ??
        known[0];
      if (offer && await this.#loadFrom(offer)) return;
      if (!offer && newer) {
        throw new ClusterError(
          `The server ${newer.server} has a newer version, whose snapshot this ` +
            "one does not know; update this server",
        );
      }
      if (!offer) await this.#judge(performance.now() - began);
    }
  }

  /** Asks all servers. */
  async #ask(): Promise<Offer[]> {
    const { nats, subjects, server } = this.#options;
    const offers: Offer[] = [];
    const inbox = `_INBOX.${crypto.randomUUID().replaceAll("-", "")}`;
    using _answers = nats.subscribe(inbox, ({ bytes }) => {
      const offer = offerOf(bytes);
      if (offer && offer.server !== server) offers.push(offer);
    });
    nats.publish(subjects.snapshot, new Uint8Array(), inbox);
    await this.#sleep(GATHER_MS);
    for (const { server, gives, sequence } of offers) {
      if (gives) this.#lacking.delete(server);
      else this.#lacking.set(server, sequence);
    }
    return offers;
  }

  /**
   * Goes on waiting, unless it is in vain.
   *
   * @throws {ClusterError} If it is.
   */
  async #judge(waitedMs: number): Promise<void> {
    const { nats, subjects, server, log } = this.#options;
    let known: readonly string[];
    try {
      this.#ends = await streamEnds(nats.jsm, subjects);
      known = await writersOf(nats.jsm, subjects);
    } catch {
      return; // it has no leader: it is asked again
    }
    const awaited = known.filter((name) =>
      name !== server && !this.#lacking.has(name)
    );
    const isInVain = awaited.length === 0 &&
      (known.length > 0 || waitedMs > ANY_WITHIN_MS);
    if (isInVain) throw this.#lost();
    const whom = awaited.length > 0
      ? `from ${awaited.join(" or ")}`
      : "from any server of this chat";
    const line = `Waiting for a snapshot ${whom}: start a server that has ` +
      `read the log up to ${this.#ends.first - 1}`;
    if (line !== this.#told) log(line);
    this.#told = line;
  }

  #lost(): ClusterError {
    const { server } = this.#options;
    const all = [[server, this.#sequence] as const, ...this.#lacking];
    const read = all.map(([name, sequence]) => `${name} up to ${sequence}`);
    return new ClusterError(
      `No server has what is before entry ${this.#ends.first} of the log: ` +
        `${
          read.join(", ")
        }. If there is a file or a backup of any server that ` +
        'has, start that first; otherwise see "All files are lost" in ' +
        "docs/cluster.md",
    );
  }

  /** Whether the snapshot of that server is loaded. */
  async #loadFrom({ server }: Offer): Promise<boolean> {
    const { database, db, log } = this.#options;
    this.#lastServer = server;
    let path: string | undefined;
    try {
      path = snapshotPath(db);
      const snapshot = await this.#made(server);
      log(
        `Loading the snapshot of ${server}: ${format(snapshot.bytes)}, ` +
          `up to entry ${snapshot.sequence}`,
      );
      await this.#receive(server, snapshot, path);
      await loadSnapshot(database, { path, wanted: snapshot });
      log(`Loaded the snapshot of ${server}`);
      return true;
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      const why = error instanceof UnusableError
        ? error.message
        : whyNoSnapshot(error);
      if (why === undefined) throw error;
      log(`Cannot use a snapshot of ${server}: ${why}. Asking again`);
      const pause = PAUSE_MS * 2 ** this.#failures++;
      await this.#sleep(Math.min(pause, LONGEST_PAUSE_MS));
      return false;
    } finally {
      if (path !== undefined) removeSnapshot(path);
    }
  }

  /** Has the server make a snapshot. */
  async #made(server: string): Promise<ReadySnapshot> {
    for (;; await this.#sleep(ASK_EVERY_MS)) {
      const from = this.#ends.first - 1;
      const answer = answerOf(await this.#request(server, { from }));
      if (!answer) throw new UnusableError("it gave a wrong answer");
      if (answer.state === "failed") throw new UnusableError(answer.why);
      if (answer.state === "making") continue;
      if (answer.mark !== this.#ends.mark) {
        throw new UnusableError("it is of another log");
      }
      return answer;
    }
  }

  /** Writes the snapshot into the file, and checks that it is whole. */
  async #receive(
    server: string,
    { id, bytes, sha256 }: ReadySnapshot,
    path: string,
  ): Promise<void> {
    using file = createSnapshot(path);
    const hash = createHash("sha256");
    const parts: Promise<Uint8Array>[] = [];
    let at = 0;
    const ask = () => {
      if (at >= bytes) return;
      const part = this.#request(server, { id, at });
      part.catch(() => {}); // it is awaited later, or not at all
      parts.push(part);
      at += PART_BYTES;
    };
    for (let n = 0; n < WINDOW; n++) ask();
    let received = 0;
    for (let part; (part = parts.shift()) !== undefined; ask()) {
      const data = await part;
      if (data.length !== Math.min(PART_BYTES, bytes - received)) {
        throw new UnusableError("it is not there any more");
      }
      received += data.length;
      hash.update(data);
      for (let written = 0; written < data.length;) {
        written += await file.write(data.subarray(written));
      }
    }
    if (hash.digest("hex") === sha256) return;
    throw new UnusableError("it was damaged on its way");
  }

  /** @throws {UnusableError} If the server does not answer. */
  async #request(
    server: string,
    request: SnapshotRequest | PartRequest,
  ): Promise<Uint8Array> {
    const { nats, subjects, signal } = this.#options;
    const bytes = encodeJson(request);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      signal?.throwIfAborted();
      const subject = `${subjects.snapshot}.${server}`;
      const answer = await nats.request(subject, bytes, ANSWER_MS);
      if (answer) return answer;
    }
    throw new UnusableError("it does not answer");
  }

  /** @throws The reason of the signal. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const stop = () => resolve();
    signal?.addEventListener("abort", stop);
    await promise;
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    signal?.throwIfAborted();
  }
}
