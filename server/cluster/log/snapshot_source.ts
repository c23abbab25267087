/**
 * Gives snapshots of this server's database to servers that ask for one: copies it
 * beside the chat, and answers with parts of the copy. One copy is for all servers
 * that ask meanwhile; it is deleted when no server reads it any more.
 *
 * It is loaded when this server is asked for a snapshot.
 *
 * @module
 */
import type { Database } from "../../journal/database.ts";
import {
  createSnapshot,
  makeSnapshot,
  removeSnapshot,
  snapshotPath,
  whyNoSnapshot,
} from "../../journal/snapshot.ts";
import {
  encodeJson,
  PART_BYTES,
  type PartRequest,
  type ReadySnapshot,
  requestOf,
  type SnapshotAnswer,
} from "./snapshot_wire.ts";

/** A copy that is not read for so long is deleted. */
const UNREAD_MS = 30_000;

/** Options of {@linkcode SnapshotSource}. */
export interface SnapshotSourceOptions {
  readonly database: Database;
  /** The database file, or `:memory:`. */
  readonly db: string;
  /** Gets a line for the operator. */
  log(line: string): void;
}

/** A copy, which is open. */
interface Copy extends Disposable {
  readonly file: Deno.FsFile;
  readonly about: ReadySnapshot;
}

/** See the top of the file. */
export class SnapshotSource implements AsyncDisposable {
  readonly #options: SnapshotSourceOptions;
  #making: Promise<void> | undefined;
  #failed: string | undefined;
  #copy: Copy | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  #unread: ReturnType<typeof setTimeout> | undefined;

  /** Makes no copy until it is asked for one. */
  constructor(options: SnapshotSourceOptions) {
    this.#options = options;
  }

  /** The answer to what another server asks; undefined if it is no request. */
  async answer(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const request = requestOf(bytes);
    if (!request) return undefined;
    if ("from" in request) return encodeJson(this.#offer(request.from));
    // One after the other: they share the position in the file.
    const reading = this.#reading.then(() => this.#read(request));
    this.#reading = reading.catch(() => {}); // its caller is told
    return await reading;
  }

  #offer(from: number): SnapshotAnswer {
    if (this.#copy && this.#copy.about.sequence >= from) {
      this.#keep();
      return this.#copy.about;
    }
    const read = this.#sequence();
    if (from > read) {
      // Copies made in vain would take the place of one that others read.
      const why = `it has read the log up to ${read}, and not up to ${from}`;
      return { state: "failed", why };
    }
    if (this.#failed !== undefined) {
      const why = this.#failed;
      this.#failed = undefined; // the next request tries again
      return { state: "failed", why };
    }
    this.#making ??= this.#make().finally(() => this.#making = undefined);
    return { state: "making" };
  }

  /** How far this server has read the log. */
  #sequence(): number {
    const { database } = this.#options;
    return Number(
      database.prepare("SELECT sequence FROM cluster").get()?.["sequence"] ?? 0,
    );
  }

  async #make(): Promise<void> {
    const { database, db, log } = this.#options;
    await this.#reading;
    this.#drop();
    try {
      using scope = new DisposableStack();
      const path = snapshotPath(db);
      scope.defer(() => removeSnapshot(path));
      createSnapshot(path).close();
      const snapshot = await makeSnapshot(database, { db, path });
      const file = scope.use(Deno.openSync(path));
      const about = { state: "ready", id: crypto.randomUUID(), ...snapshot };
      const open = scope.move();
      this.#copy = {
        ...{ file, about: about as ReadySnapshot },
        [Symbol.dispose]: () => open.dispose(),
      };
      this.#keep();
    } catch (error) {
      const bug = `a bug: ${(error as Error)?.stack ?? error}`;
      this.#failed = whyNoSnapshot(error) ?? bug;
      log(`Cannot make a snapshot for another server: ${this.#failed}`);
    }
  }

  /** A part of the copy; none if there is none of that name. */
  async #read({ id, at }: PartRequest): Promise<Uint8Array> {
    const copy = this.#copy;
    if (copy?.about.id !== id || at >= copy.about.bytes) {
      return new Uint8Array();
    }
    this.#keep();
    const part = new Uint8Array(Math.min(PART_BYTES, copy.about.bytes - at));
    await copy.file.seek(at, Deno.SeekMode.Start);
    for (let length = 0; length < part.length;) {
      const read = await copy.file.read(part.subarray(length));
      if (read === null) return new Uint8Array();
      length += read;
    }
    return part;
  }

  /** Deletes the copy when it is not read for long. */
  #keep(): void {
    clearTimeout(this.#unread);
    this.#unread = setTimeout(() => this.#drop(), UNREAD_MS);
  }

  #drop(): void {
    clearTimeout(this.#unread);
    this.#copy?.[Symbol.dispose]();
    this.#copy = undefined;
  }

  /** Gives nothing any more, and deletes the copy. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#making;
    await this.#reading;
    this.#drop();
  }
}
