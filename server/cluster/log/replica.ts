/**
 * This server's copy of what the log says: applies its entries in their order,
 * each batch in one transaction with the cursor, which is how far that is.
 *
 * What is applied depends on the log alone, so that all servers have the same. A
 * message of the stream counts if its epoch is the open one of its server, and if
 * its counter is the next: so what a server appended twice, or while the others
 * took it for gone, has no effect, on any server.
 *
 * The hash of all that was read up to a sequence shows whether servers read the
 * same.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { StatementSync } from "node:sqlite";
import { ChatError } from "../../../protocol.ts";
import type { Database } from "../../journal/database.ts";
import { failure } from "../../journal/database_file.ts";
import type {
  MessagesEntry,
  SessionChangedEntry,
  SessionEntry,
  SignUpEntry,
} from "../../journal/entries.ts";
import type { Applier } from "../../journal/log.ts";
import type { ClaimEntry, ClaimTable } from "./claims.ts";
import { ClusterError } from "../cluster_error.ts";
import {
  decodeEnvelope,
  type Envelope,
  type Item,
  type Origin,
} from "./codec.ts";

/** A message of the stream. */
export interface Arrived {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** How far the log is applied. */
export interface Cursor {
  /** The sequence of the newest message of the stream that is; 0 if none is. */
  readonly sequence: number;
  /** Of all messages up to it. */
  readonly hash: string;
}

/** The life of a server, as the log has it. */
export interface Epoch {
  readonly epoch: string;
  /** How many times it has appended. */
  readonly counter: number;
  /** Whether what it appends counts: it was not taken for gone. */
  readonly isOpen: boolean;
}

/** An entry: a server begins an epoch, after the one that it had. */
export interface UpEntry {
  readonly after: string | null;
  /** What its users held, and hold again if it is free. */
  readonly claims: readonly ClaimEntry[];
}

/** A caller that waits for an entry of this server. */
export interface Waiting {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** An applier that is told whose entry it is, and in which epoch. */
export interface OriginApplier<E, C, R> extends Applier<E, C, R> {
  change(entry: E, origin?: Origin): C;
}

/** What the replica tells the rest of the server. */
export interface ReplicaEvents {
  /** The callers that wait for these entries, if this process appended them. */
  waiting(envelope: Envelope): readonly Waiting[] | undefined;
  /** An epoch is open now. `lost`: claims that it did not get. */
  up(origin: Origin, lost: readonly ClaimEntry[]): void;
  /** An epoch is over: all that its server held is free. */
  gone(origin: Origin): void;
  /** The server cannot go on from here. */
  fail(error: ClusterError): void;
  /** Gets a line for the operator. */
  log(line: string): void;
}

/** How many hashes are remembered, to be compared with those of others. */
const HASHES = 8_192;

/** Half of SHA-256, in hexadecimal digits. */
const HASH_DIGITS = 32;

/** What is done after the commit. */
type Step = () => void;

/** What one transaction makes of the state. */
interface Draft {
  cursor: Cursor;
  readonly hashes: Cursor[];
  readonly epochs: Map<string, Epoch>;
  readonly steps: Step[];
}

/** See the top of the file. */
export class Replica {
  readonly claims: ClaimTable;
  readonly #database: Database;
  readonly #events: ReplicaEvents;
  // deno-lint-ignore no-explicit-any -- the kind says which entries it applies
  readonly #appliers = new Map<string, OriginApplier<any, any, any>>();
  readonly #storeCursor: StatementSync;
  readonly #storeEpoch: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #undo: StatementSync;
  readonly #release: StatementSync;
  readonly #hashes: Cursor[] = Array(HASHES); // by sequence, modulo their number
  #epochs: ReadonlyMap<string, Epoch>;
  #cursor: Cursor;
  #refused = 0;

  /** The copy in `database`, as far as it is. */
  constructor(database: Database, claims: ClaimTable, events: ReplicaEvents) {
    this.#database = database;
    this.claims = claims;
    this.#events = events;
    this.#storeCursor = database.prepare(
      "UPDATE cluster SET sequence = ?, hash = ?, before = ?",
    );
    this.#storeEpoch = database.prepare(
      "INSERT OR REPLACE INTO epochs VALUES (?,?,?,?)",
    );
    this.#savepoint = database.prepare("SAVEPOINT entry");
    this.#undo = database.prepare("ROLLBACK TO entry");
    this.#release = database.prepare("RELEASE entry");
    const row = database.prepare("SELECT * FROM cluster").get()!;
    const sequence = Number(row["sequence"]);
    this.#cursor = { sequence, hash: String(row["hash"]) };
    this.#remember({ sequence: sequence - 1, hash: String(row["before"]) });
    this.#remember(this.#cursor);
    const epochs = database.prepare("SELECT * FROM epochs").all();
    this.#epochs = new Map(epochs.map((row) => [String(row["server"]), {
      epoch: String(row["epoch"]),
      counter: Number(row["counter"]),
      isOpen: row["open"] === 1,
    }]));
  }

  /** How far the log is applied. */
  get cursor(): Cursor {
    return this.#cursor;
  }

  /** The last epoch of each server. */
  get epochs(): ReadonlyMap<string, Epoch> {
    return this.#epochs;
  }

  /** How many messages of the stream had no effect since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** The hash at a sequence, if it is known. */
  hashAt(sequence: number): string | undefined {
    const known = this.#hashes[sequence % HASHES];
    return known?.sequence === sequence ? known.hash : undefined;
  }

  /** Whether a message is the one that was applied; undefined if that is forgotten. */
  isSame({ sequence, bytes }: Arrived): boolean | undefined {
    const before = this.hashAt(sequence - 1);
    const hash = this.hashAt(sequence);
    if (before === undefined || hash === undefined) return undefined;
    return hashOf(before, sequence, bytes) === hash;
  }

  /** Entries of `kind` are applied by `applier`. */
  register<E, C, R>(kind: string, applier: OriginApplier<E, C, R>): void {
    this.#appliers.set(kind, applier);
  }

  /**
   * Applies messages that follow the cursor, without a gap.
   *
   * @throws {ChatError} 119 if they cannot be stored; then none is applied.
   */
  apply(arrived: readonly Arrived[]): Promise<void> {
    return this.#database.write(
      () => this.#change(arrived),
      (draft) => this.#committed(draft),
    );
  }

  #change(arrived: readonly Arrived[]): Draft {
    const draft: Draft = {
      cursor: this.#cursor,
      hashes: [],
      epochs: new Map(this.#epochs),
      steps: [],
    };
    for (const message of arrived) {
      try {
        this.#changeOne(draft, message);
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error;
        const { sequence } = message;
        const why =
          `Cannot apply the log from ${sequence} on: ${error.message}`;
        const stop = new ClusterError(why, { cause: error });
        draft.steps.push(() => this.#events.fail(stop));
        break;
      }
      const { sequence, bytes } = message;
      const hash = hashOf(draft.cursor.hash, sequence, bytes);
      draft.hashes.push(draft.cursor = { sequence, hash });
    }
    for (const [server, epoch] of draft.epochs) {
      if (this.#epochs.get(server) === epoch) continue;
      const { epoch: word, counter, isOpen } = epoch;
      this.#storeEpoch.run(server, word, counter, isOpen ? 1 : 0);
    }
    const { sequence, hash } = draft.cursor;
    const before = draft.hashes.at(-2)?.hash ?? this.#cursor.hash;
    if (sequence > this.#cursor.sequence) {
      this.#storeCursor.run(sequence, hash, before);
    }
    return draft;
  }

  /** @throws {ClusterError} If this version cannot apply it. */
  #changeOne(draft: Draft, { sequence, bytes }: Arrived): void {
    const envelope = decodeEnvelope(bytes);
    if (!envelope) {
      const line =
        `Entry ${sequence} of the log is of another program; ignored`;
      draft.steps.push(() => this.#refuse(line));
      return;
    }
    const { server, epoch, counter } = envelope;
    const up = upOf(envelope);
    const last = draft.epochs.get(server);
    const counts = up
      ? (last?.epoch ?? null) === up.after && counter === 1
      : last?.epoch === epoch && last.isOpen && counter === last.counter + 1;
    if (!counts) {
      draft.steps.push(() => this.#refuse());
      return;
    }
    for (const { kind } of envelope.items) {
      if (kind === "up" || kind === "down" || this.#appliers.has(kind)) {
        continue;
      }
      throw new ClusterError(
        `${server} has a newer version, whose entries "${kind}" this one does ` +
          "not know; update this server",
      );
    }
    if (up) this.#end(draft, server);
    draft.epochs.set(server, { epoch, counter, isOpen: true });
    const waiting = this.#events.waiting(envelope);
    envelope.items.forEach((item, index) => {
      this.#changeItem(draft, item, { envelope, waiting: waiting?.[index] });
    });
  }

  /** The end of a server's epoch. */
  #end(draft: Draft, server: string): void {
    const last = draft.epochs.get(server);
    if (!last?.isOpen) return;
    const origin = { server, epoch: last.epoch };
    this.claims.freeAll(origin);
    draft.epochs.set(server, { ...last, isOpen: false });
    draft.steps.push(() => this.#events.gone(origin));
  }

  #changeItem(
    draft: Draft,
    { kind, entry }: Item,
    { envelope, waiting }: {
      envelope: Envelope;
      waiting: Waiting | undefined;
    },
  ): void {
    if (kind === "up") return this.#reclaim(draft, envelope);
    if (kind === "down") {
      const { server, epoch } = (entry ?? {}) as Partial<Origin>;
      if (server === undefined) return;
      if (draft.epochs.get(server)?.epoch === epoch) this.#end(draft, server);
      if (waiting) draft.steps.push(() => waiting.resolve(undefined));
      return;
    }
    const applier = this.#appliers.get(kind)!; // #changeOne has looked
    const { server, epoch } = envelope;
    let changed: unknown;
    this.#savepoint.run();
    try {
      this.#checkHolder({ kind, entry }, envelope);
      changed = applier.change(entry, { server, epoch });
    } catch (error) {
      if (isFaultOfFile(error)) throw error;
      this.#undo.run();
      this.#release.run();
      draft.steps.push(() => this.#refuseItem(error, waiting));
      return;
    }
    this.#release.run();
    draft.steps.push(() => {
      try {
        const result = applier.applied(entry, changed, waiting !== undefined);
        waiting?.resolve(result);
      } catch (bug) {
        waiting?.reject(bug);
        throw bug;
      }
    });
  }

  /**
   * What a server appends for one of its users may come into the log late.
   *
   * @throws {ChatError} 119 if the user has the name on another server by now.
   */
  #checkHolder({ kind, entry }: Item, origin: Origin): void {
    const { claims } = this;
    switch (kind) { // which says what the entry is
      case "messages":
        return claims.checkSender((entry as MessagesEntry).from, origin);
      case "session":
        return claims.checkHolder((entry as SessionEntry).name, origin);
      case "session-changed":
        return claims.checkSender((entry as SessionChangedEntry).key, origin);
      case "sign-up":
        return claims.checkOwner((entry as SignUpEntry).name, origin);
    }
  }

  /** What a server held in its last epoch, unless others hold it by now. */
  #reclaim(draft: Draft, origin: Envelope): void {
    const lost = upOf(origin)?.claims.filter((claim) => {
      const isLost = this.claims.holders(claim.name).some((holder) =>
        !claim.isShared || !holder.isShared
      );
      if (isLost) return true;
      this.claims.claim(claim, origin);
      return false;
    });
    draft.steps.push(() => this.#events.up(origin, lost ?? []));
  }

  #committed({ cursor, hashes, epochs, steps }: Draft): void {
    this.#cursor = cursor;
    this.#epochs = epochs;
    for (const hash of hashes) this.#remember(hash);
    for (const step of steps) {
      try {
        step();
      } catch (bug) {
        this.#events.log(`A bug: ${(bug as Error)?.stack ?? bug}`);
      }
    }
  }

  #remember(cursor: Cursor): void {
    if (cursor.sequence < 0) return;
    this.#hashes[cursor.sequence % HASHES] = cursor;
  }

  #refuse(line?: string): void {
    this.#refused++;
    if (line) this.#events.log(line);
  }

  /** The entry has no effect, on any server; its user gets the reason. */
  #refuseItem(error: unknown, waiting: Waiting | undefined): void {
    waiting?.reject(error);
    if (error instanceof ChatError) return;
    this.#events.log(`A bug: ${(error as Error)?.stack ?? error}`);
  }
}

/** What begins an epoch, if these entries do. */
function upOf({ items: [first] }: Envelope): UpEntry | undefined {
  if (first?.kind !== "up") return undefined;
  const { after = null, claims } = (first.entry ?? {}) as Partial<UpEntry>;
  return { after, claims: Array.isArray(claims) ? claims : [] };
}

/** Whether the disk of this server is why an entry cannot be applied here. */
function isFaultOfFile(error: unknown): boolean {
  if (failure(error) !== undefined) return true;
  return error instanceof ChatError && error.cause !== undefined;
}

function hashOf(before: string, sequence: number, bytes: Uint8Array): string {
  return createHash("sha256").update(`${before} ${sequence} `).update(bytes)
    .digest("hex").slice(0, HASH_DIGITS);
}
