/**
 * The names of users: which are legal, in use, reserved, or of an account.
 *
 * Names that differ only in case, or look alike, are one name: there is no a1ice
 * beside alice. A new name must not be similar to another one either
 * (similar_names.ts): there is no al1ce beside alice.
 *
 * @module
 */
import { ChatError, isUserName, lookAlike } from "../../../protocol.ts";
import { reservedWord } from "./reserved_names.ts";
import { SimilarNames } from "./similar_names.ts";

/** A free name begins so, if all that begin like the wanted one are reserved. */
const OTHER_STEM = "user";

/** Limit of the numbers that are tried behind a name to find a free one. */
const MAX_TRIES = 50;

/** What {@linkcode UserNames} asks. */
export interface NameRules {
  /** The name with an account that is `name` or looks like it. */
  owned(name: string): string | undefined;
  /** The error for a name that is banned. */
  refusal(name: string): ChatError | undefined;
  /** Whether a user is connected under that name, or one that looks like it. */
  isConnected(name: string): boolean;
  /** The same on another server of the chat. */
  isElsewhere(name: string): boolean;
  /** The name of a connected user, or of an account, that is similar to `name`. */
  similar(name: string): string | undefined;
}

/** How a name is asked for. */
export interface Request {
  /**
   * For how many seconds at most a client has the name that seems to be gone.
   */
  readonly retryAfter?: number | undefined;
  /**
   * Whether the name belongs to its user already, by an account or a session: it
   * may be similar to others, and reserved.
   */
  readonly isOwn?: boolean;
  /** Whether it is one more device of the account, beside those that are there. */
  readonly isBeside?: boolean;
}

/** See the top of the file. */
export class UserNames {
  /** The display name of a connected user that is similar to a name. */
  displayed: ((name: string) => string | undefined) | undefined;
  readonly #rules: NameRules;
  readonly #reserved = new NameMap<{ count: number }>({ findsSimilar: true });

  constructor(rules: NameRules) {
    this.#rules = rules;
  }

  /**
   * Reserves a name, until it is released or its user enters. A name that is the
   * user's own may be in use on another server, from which the user moves; and
   * devices of an account can reserve it several times.
   *
   * @throws {ChatError} 100, or 104 with a free name as `Suggestion`; 117 if the
   * name is banned.
   */
  reserve(
    name: string,
    { retryAfter, isOwn = false, isBeside = false }: Request = {},
  ): void {
    this.check(name, { isOwn });
    const reserved = this.#reserved.get(name);
    if (isBeside && reserved) return void reserved.count++;
    if (isBeside) return this.#reserved.add(name, { count: 1 });
    if (this.#isTaken(name) || !isOwn && this.#rules.isElsewhere(name)) {
      throw this.#inUse(name, retryAfter);
    }
    const similar = isOwn ? undefined : this.#similar(name);
    if (similar !== undefined) {
      const why = `it looks like "${similar}", the name of another user`;
      throw this.#taken(name, why);
    }
    this.#reserved.add(name, { count: 1 });
  }

  /**
   * Does nothing if a user may have the name.
   *
   * @throws {ChatError} 100 if not, with a name as `Suggestion`; 117 if the name
   * is banned.
   */
  check(name: string, { isOwn = false }: Pick<Request, "isOwn"> = {}): void {
    const refusal = this.#rules.refusal(name);
    if (refusal) throw refusal;
    if (!isUserName(name)) {
      const suggestion = legalName(name);
      throw new ChatError(
        100,
        `Cannot use the name "${
          printable(name)
        }": a name is 1 to 32 letters and digits, and none of ALL, TOSEND, TORECV, SERVER, SYSTEM, ADMIN`,
        { headers: { Suggestion: suggestion && this.freeName(suggestion) } },
      );
    }
    const word = reservedWord(name);
    // Accounts that are older than a reserved word keep their names.
    if (!word || isOwn || this.owned(name) !== undefined) return;
    throw new ChatError(
      100,
      `Cannot use the name "${name}": names like "${word}" are reserved; choose another name`,
      { headers: { Suggestion: this.freeName(name) } },
    );
  }

  /** The error 104 for a name whose user may come back within so many seconds. */
  kept(name: string, seconds: number): ChatError {
    const why = "its user lost the connection a moment ago; " +
      `it is free in ${seconds} seconds unless that user comes back`;
    return this.#taken(name, why, seconds);
  }

  /** Releases a reserved name. */
  release(name: string): void {
    const reserved = this.#reserved.get(name);
    if (reserved && --reserved.count === 0) this.#reserved.delete(name);
  }

  /** A name that is free, to be suggested. It begins like `name` if that can be. */
  freeName(name: string): string | undefined {
    for (const stem of [name.slice(0, 28), OTHER_STEM]) {
      for (let number = 2; number < 2 + MAX_TRIES; number++) {
        const candidate = `${stem}${number}`;
        if (this.#isFree(candidate)) return candidate;
      }
    }
    return undefined;
  }

  /** The name with an account that is `name` or looks like it. */
  owned(name: string): string | undefined {
    return this.#rules.owned(name);
  }

  /** The name of a user, or of an account, that can be read as `text`. */
  resembled(text: string): string | undefined {
    return this.owned(text) ?? this.#rules.similar(text) ??
      this.#reserved.similar(text);
  }

  #isFree(name: string): boolean {
    return isUserName(name) && reservedWord(name) === undefined &&
      !this.#isTaken(name) && !this.#rules.isElsewhere(name) &&
      this.owned(name) === undefined &&
      this.#similar(name) === undefined;
  }

  #isTaken(name: string): boolean {
    return this.#rules.isConnected(name) ||
      this.#reserved.get(name) !== undefined;
  }

  /** A name that is taken, and is similar to `name`. */
  #similar(name: string): string | undefined {
    return this.#rules.similar(name) ?? this.#reserved.similar(name) ??
      this.displayed?.(name);
  }

  #inUse(name: string, retryAfter: number | undefined): ChatError {
    const gone = retryAfter === undefined
      ? ""
      : `, by a client that does not answer; it is free in ${retryAfter} seconds unless that changes`;
    const why = `this name (or a similar one) is in use${gone}`;
    return this.#taken(name, why, retryAfter);
  }

  #taken(name: string, why: string, retryAfter?: number): ChatError {
    return new ChatError(104, `Cannot use the name "${name}": ${why}`, {
      headers: {
        Suggestion: this.freeName(name),
        "Retry-after": retryAfter,
      },
    });
  }
}

/** A word of a client, fit to be quoted in a head. */
export function printable(word: string): string {
  return word.slice(0, 64).replaceAll(/[^\x20-\x7e]/g, "?");
}

/** The nearest legal name, if there is anything to make it of. */
function legalName(name: string): string | undefined {
  return name.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 32) || undefined;
}

/**
 * Values by name, where names that differ only in case, and look-alikes, are
 * the same name.
 */
export class NameMap<V> {
  readonly #entries = new Map<string, V>(); // by name in lower case
  readonly #lookAlikes = new Map<string, string>(); // to the key above
  readonly #similar: SimilarNames | undefined;

  /** Only with `findsSimilar` it finds {@linkcode similar} names. */
  constructor({ findsSimilar = false }: { findsSimilar?: boolean } = {}) {
    if (findsSimilar) this.#similar = new SimilarNames();
  }

  /** How many names there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of `name`, or else of a name that looks like it. */
  get(name: string): V | undefined {
    const exact = this.#entries.get(name.toLowerCase());
    if (exact !== undefined) return exact;
    const key = this.#lookAlikes.get(lookAlike(name));
    return key === undefined ? undefined : this.#entries.get(key);
  }

  /** A name, as it was added, that is similar to `name`. */
  similar(name: string): string | undefined {
    return this.#similar?.find(name);
  }

  /** Puts `value` under a name for which {@linkcode get} finds nothing. */
  add(name: string, value: V): void {
    this.#entries.set(name.toLowerCase(), value);
    this.#lookAlikes.set(lookAlike(name), name.toLowerCase());
    this.#similar?.add(name);
  }

  /** Takes out a name that was added. */
  delete(name: string): void {
    this.#entries.delete(name.toLowerCase());
    this.#lookAlikes.delete(lookAlike(name));
    this.#similar?.delete(name);
  }

  /** The values, in the order in which their names were added. */
  values(): MapIterator<V> {
    return this.#entries.values();
  }
}
