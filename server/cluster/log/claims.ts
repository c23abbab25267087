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
}

/** An entry: a claim is given up. */
export type ReleaseEntry = Pick<ClaimEntry, "name" | "id">;

/** The server whose user holds a name. */
export interface Holder extends Origin {
  readonly name: string;
  readonly id: number;
}

/** The table of claims; what it is asked to change is part of a transaction. */
export class ClaimTable {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteAll: StatementSync;

  /** The table in `database`. */
  constructor(database: Database) {
    this.#find = database.prepare("SELECT * FROM claims WHERE look_alike = ?");
    this.#insert = database.prepare(
      "INSERT OR REPLACE INTO claims VALUES (?,?,?,?,?)",
    );
    this.#delete = database.prepare(
      "DELETE FROM claims WHERE look_alike = ? AND server = ? AND epoch = ? AND id = ?",
    );
    this.#deleteAll = database.prepare(
      "DELETE FROM claims WHERE server = ? AND epoch = ?",
    );
  }

  /** The holder of the name that is `name` or looks like it. */
  holder(name: string): Holder | undefined {
    const row = this.#find.get(lookAlike(name));
    return row && {
      name: String(row["name"]),
      server: String(row["server"]),
      epoch: String(row["epoch"]),
      id: Number(row["id"]),
    };
  }

  /**
   * Gives the name to a user of `origin`; returns the user of the same name that
   * loses it.
   *
   * @throws {ChatError} 104 if another user holds it.
   */
  claim(
    { name, id, takesOver }: ClaimEntry,
    { server, epoch }: Origin,
  ): Holder | undefined {
    const holder = this.holder(name);
    if (holder && !takesOver) throw taken(name);
    this.#insert.run(lookAlike(name), name, server, epoch, id);
    return holder;
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
    if (!this.holder(name) || this.#isElsewhere(name, origin)) throw late();
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
    const holder = this.holder(name);
    return holder !== undefined &&
      (holder.server !== server || holder.epoch !== epoch);
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
