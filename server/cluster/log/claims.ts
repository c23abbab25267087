/**
 * Claims of names, on all servers: the first one in the log holds the name, and a
 * server that is gone frees what it held.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError, lookAlike } from "../../../protocol.ts";
import type { Database } from "../../journal/database.ts";
import type { Origin } from "./codec.ts";

/** An entry: a server wants a name for a user of its own. */
export interface ClaimEntry {
  /** The name, as it is shown. */
  readonly name: string;
  /** Counts the claims of a server since its start. */
  readonly id: number;
  /** Whether the user owns the name, so that another one loses it. */
  readonly takesOver: boolean;
  /** Whether it has an account, so that other devices of it keep the name, too. */
  readonly isShared?: boolean | undefined;
}

/** An entry: a claim is given up. */
export type ReleaseEntry = Pick<ClaimEntry, "name" | "id">;

/** The server whose user holds a name. */
export interface Holder extends Origin {
  readonly name: string;
  readonly id: number;
  /** It is a device of an account. */
  readonly isShared: boolean;
}

/** The table of claims; what it is asked to change is part of a transaction. */
export class ClaimTable {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteAlone: StatementSync;
  readonly #deleteAll: StatementSync;

  /** The table in `database`. */
  constructor(database: Database) {
    this.#find = database.prepare(
      "SELECT * FROM claims WHERE look_alike = ? ORDER BY server, epoch, id",
    );
    this.#insert = database.prepare(
      "INSERT OR REPLACE INTO claims VALUES (?,?,?,?,?,?)",
    );
    this.#deleteAlone = database.prepare(
      "DELETE FROM claims WHERE look_alike = ? AND (shared = 0 OR NOT ?)",
    );
    this.#delete = database.prepare(
      "DELETE FROM claims WHERE look_alike = ? AND server = ? AND epoch = ? AND id = ?",
    );
    this.#deleteAll = database.prepare(
      "DELETE FROM claims WHERE server = ? AND epoch = ?",
    );
  }

  /** The holders of the name that is `name` or looks like it: devices of one user. */
  holders(name: string): Holder[] {
    return this.#find.all(lookAlike(name)).map((row) => ({
      name: String(row["name"]),
      server: String(row["server"]),
      epoch: String(row["epoch"]),
      id: Number(row["id"]),
      isShared: row["shared"] === 1,
    }));
  }

  /**
   * Gives the name to a user of `origin`; returns the users of the same name that
   * lose it.
   *
   * @throws {ChatError} 104 if another user holds it.
   */
  claim(
    { name, id, takesOver, isShared = false }: ClaimEntry,
    { server, epoch }: Origin,
  ): Holder[] {
    const holders = this.holders(name);
    if (holders.length > 0 && !takesOver) throw taken(name);
    const shared = Number(isShared);
    this.#deleteAlone.run(lookAlike(name), shared);
    this.#insert.run(lookAlike(name), name, server, epoch, id, shared);
    return holders.filter((holder) => !isShared || !holder.isShared);
  }

  /**
   * What a server appends for a user may come into the log after another server
   * has the name, whose user would seem to say it.
   *
   * @throws {ChatError} 119 if the name is that of a user of another server than
   * `origin` by now.
   */
  checkSender(name: string, origin: Origin): void {
    if (this.#isElsewhere(name, origin)) throw late();
  }

  /**
   * A session begins for a user who holds the name. When it comes into the log
   * late, that user may have another one, on another server.
   *
   * @throws {ChatError} 119 if no user of `origin` holds the name.
   */
  checkHolder(name: string, origin: Origin): void {
    const isHeld = this.holders(name).length > 0;
    if (!isHeld || this.#isElsewhere(name, origin)) throw late();
  }

  /**
   * An account is for the user of its name, if there is one.
   *
   * @throws {ChatError} 104 if that is a user of another server than `origin`.
   */
  checkOwner(name: string, origin: Origin): void {
    if (this.#isElsewhere(name, origin)) throw taken(name);
  }

  #isElsewhere(name: string, { server, epoch }: Origin): boolean {
    const holders = this.holders(name);
    return holders.length > 0 &&
      !holders.some((holder) =>
        holder.server === server && holder.epoch === epoch
      );
  }

  /** Frees the name, if that claim holds it. */
  release({ name, id }: ReleaseEntry, { server, epoch }: Origin): void {
    this.#delete.run(lookAlike(name), server, epoch, id);
  }

  /** Frees all that a server held in an epoch. */
  freeAll({ server, epoch }: Origin): void {
    this.#deleteAll.run(server, epoch);
  }
}

function taken(name: string): ChatError {
  const why = "this name (or a similar one) is in use on another server";
  return new ChatError(104, `Cannot use the name "${name}": ${why}`);
}

function late(): ChatError {
  return new ChatError(
    119,
    "Cannot store that: your name is in use on another server by now",
  );
}
