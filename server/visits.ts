/**
 * Visits: what a user's connection leaves behind for a while, so that the user
 * can take the name back and hear what was missed.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import type { ChatError } from "../protocol.ts";

/** A visit can be taken up again for so long after its connection is gone. */
export const VISIT_LIFE_MS = 5 * 60 * 1_000;

/** Of more, the first that is over is forgotten earlier. */
const MAX_VISITS = 100_000;

const TOKEN_BYTES = 16; // 128 bits: not to be guessed
const TOKEN = /^[0-9a-f]{32}$/;

/** One user's stay, over one connection or several in turn. */
export interface Visit {
  /** Proves that one is this user. */
  readonly token: string;
  /** The newest message there was when it began. */
  readonly since: number;
  /** The rooms it was in when its connection went away. */
  rooms: Map<string, number> | undefined;
  /** The connection that has it now. */
  connection: { end(error: ChatError): void } | undefined;
  /** When its connection went away, by the server's clock. */
  goneAt: number;
}

/** All visits, by name. Of one name, only the newest visit is kept. */
export class Visits {
  readonly #visits = new Map<string, Visit>();

  /** Begins a visit. */
  begin(name: string, since: number): Visit {
    const bytes = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
    const visit: Visit = {
      token: bytes.toHex(),
      since,
      rooms: undefined,
      connection: undefined,
      goneAt: Infinity,
    };
    this.#visits.set(name.toLowerCase(), visit);
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

  /** Ends the visit of that name: it cannot be taken up again. */
  forget(name: string): void {
    this.#visits.delete(name.toLowerCase());
  }

  /** Forgets the visits whose connection is gone for too long. */
  forgetOld(now: number): void {
    for (const [key, { goneAt }] of this.#visits) {
      if (goneAt + VISIT_LIFE_MS < now) this.#visits.delete(key);
    }
  }

  #forgetOne(): void {
    for (const [key, { connection }] of this.#visits) {
      if (connection) continue;
      this.#visits.delete(key);
      return;
    }
  }
}

const encoder = new TextEncoder();

function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}
