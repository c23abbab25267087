/**
 * One order of entries for several databases, as several servers have it: each
 * entry goes through JSON, and is applied by all.
 *
 * @module
 */
import { Database } from "../../../server/journal/database.ts";
import type { Entries } from "../../../server/journal/entries.ts";
import type { Applier, Log } from "../../../server/journal/log.ts";

type Kind = keyof Entries;

/** An applier of any kind. */
type AnyApplier = Applier<unknown, unknown, unknown>;

/** One database, and what waits for it. */
interface Member {
  readonly database: Database;
  readonly appliers: Map<Kind, AnyApplier>;
  /** Applies one entry in a transaction. */
  readonly isAlone: boolean;
  last: Promise<unknown>;
}

/** See the top of the file. */
export class SharedLog {
  readonly #members: Member[] = [];
  readonly #kinds = new Set<Kind>();

  /** The kinds of which there were entries. */
  get kinds(): Kind[] {
    return [...this.#kinds].sort();
  }

  /**
   * The log of one more server. `isAlone`: its entries have a transaction each,
   * where others have as many as come in one turn.
   */
  join(database: Database, isAlone = false): Log {
    const appliers = new Map<Kind, AnyApplier>();
    const last = Promise.resolve();
    const member: Member = { database, appliers, isAlone, last };
    this.#members.push(member);
    return {
      register: (kind, applier) => {
        appliers.set(kind, applier as AnyApplier);
        return (entry) => this.#append(member, kind, entry) as Promise<never>;
      },
    };
  }

  /** Resolves when all that was appended is applied everywhere. */
  async settled(): Promise<void> {
    for (let round = 0; round < 3; round++) { // what is applied can append
      for (const member of this.#members) {
        await member.last.catch(() => {}); // the one who appended it is told
        await member.database.write(() => {});
      }
    }
  }

  #append(from: Member, kind: Kind, entry: unknown): Promise<unknown> {
    this.#kinds.add(kind);
    for (const member of this.#members) {
      const apply = () => applyTo(member, kind, copyOf(entry), member === from);
      const before = member.last.catch(() => {});
      member.last = member.isAlone ? before.then(apply) : apply();
      member.last.catch(() => {});
    }
    return from.last;
  }
}

function applyTo(
  { database, appliers }: Member,
  kind: Kind,
  entry: unknown,
  own: boolean,
): Promise<unknown> {
  const applier = appliers.get(kind)!; // all have the same
  return database.write(
    () => applier.change(entry),
    (changed) => applier.applied(entry, changed, own),
  );
}

/** The entry as another server gets it: JSON, but for bodies. */
function copyOf(entry: unknown): unknown {
  const bodies: Uint8Array[] = [];
  const text = JSON.stringify(entry, (_, value) => {
    if (!(value instanceof Uint8Array)) return value;
    return { body: bodies.push(value.slice()) - 1 };
  });
  return JSON.parse(text, (_, value) => {
    const isBody = typeof value?.body === "number";
    return isBody ? bodies[value.body] : value;
  });
}

/** All tables of a database, by name, with their rows in one order. */
export function tablesOf(database: Database): Record<string, string[]> {
  const names = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'journal' ORDER BY name",
  ).all().map(({ name }) => String(name));
  return Object.fromEntries(names.map((name) => {
    const rows = database.prepare(`SELECT * FROM ${name}`).all();
    const texts = rows.map((row) =>
      JSON.stringify(
        row,
        (_, value) => value instanceof Uint8Array ? [...value] : value,
      )
    );
    return [name, texts.sort()];
  }));
}
