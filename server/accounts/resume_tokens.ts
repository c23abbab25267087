/**
 * Visits: what a user's connection leaves behind for a while, so that the user
 * can take the name back and hear what was missed.
 *
 * With a store they outlive the process, and whatever is answered is stored
 * before. Without one they end with it.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { ChatError } from "../../protocol.ts";
import type { StoredVisit, VisitStore } from "../journal/journal.ts";

/** A visit can be taken up again for so long after its connection is gone. */
export const VISIT_LIFE_MS = 5 * 60 * 1_000;

/** Of more, the first that is over is forgotten earlier. */
const MAX_VISITS = 100_000;

const TOKEN_BYTES = 16; // 128 bits: not to be guessed
const TOKEN = /^[0-9a-f]{32}$/;

/** One user's stay, over one connection or several in turn. */
export interface Visit extends StoredVisit {
  /** Those it was in when its connection went away, or is in now. */
  readonly rooms: Map<string, number>;
  /** The connection that has it now. */
  connection: { end(error: ChatError): void } | undefined;
  /** When its connection went away, by the server's clock. */
  goneAt: number;
}

/** What {@linkcode Visits} may be told. */
export interface VisitsOptions {
  /** Where they are kept; default: nowhere. */
  readonly store?: VisitStore;
  /** The server's clock; those that are stored already went away then. */
  readonly now?: number;
}

/** All visits, by name. Of one name, only the newest visit is kept. */
export class Visits {
  readonly #visits = new Map<string, Visit>();
  readonly #store: VisitStore | undefined;

  /** Those in the store, whose connections are gone. */
  constructor({ store, now = 0 }: VisitsOptions = {}) {
    this.#store = store;
    for (const { key, token, since, rooms } of store?.load() ?? []) {
      const visit = { key, token, since, rooms: new Map(rooms) };
      this.#visits.set(key, { ...visit, connection: undefined, goneAt: now });
    }
  }

  /**
   * Begins a visit. `since` is the newest message there is.
   *
   * @throws {ChatError} 119 if it cannot be stored; then there is none.
   */
  async begin(name: string, since: number): Promise<Visit> {
    const visit: Visit = {
      key: name.toLowerCase(),
      token: crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex(),
      since,
      rooms: new Map(),
      connection: undefined,
      goneAt: Infinity,
    };
    await this.#store?.save(visit);
    this.#visits.set(visit.key, visit);
    if (this.#visits.size > MAX_VISITS) this.#forgetOne();
    return visit;
  }

  /** The visit of that name, if `token` is its token. */
  find(name: string, token: string): Visit | undefined {
    if (!TOKEN.test(token)) return undefined; // of one length, as they must be
    const visit = this.#visits.get(name.toLowerCase());
    const same = visit && timingSafeEqual(bytesOf(visit.token), bytesOf(token));
    return same ? visit : undefined;
  }

  /** The visit of that name. */
  newest(name: string): Visit | undefined {
    return this.#visits.get(name.toLowerCase());
  }

  /**
   * Notes that the visit is in a room, and since which message. What an earlier
   * connection saw counts.
   *
   * @throws {ChatError} 119 if it cannot be stored; then it is not in it.
   */
  async joined(visit: Visit, room: string, since: number): Promise<void> {
    if (visit.rooms.has(room)) return;
    visit.rooms.set(room, since);
    try {
      await this.#store?.save(visit);
    } catch (error) {
      visit.rooms.delete(room);
      throw error;
    }
  }

  /**
   * Notes that the visit is in some rooms no more. That holds even if it cannot
   * be stored.
   */
  async left(visit: Visit, rooms: readonly string[]): Promise<void> {
    const left = rooms.filter((room) => visit.rooms.delete(room));
    if (left.length === 0) return;
    await this.#store?.save(visit).catch(unlessNotStored);
  }

  /**
   * Ends the visit of that name: it cannot be taken up again.
   *
   * @throws {ChatError} 119 if that cannot be stored; then it has not ended.
   */
  async forget(name: string): Promise<void> {
    const visit = this.newest(name);
    if (!visit) return;
    await this.#store?.forget([visit]);
    if (this.newest(name) === visit) this.#visits.delete(visit.key);
  }

  /** Forgets the visits whose connection is gone for too long. */
  forgetOld(now: number): void {
    const old = this.#visits.values()
      .filter(({ goneAt }) => goneAt + VISIT_LIFE_MS < now).toArray();
    this.#forgetAll(old);
  }

  #forgetOne(): void {
    const over = this.#visits.values().find(({ connection }) => !connection);
    if (over) this.#forgetAll([over]);
  }

  #forgetAll(visits: readonly Visit[]): void {
    if (visits.length === 0) return;
    for (const { key } of visits) this.#visits.delete(key);
    this.#store?.forget(visits).catch(unlessNotStored);
  }
}

/** What is not stored is tidied up, or is over, after the next start. */
function unlessNotStored(error: unknown): void {
  if (!(error instanceof ChatError)) throw error;
}

const encoder = new TextEncoder();

function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}
