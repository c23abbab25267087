/**
 * Resumable sessions, and their table; in files its name is `visits`.
 *
 * @module
 */
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import type { ShareLimits } from "../chat/shares.ts";
import type { Database } from "../journal/database.ts";
import type {
  SessionChangedEntry,
  SessionEntry,
  SessionsEndedEntry,
} from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { ChatError } from "../../protocol.ts";

/** Limit of the devices of an account, and of its sessions. */
export const MAX_DEVICES = 10;

/**
 * One user's session, over one connection or several in turn. An account has one
 * for each of its devices.
 */
export interface ResumableSession {
  /** The user's name in lower case. */
  readonly key: string;
  /** Which of the user's devices it is, from 1; a guest has one. */
  readonly device: number;
  /** When it began, in milliseconds since the epoch; 0 if that is not known. */
  readonly at: number;
  /** The program of the client, as it says; may be empty. */
  readonly client: string;
  /** Where its last client was, without the port; may be empty. */
  address: string;
  /** The resume token. */
  readonly token: string;
  /** The newest message there was when it began. */
  readonly since: number;
  /**
   * The rooms it is in, or was in when its connection was lost, and the newest
   * message when each was joined.
   */
  readonly rooms: Map<string, number>;
  /** The user's name as the user writes it; in lower case since a restart. */
  readonly name: string;
  /** The network for which it counts: that of its last client. */
  network: string;
  /** The connection that has it now. */
  connection: { end(error: ChatError): void } | undefined;
  /** The address of its last connection; undefined since a restart. */
  host: string | undefined;
  /** When its connection was lost, by the server's clock. */
  goneAt: number;
  /** Its token went over TLS alone: no third party can have it. */
  secure: boolean;
  /** The server whose connection has it, or had it last. */
  server: string;
  /** Its token is worth nothing any more. */
  hasEnded: boolean;
}

/** Settings of {@linkcode SessionKeeper}. */
export interface SessionOptions {
  /** The time by the server's clock. Stored sessions count as lost then. */
  readonly now?: number;
  readonly limits?: ShareLimits;
  /** The name of this server among several; empty if there is one. */
  readonly server?: string;
  /** Whether another server has its stored sessions now. */
  isUp?(server: string): boolean;
  /** A device on another server has joined or left rooms, and so has the user. */
  moved?(
    name: string,
    rooms: Pick<SessionChangedEntry, "joined" | "left">,
  ): void;
  /** A device that was here goes on on another server. */
  goesOn?(name: string): void;
}

/** What is known of a client whose session begins. */
export interface Beginning {
  /** Its token goes over TLS. */
  readonly secure?: boolean;
  /** It is a device of an account, beside the others. */
  readonly isBeside?: boolean;
  /** Its address, without the port. */
  readonly address?: string;
  /** Its program, as it says. */
  readonly client?: string;
}

/** What holds the sessions in memory, and is told when the table has changed. */
export interface SessionKeeper {
  /** A session begins, here or on another server. Returns it. */
  begun(entry: SessionEntry, device: number, own: boolean): ResumableSession;
  /** Another server has changed a session; these are its rooms. */
  changed(entry: SessionChangedEntry, rooms: ReadonlyMap<string, number>): void;
  /** A session cannot be resumed any more, if it has this token. */
  ended(key: string, token: string, error?: ChatError): void;
}

/**
 * The number for one more device of an account.
 *
 * @throws {ChatError} 124 if there are as many as may be.
 */
export function freeDevice(used: readonly number[]): number {
  if (used.length >= MAX_DEVICES) throw tooManyDevices();
  let device = 1;
  while (used.includes(device)) device++;
  return device;
}

/** Of the others, the one whose rooms a new device is in; it may have ended just now. */
export function besideOf<S extends { readonly token: unknown }>(
  others: readonly S[],
  token: string,
): S | undefined {
  return others.find((one) => one.token === token) ?? others[0];
}

/** The error for the connection of a device that another one has ended. */
export function endedByDevice(): ChatError {
  const why = "another device of your account ended this one";
  return new ChatError(117, `Cannot stay connected: ${why}`);
}

function tooManyDevices(): ChatError {
  const why =
    `${MAX_DEVICES} devices of this account are connected. On one of ` +
    "them, list them with /devices and end one with /devices end NUMBER";
  return new ChatError(124, `Cannot sign in: ${why}`, {
    headers: { Limit: MAX_DEVICES },
  });
}

/** See the top of the file. */
export class ResumableSessionTable {
  /**
   * Stores a session, beside the others of its account or in the place of an
   * earlier one of its name; resolves with it.
   *
   * @throws {ChatError} 119 if it cannot be stored; 124 if the account has too many.
   */
  readonly begin: Append<SessionEntry, ResumableSession | undefined>;
  /**
   * Stores how a session changed, unless it has another token by now.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  readonly change: Append<SessionChangedEntry, void>;
  /** Forgets sessions, unless they have another token by now. */
  readonly end: Append<SessionsEndedEntry, void>;
  readonly #database: Database;
  readonly #all: StatementSync;
  readonly #one: StatementSync;
  readonly #of: StatementSync;
  readonly #update: StatementSync;
  readonly #updateRooms: StatementSync;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  #keeper: SessionKeeper | undefined;

  /** The table in `database`; `log` orders the entries. */
  constructor(database: Database, log: Log = database) {
    this.#database = database;
    this.#all = database.prepare("SELECT * FROM visits");
    this.#one = database.prepare(
      "SELECT * FROM visits WHERE key = ? AND token = ?",
    );
    this.#of = database.prepare(
      "SELECT * FROM visits WHERE key = ? ORDER BY device",
    );
    this.#update = database.prepare(
      "UPDATE visits SET network = ?, secure = ?, server = ?, address = ? WHERE key = ? AND token = ?",
    );
    this.#updateRooms = database.prepare(
      "UPDATE visits SET rooms = ? WHERE key = ? AND device = ?",
    );
    this.#insert = database.prepare(
      "INSERT INTO visits VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    );
    const removeAll = database.prepare("DELETE FROM visits WHERE key = ?");
    this.#remove = database.prepare(
      "DELETE FROM visits WHERE key = ? AND token = ?",
    );
    this.begin = log.register("session", {
      change: (entry) => {
        const key = entry.name.toLowerCase();
        if (entry.isBeside) return this.#addBeside(key, entry);
        removeAll.run(key);
        return this.#add(key, 1, entry);
      },
      applied: (entry, device, own) => this.#keeper?.begun(entry, device, own),
    });
    this.change = log.register("session-changed", {
      change: (entry) => this.#change(entry),
      applied: (entry, rooms, own) => {
        if (rooms && !own) this.#keeper?.changed(entry, rooms);
      },
    });
    this.end = log.register("sessions-ended", {
      change: ({ sessions }) => {
        for (const [key, token] of sessions) this.#remove.run(key, token);
      },
      applied: ({ sessions, byDevice }) => {
        const error = byDevice && endedByDevice();
        for (const [key, token] of sessions) {
          this.#keeper?.ended(key, token, error);
        }
      },
    });
  }

  /** From now on, `keeper` is told. */
  connect(keeper: SessionKeeper): void {
    this.#keeper = keeper;
  }

  /**
   * Those that began, and did not end; they were lost at `goneAt`.
   *
   * @throws {ChatError} 119 if the file is damaged.
   */
  load(goneAt: number): ResumableSession[] {
    return this.#all.all().map((row) => ({
      key: String(row["key"]),
      name: String(row["key"]),
      token: String(row["token"]),
      since: Number(row["since"]),
      rooms: this.#roomsOf(row),
      network: String(row["network"]),
      connection: undefined,
      host: undefined,
      goneAt,
      secure: Number(row["secure"]) === 1,
      server: String(row["server"]),
      device: Number(row["device"]),
      at: Number(row["at"]),
      address: String(row["address"]),
      client: String(row["client"]),
      hasEnded: false,
    }));
  }

  /** Inside of a change: one more device of an account, in the rooms of the others. */
  #addBeside(key: string, entry: SessionEntry): number {
    if (entry.gone !== undefined) this.#remove.run(key, entry.gone);
    const others = this.#of.all(key);
    const used = others.map((row) => Number(row["device"]));
    const known = others.map(({ token, rooms }) => ({ token, rooms }));
    const rooms = entry.isIn && besideOf(known, entry.isIn)?.rooms;
    return this.#add(key, freeDevice(used), entry, String(rooms || "[]"));
  }

  #add(
    key: string,
    device: number,
    entry: SessionEntry,
    rooms = "[]",
  ): number {
    const { token, since, network, secure, server } = entry;
    this.#insert.run(
      ...[key, device, token, since, rooms, network, Number(secure), server],
      // Entries of earlier versions do not have them.
      ...[entry.at ?? 0, entry.address ?? "", entry.client ?? ""],
    );
    return device;
  }

  /** Inside of a change. @returns The rooms of the user; undefined if it has ended. */
  #change(
    {
      key,
      token,
      network,
      secure,
      server,
      address,
      joined = [],
      left = [],
    }: SessionChangedEntry,
  ): Map<string, number> | undefined {
    const row = this.#one.get(key, token);
    if (!row) return undefined;
    this.#update.run(
      ...[network, Number(secure), server, address ?? "", key, token],
    );
    const rooms = this.#roomsOf(row);
    if (joined.length + left.length === 0) return rooms;
    for (const other of this.#of.all(key)) { // with all its devices
      const rooms = this.#roomsOf(other);
      changeRooms(rooms, { joined, left });
      const list = JSON.stringify([...rooms]);
      this.#updateRooms.run(list, key, Number(other["device"]));
    }
    changeRooms(rooms, { joined, left });
    return rooms;
  }

  #roomsOf(row: Record<string, SQLOutputValue>): Map<string, number> {
    const read = () =>
      new Map<string, number>(JSON.parse(String(row["rooms"])));
    return this.#database.damage.readRow(read);
  }
}

/** Joins and leaves rooms; a room that was joined before keeps its id. */
export function changeRooms(
  rooms: Map<string, number>,
  { joined = [], left = [] }: Pick<SessionChangedEntry, "joined" | "left">,
): void {
  for (const room of left) rooms.delete(room);
  for (const [room, since] of joined) {
    if (!rooms.has(room)) rooms.set(room, since);
  }
}
