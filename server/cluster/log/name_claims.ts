/**
 * The names that users of this server hold, on all servers: claims one in the log,
 * and gives it up.
 *
 * @module
 */
import type { ClaimEntry, Holder, ReleaseEntry } from "./claims.ts";
import { UndecidedError } from "../../chat/not_stored.ts";
import type { Item, Origin } from "./codec.ts";
import type { Replica } from "./replica.ts";

/** A release that cannot be stored is tried again after so long. */
const RETRY_MS = 1_000;

/** A name that a user of this server holds. */
export interface Claim extends Disposable {
  readonly name: string;
}

/** Options of {@linkcode NameClaims.claim}. */
export interface ClaimOptions {
  /** Whether the user owns the name, by an account or a resume token. */
  readonly takesOver?: boolean;
  /** Whether other devices of its account keep the name, too. */
  readonly isShared?: boolean;
  /** Called when another server has the name: its user has signed in there. */
  lost(): void;
}

/** Options of {@linkcode NameClaims}. */
export interface NameClaimsOptions {
  readonly replica: Replica;
  append(item: Item): Promise<unknown>;
  /** Whether that is this server, in its present epoch. */
  isOwn(origin: Origin): boolean;
}

/** What a claim changes. */
interface Changed {
  readonly isOwn: boolean;
  /** The servers whose users lose the name. */
  readonly losers: readonly Holder[];
}

/** See the top of the file. */
export class NameClaims {
  readonly #options: NameClaimsOptions;
  /** By the number of the claim: what is held, and what may be. */
  readonly #held = new Map<number, ClaimEntry & { lost(): void }>();
  readonly #asked = new Map<number, ClaimOptions>();
  #lastId = 0;
  #isClosed = false;

  /** Applies claims from now on. */
  constructor(options: NameClaimsOptions) {
    this.#options = options;
    const { replica, isOwn } = options;
    replica.register<ClaimEntry, Changed, void>("claim", {
      // A claim is always of a server.
      change: (entry, origin) => ({
        isOwn: isOwn(origin!),
        losers: replica.claims.claim(entry, origin!),
      }),
      applied: (entry, changed) => this.#claimed(entry, changed),
    });
    replica.register<ReleaseEntry, void, void>("release", {
      change: (entry, origin) => replica.claims.release(entry, origin!),
      applied: () => {},
    });
  }

  /** What users of this server hold. */
  get held(): readonly ClaimEntry[] {
    return Array.from(
      this.#held.values(),
      ({ lost: _, ...entry }) => entry,
    );
  }

  /**
   * Claims a name, for a user of this server. Dispose to give it up.
   *
   * @throws {ChatError} 104 if a user of another server holds it, unless this one
   * owns it; 119 if the log takes no entries.
   * @throws {UndecidedError} If the log does not answer; a claim that is won after
   * that is given up at once.
   */
  async claim(name: string, options: ClaimOptions): Promise<Claim> {
    const id = ++this.#lastId;
    const takesOver = options.takesOver ?? false;
    const { isShared } = options;
    const entry: ClaimEntry = { name, id, takesOver, isShared };
    this.#asked.set(id, options);
    try {
      await this.#options.append({ kind: "claim", entry });
    } catch (error) {
      if (error instanceof UndecidedError) this.#asked.set(id, NOT_WANTED);
      else this.#asked.delete(id);
      throw error;
    }
    return { name, [Symbol.dispose]: () => this.#give(name, id) };
  }

  /** Claims that this server lost while the others took it for gone. */
  lost(claims: readonly ClaimEntry[]): void {
    for (const { id } of claims) this.#lose(id);
  }

  /** Gives nothing up any more: the others are told that the server is gone. */
  close(): void {
    this.#isClosed = true;
  }

  #claimed(entry: ClaimEntry, { isOwn, losers }: Changed): void {
    for (const loser of losers) {
      if (this.#options.isOwn(loser)) this.#lose(loser.id);
    }
    if (!isOwn) return;
    const options = this.#asked.get(entry.id);
    this.#asked.delete(entry.id);
    this.#held.set(entry.id, { ...entry, lost: () => options?.lost() });
    if (!options || options === NOT_WANTED) this.#give(entry.name, entry.id);
  }

  #lose(id: number): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    held?.lost();
  }

  async #give(name: string, id: number): Promise<void> {
    if (!this.#held.delete(id)) return; // it is lost already
    const entry: ReleaseEntry = { name, id };
    while (!this.#isClosed) {
      try {
        return void await this.#options.append({ kind: "release", entry });
      } catch {
        // It counts when it is applied, however often that is.
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}

const NOT_WANTED: ClaimOptions = { lost: () => {} };
