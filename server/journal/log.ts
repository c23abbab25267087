/**
 * The interface to the log: the one order of all entries, and their effects.
 *
 * On one machine the order is that of the transactions of SQLite, and the
 * `Database` of database.ts is the log. It can also be that of other servers. Each
 * kind of entry has one applier, which the store registers that keeps its state.
 *
 * @module
 */
import type { Entries } from "./entries.ts";

/** What entries of one kind do. Its functions are called without a `this`. */
export interface Applier<E, C, R> {
  /**
   * Makes the change, inside of a transaction. It depends on the entry and on the
   * tables alone: it reads no clock and no chance, and nothing of the memory that
   * `applied` changes, since that is behind by the entries of this transaction.
   *
   * @throws {ChatError} The result of the entry, which has no effect then, on any
   * server. One with a `cause` is a fault of this server's file.
   */
  change(entry: E): C;
  /**
   * Called right after the commit, in the order of the entries: changes what is
   * held in memory, and tells users. `changed` is what `change` returned; `own`:
   * this server has appended the entry.
   */
  applied(entry: E, changed: C, own: boolean): R;
}

/**
 * Appends an entry, after those appended before; resolves with what `applied`
 * returned. The entry and all in it stay as they are until then.
 *
 * @throws {ChatError} 119 if it cannot be stored; or what `change` threw.
 */
export type Append<E, R> = (entry: E) => Promise<R>;

/** See the top of the file. */
export interface Log {
  /**
   * From now on, entries of `kind` are applied by `applier`; those before are in
   * the tables already. Returns what appends one.
   */
  register<K extends keyof Entries, C, R>(
    kind: K,
    applier: Applier<Entries[K], C, R>,
  ): Append<Entries[K], R>;
}
