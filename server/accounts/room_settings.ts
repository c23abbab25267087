/**
 * The settings of all rooms: who owns each, who can send to it, and its topic.
 *
 * They outlive the members of a room, and end when the operator forgets it, or when
 * it gives way to others. Of the rooms of one owner that have neither members nor
 * history, the server stores the settings of the last {@linkcode MAX_ROOMS}. A
 * private room has no owner here: private_rooms.ts knows that one.
 *
 * @module
 */
import { type Headers, isPrivateName, lookAlike } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import type { RoomBegunEntry, RoomSetEntry } from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { NameMap } from "../chat/names/names.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import {
  changed,
  isPlain,
  isQuiet,
  isSameName,
  listed,
  noSettings,
  type Owner,
  type RoomSettings,
  type SettingsChange,
  settingsHeaders,
} from "../chat/room_settings.ts";
import type { User } from "../chat/user.ts";

/** Limit of the rooms of one owner, or of none, that do not exist and have settings. */
export const MAX_ROOMS = 100;

/** Settings of {@linkcode AllRoomSettings}. */
export interface RoomSettingsOptions {
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** The account of that name or of one that looks like it, as it is now. */
  accountOf(name: string): Owner | undefined;
  /** Whether the owner of an account of that very name is a moderator. */
  isModerator(name: string): boolean;
  /** Whether the owner of an account owns a private room. */
  isPrivateOwner(room: string, account: Owner): boolean;
  /** Whether a room has members or history. */
  exists(room: string): boolean;
  /** A room has other settings now, on any server; `change` says what is new. */
  changed?(settings: RoomSettings, change: SettingsChange, by?: string): void;
}

/** See the top of the file. */
export class AllRoomSettings {
  readonly #rooms = new NameMap<RoomSettings>(); // the last changed is last
  readonly #options: RoomSettingsOptions;
  readonly #set: Append<RoomSetEntry, RoomSettings | undefined>;
  readonly #begun: Append<RoomBegunEntry, void>;

  constructor(database: Database, options: RoomSettingsOptions) {
    this.#options = options;
    const { entries = database } = options;
    const find = database.prepare(
      "SELECT * FROM room_settings WHERE look_alike = ?",
    );
    const put = database.prepare(
      "INSERT OR REPLACE INTO room_settings VALUES (?,?,?,?,?,?,?,?)",
    );
    const remove = database.prepare(
      "DELETE FROM room_settings WHERE look_alike = ?",
    );
    const stored = (room: string): RoomSettings => {
      const row = find.get(lookAlike(room));
      return row ? settingsOf(row) : noSettings(room);
    };
    const store = (settings: RoomSettings, at: number): RoomSettings => {
      const { room, owner, quiet, voices, topic } = settings;
      put.run(
        ...[lookAlike(room), room, owner?.name ?? null],
        ...[owner?.createdAt ?? null, Number(quiet), JSON.stringify(voices)],
        ...[topic, at],
      );
      return settings;
    };
    const removeAll = (rooms: readonly string[] = []) => {
      for (const room of rooms) remove.run(lookAlike(room));
    };
    this.#set = entries.register("room-set", {
      change: ({ room, at, gone, ended, change = {} }) => {
        removeAll(gone);
        if (!ended) return store(changed(stored(room), change), at);
        remove.run(lookAlike(room));
        return undefined;
      },
      applied: (entry, after) => {
        this.#forget(entry.gone);
        const { room, by, change = ENDED } = entry;
        const before = this.#rooms.get(room);
        if (after) this.#put(after);
        else this.#forget([room]);
        if (after) options.changed?.(after, change, by);
        else if (before) options.changed?.(noSettings(room), ENDED, by);
        return after;
      },
    });
    this.#begun = entries.register("room-begun", {
      change: ({ room, at, owner, instead, gone }) => {
        removeAll(gone);
        const before = stored(room);
        const isMeant = isPlain(before) &&
          isSameOwner(before.owner, instead); // no other server was first
        return isMeant ? store({ ...before, room, owner }, at) : before;
      },
      applied: ({ gone }, after) => {
        this.#forget(gone);
        this.#put(after);
      },
    });
    const all = database.prepare("SELECT * FROM room_settings ORDER BY at");
    for (const row of all.all()) this.#put(settingsOf(row));
  }

  /** The settings of the room that is `name` or looks like it. */
  of(name: string): RoomSettings | undefined {
    return this.#rooms.get(name);
  }

  /** What JOINED tells of a room: headers, and a topic as its body. */
  told(room: string): { headers?: Headers; topic?: string | undefined } {
    const settings = this.#rooms.get(room);
    if (!settings) return {};
    const { owner, topic } = settings;
    const isThere = owner &&
      isSameOwner(owner, this.#options.accountOf(owner.name) ?? null);
    const headers = settingsHeaders(settings, isThere ? owner.name : undefined);
    return { headers, topic: topic === "" ? undefined : topic };
  }

  /** Whether the owner of an account owns the room. */
  isOwner(room: string, account: Owner): boolean {
    if (isPrivateName(room)) {
      return this.#options.isPrivateOwner(room, account);
    }
    const owner = this.#rooms.get(room)?.owner ?? null;
    return owner !== null && isSameOwner(owner, account);
  }

  /** What a line of ROOMS tells of a room, behind its members. */
  listed(room: string): string {
    const settings = this.#rooms.get(room);
    return settings ? listed(settings) : "";
  }

  /** @throws {ChatError} 120 if a room is quiet, and the user has no voice. */
  check(user: User, room: string): void {
    const settings = this.#rooms.get(room);
    if (!settings?.quiet) return;
    const { name, peer: { kind } } = user;
    const account = kind === "account"
      ? this.#options.accountOf(name)
      : undefined;
    const hasVoice = settings.voices.some((voice) =>
      isSameName(voice.name, name) &&
      (voice.createdAt === null || voice.createdAt === account?.createdAt)
    );
    if (hasVoice || account && this.isOwner(settings.room, account)) return;
    if (account && this.#options.isModerator(name)) return;
    throw isQuiet(settings.room);
  }

  /**
   * Changes settings; resolves when that is stored.
   *
   * @throws {ChatError} 106 if too many users would have voice; 119 if it cannot
   * be stored.
   */
  async set(room: string, change: SettingsChange, by?: string): Promise<void> {
    const gone = this.#makeWay(room, this.#rooms.get(room)?.owner ?? null);
    await this.#set({ ...this.#base(room), change, by, gone });
  }

  /** A user creates a room: an account owns it, and a guest does not. */
  async begin(room: string, account: Owner | undefined): Promise<void> {
    const instead = this.#rooms.get(room)?.owner ?? null;
    const owner = account
      ? { name: account.name, createdAt: account.createdAt }
      : null;
    if (isSameOwner(owner, instead)) return;
    const gone = this.#makeWay(room, owner);
    await this.#begun({ ...this.#base(room), owner, instead, gone });
  }

  /** The room is forgotten. */
  async end(room: string): Promise<void> {
    if (this.#rooms.get(room)) {
      await this.#set({ ...this.#base(room), ended: true });
    }
  }

  /** Another user has the name of a guest from now on: the voice stays behind. */
  newcomer(name: string): void {
    for (const { room, voices } of this.#rooms.values()) {
      const voice = voices.find((one) => isSameName(one.name, name));
      if (voice?.createdAt !== null) continue;
      this.set(room, { unvoice: voice.name }).catch(unlessNotStored);
    }
  }

  #base(room: string) {
    const { now = Date.now } = this.#options;
    return { room: this.#rooms.get(room)?.room ?? room, at: now() };
  }

  #put(settings: RoomSettings): void {
    this.#forget([settings.room]);
    this.#rooms.add(settings.room, settings);
  }

  #forget(rooms: readonly string[] = []): void {
    for (const room of rooms) {
      this.#rooms.delete(this.#rooms.get(room)?.room ?? room);
    }
  }

  /** Rooms of an owner that do not exist and make way for the settings of one more. */
  #makeWay(room: string, owner: Owner | null): readonly string[] | undefined {
    if (this.#rooms.get(room)) return undefined;
    const idle = Array.from(this.#rooms.values())
      .filter((one) => isSameOwner(one.owner, owner))
      .map((one) => one.room)
      .filter((name) => !this.#options.exists(name));
    if (idle.length < MAX_ROOMS) return undefined;
    return idle.slice(0, idle.length + 1 - MAX_ROOMS);
  }
}

/** What is new about a room whose settings have ended. */
const ENDED: SettingsChange = { quiet: false, topic: "" };

/** Whether both are the same account, or none. */
function isSameOwner(one: Owner | null, other: Owner | null): boolean {
  if (!one || !other) return one === other;
  return isSameName(one.name, other.name) && one.createdAt === other.createdAt;
}

function settingsOf(row: Record<string, unknown>): RoomSettings {
  const owner = row["owner"] === null ? null : {
    name: String(row["owner"]),
    createdAt: Number(row["owner_since"]),
  };
  return {
    room: String(row["name"]),
    owner,
    quiet: row["quiet"] === 1,
    voices: JSON.parse(String(row["voices"])), // as it is stored here
    topic: String(row["topic"]),
  };
}
