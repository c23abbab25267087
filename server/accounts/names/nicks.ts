/**
 * Display names: of any script, beside the name of a user, and shown with it.
 *
 * No two are alike, in the whole chat, so that none are in a room. An account keeps
 * its display name; a guest has it as long as the session.
 *
 * @module
 */
import { ChatError, encode } from "../../../protocol.ts";
import {
  type DisplayName,
  displayName,
  looksLike,
} from "../../chat/names/display_names.ts";
import type { Hub } from "../../chat/hub.ts";
import { areSimilar, shapeOf } from "../../chat/names/similar_names.ts";
import type { Room } from "../../chat/user.ts";
import type { Database } from "../../journal/database.ts";
import type { NickEntry, NickOwner } from "../../journal/entries.ts";
import type { Append, Log } from "../../journal/log.ts";

/** So many display names are looked at with each change, whether they have an owner. */
const LOOKED_AT = 20;

/** Settings of {@linkcode Nicks}. */
export interface NickOptions {
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
  /** Who has the name now: see {@linkcode ownersOf}. */
  owners(name: string): readonly string[];
  /** Whether a user of that name is connected, to any server. */
  isConnected(name: string): boolean;
  /** The name of a user or an account that can be read as `text`. */
  resembled(text: string): string | undefined;
  /** A user has a display name now, another one, or none any more. */
  changed?(user: string, nick: string | undefined): void;
}

/** A row of the table. */
type Row = NickOwner & DisplayName;

/** See the top of the file. */
export class Nicks {
  readonly #options: NickOptions;
  readonly #rows = new Map<string, Row>(); // by user
  readonly #byShape = new Map<string, Set<Row>>();
  readonly #append: Append<NickEntry, void>;

  constructor(database: Database, options: NickOptions) {
    this.#options = options;
    const { entries = database } = options;
    const remove = database.prepare(
      "DELETE FROM nicks WHERE user = ? AND owner = ?",
    );
    const removeAny = database.prepare("DELETE FROM nicks WHERE user = ?");
    const others = database.prepare(
      "SELECT * FROM nicks WHERE (key = ? OR shape = ?) AND user <> ?",
    );
    const insert = database.prepare(
      "INSERT OR REPLACE INTO nicks VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#append = entries.register("nick", {
      change: ({ user, owner, nick, gone }) => {
        for (const one of gone) remove.run(one.user, one.owner);
        if (!nick) return void removeAny.run(user);
        const other = others.all(nick.key, nick.shape, user).map(rowOf)
          .find((row) => areAlike(row, nick));
        if (other) throw looksLike(nick.nick, other.nick);
        insert.run(
          ...[user, owner, nick.nick, nick.key, nick.read, nick.shape],
        );
      },
      applied: ({ user, owner, nick, gone }) => {
        const before = this.of(user);
        for (const one of gone) {
          if (this.#rows.get(one.user)?.owner === one.owner) {
            this.#drop(one.user);
          }
        }
        this.#drop(user);
        if (nick) this.#hold({ user, owner, ...nick });
        if (before !== nick?.nick) options.changed?.(user, nick?.nick);
      },
    });
    for (const row of database.prepare("SELECT * FROM nicks").all()) {
      this.#hold(rowOf(row));
    }
  }

  /** The display name of a user. */
  of(name: string): string | undefined {
    const row = this.#rows.get(name.toLowerCase());
    return row && this.#isOwned(row) ? row.nick : undefined;
  }

  /** The NOTICE with those of the members of a room; undefined without any. */
  listOf(
    { elsewhere }: Pick<Hub, "elsewhere">,
    { name, members }: Room,
  ): Uint8Array | undefined {
    if (this.#rows.size === 0) return undefined;
    const lines = [...members, ...elsewhere?.members(name) ?? []]
      .flatMap((user) => {
        const nick = this.of(user.name);
        return nick === undefined ? [] : [`${user.name} ${nick}\n`];
      });
    if (lines.length === 0) return undefined;
    const headers = { Room: name, Count: lines.length };
    return encode("NOTICE", ["nick"], headers, lines.join(""));
  }

  /** The display name of a connected user that is similar to a name. */
  displayed(name: string): string | undefined {
    const wanted = { key: name.toLowerCase(), read: name };
    for (const row of this.#byShape.get(shapeOf(name)) ?? []) {
      const isSeen = areAlike(row, wanted) && this.#isOwned(row) &&
        this.#options.isConnected(row.user);
      if (isSeen) return row.nick;
    }
    return undefined;
  }

  /**
   * Gives a user a display name, or takes it away if `text` is empty; resolves with
   * it as it is kept, when that is stored.
   *
   * @throws {ChatError} 100 if it cannot be one, 104 if it looks like a name of
   * another user, 119 if it cannot be stored.
   */
  async set(name: string, text: string): Promise<string> {
    const user = name.toLowerCase();
    const [owner] = this.#options.owners(name);
    if (owner === undefined) throw new ChatError(101, "you are not registered");
    const nick = text === "" ? undefined : displayName(text);
    if (nick) this.#checkNames(name, nick);
    await this.#append({ user, owner, nick, gone: this.#gone(nick) });
    return nick?.nick ?? "";
  }

  /** The display name of a guest is that of the account which the guest has made. */
  async adopt(name: string): Promise<void> {
    const nick = this.of(name);
    if (nick !== undefined) await this.set(name, nick);
  }

  /** @throws {ChatError} 104 if a reader can take it for the name of another user. */
  #checkNames(name: string, { nick, read }: DisplayName): void {
    if (!/^[A-Za-z0-9]+$/.test(read)) return;
    const found = this.#options.resembled(read);
    if (found !== undefined && found.toLowerCase() !== name.toLowerCase()) {
      throw looksLike(nick, found);
    }
  }

  /** Those without an owner: all that are like `nick`, and some others. */
  #gone(nick: DisplayName | undefined): NickOwner[] {
    const gone: Row[] = [];
    let looked = 0;
    for (const row of [...this.#rows.values()]) {
      const isAlike = nick &&
        (row.key === nick.key || row.shape === nick.shape);
      if (!isAlike && looked >= LOOKED_AT) continue;
      looked++;
      if (!this.#isOwned(row)) gone.push(row);
      else { // others are looked at the next time
        this.#rows.delete(row.user);
        this.#rows.set(row.user, row);
      }
    }
    return gone.map(({ user, owner }) => ({ user, owner }));
  }

  #isOwned({ user, owner }: NickOwner): boolean {
    return this.#options.owners(user).includes(owner);
  }

  #hold(row: Row): void {
    this.#rows.set(row.user, row);
    this.#byShape.getOrInsertComputed(row.shape, () => new Set()).add(row);
  }

  #drop(user: string): void {
    const row = this.#rows.get(user);
    if (!row) return;
    this.#rows.delete(user);
    const alike = this.#byShape.get(row.shape);
    alike?.delete(row);
    if (alike?.size === 0) this.#byShape.delete(row.shape);
  }
}

/** Who has a name now: the account, and the session. */
export function ownersOf(
  account: { readonly createdAt: number } | undefined,
  session: { readonly token: string } | undefined,
): string[] {
  return [
    ...account ? [`account ${account.createdAt}`] : [],
    ...session ? [`session ${session.token}`] : [],
  ];
}

function areAlike(
  one: Pick<DisplayName, "key" | "read">,
  other: Pick<DisplayName, "key" | "read">,
): boolean {
  return one.key === other.key || areSimilar(one.read, other.read);
}

function rowOf(row: Readonly<Record<string, unknown>>): Row {
  const [user, owner, nick] = [row["user"], row["owner"], row["nick"]];
  const [key, read, shape] = [row["key"], row["read"], row["shape"]];
  return {
    ...{ user: `${user}`, owner: `${owner}`, nick: `${nick}` },
    ...{ key: `${key}`, read: `${read}`, shape: `${shape}` },
  };
}
