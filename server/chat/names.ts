/**
 * The names of users: which are legal, in use, reserved, or of an account.
 *
 * Names that differ only in case, or look alike, are one name: there is no a1ice
 * beside alice.
 *
 * @module
 */
import { ChatError, isUserName, lookAlike } from "../../protocol.ts";

/** Limit of the numbers that are tried behind a name to find a free one. */
const MAX_TRIES = 20;

/** A connection that is about to register. */
export interface Newcomer {
  /** Ends it with an error. */
  end(error: ChatError): void;
}

/** What {@linkcode UserNames} asks. */
export interface NameRules {
  /** The name with an account that is `name` or looks like it. */
  owned(name: string): string | undefined;
  /** The error for a name that is banned. */
  refusal(name: string): ChatError | undefined;
  /** Whether a user is connected under that name, or a similar one. */
  isConnected(name: string): boolean;
}

/** See the top of the file. */
export class UserNames {
  readonly #rules: NameRules;
  readonly #reserved = new NameMap<Newcomer>();

  constructor(rules: NameRules) {
    this.#rules = rules;
  }

  /**
   * Reserves a name, until it is released or its user enters: for `newcomer`, if
   * a newer connection may take it over.
   *
   * @throws {ChatError} 100, or 104 with a free name as `Suggestion`; 117 if the
   * name is banned.
   */
  reserve(name: string, newcomer: Newcomer = STAYS): void {
    this.check(name);
    if (this.#isTaken(name)) {
      throw new ChatError(
        104,
        `Cannot use the name "${name}": this name (or a similar one) is in use`,
        { headers: { Suggestion: this.freeName(name) } },
      );
    }
    this.#reserved.add(name, newcomer);
  }

  /**
   * Does nothing if a user may have the name.
   *
   * @throws {ChatError} 100 if not, with a name as `Suggestion`; 117 if the name
   * is banned.
   */
  check(name: string): void {
    const refusal = this.#rules.refusal(name);
    if (refusal) throw refusal;
    if (isUserName(name)) return;
    const suggestion = legalName(name);
    throw new ChatError(
      100,
      `Cannot use the name "${
        printable(name)
      }": a name is 1 to 32 letters and digits, and none of ALL, TOSEND, TORECV, SERVER, SYSTEM, ADMIN`,
      { headers: { Suggestion: suggestion && this.freeName(suggestion) } },
    );
  }

  /** The connection for which a name is reserved. */
  newcomer(name: string): Newcomer | undefined {
    return this.#reserved.get(name);
  }

  /** Releases a reserved name. */
  release(name: string): void {
    this.#reserved.delete(name);
  }

  /** A name that is free and begins like `name`, to be suggested. */
  freeName(name: string): string | undefined {
    const stem = name.slice(0, 28);
    for (let number = 2; number < 2 + MAX_TRIES; number++) {
      const candidate = `${stem}${number}`;
      const free = isUserName(candidate) && !this.#isTaken(candidate) &&
        this.owned(candidate) === undefined;
      if (free) return candidate;
    }
    return undefined;
  }

  /** The name with an account that is `name` or looks like it. */
  owned(name: string): string | undefined {
    return this.#rules.owned(name);
  }

  #isTaken(name: string): boolean {
    return this.#rules.isConnected(name) ||
      this.#reserved.get(name) !== undefined;
  }
}

/** A newcomer that no newer connection replaces. */
const STAYS: Newcomer = { end: () => {} };

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

  /** Puts `value` under a name for which {@linkcode get} finds nothing. */
  add(name: string, value: V): void {
    this.#entries.set(name.toLowerCase(), value);
    this.#lookAlikes.set(lookAlike(name), name.toLowerCase());
  }

  /** Takes out a name that was added. */
  delete(name: string): void {
    this.#entries.delete(name.toLowerCase());
    this.#lookAlikes.delete(lookAlike(name));
  }

  /** The values, in the order in which their names were added. */
  values(): MapIterator<V> {
    return this.#entries.values();
  }
}
