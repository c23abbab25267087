/**
 * JSON from outside, as values of the right types and within limits: `unknown`
 * comes in here, and ends here.
 *
 * @module
 */

/** A record that no honest client sends; it ends the connection. */
export class BadRecord extends Error {
  /** For stack traces. */
  override readonly name = "BadRecord";
}

/** The fields of a JSON object. */
export class Fields {
  readonly #fields: Map<string, unknown>;

  /**
   * `what` is what it should be.
   *
   * @throws {BadRecord} If `value` is no object.
   */
  constructor(value: unknown, what: string) {
    if (typeof value !== "object" || value === null) {
      throw new BadRecord(`${what} that is no object`);
    }
    this.#fields = new Map(Object.entries(value));
  }

  /**
   * Reads JSON.
   *
   * @throws {BadRecord} If it is none, or no object.
   */
  static parse(json: string, what: string): Fields {
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (cause) {
      throw new BadRecord(`${what} that is no JSON`, { cause });
    }
    return new Fields(value, what);
  }

  /** Whether there is one called `name`. */
  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /** A whole number from 0 to `most`. */
  count(name: string, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#fields.get(name);
    if (Number.isSafeInteger(value)) {
      const count = Number(value);
      if (count >= 0 && count <= most) return count;
    }
    throw illegal(name);
  }

  /** A text of at most `longest` UTF-16 units. */
  text(name: string, longest: number): string {
    const value = this.#fields.get(name);
    if (typeof value === "string" && value.length <= longest) return value;
    throw illegal(name);
  }

  /** So many hexadecimal digits. */
  hex(name: string, length: number): string {
    const value = this.text(name, length);
    if (value.length === length && /^[0-9a-f]*$/.test(value)) return value;
    throw illegal(name);
  }

  /** A list of at most `most` values, each read by `read`. */
  list<T>(name: string, most: number, read: (value: unknown) => T): T[] {
    const value = this.#fields.get(name);
    if (Array.isArray(value) && value.length <= most) return value.map(read);
    throw illegal(name);
  }
}

function illegal(name: string): BadRecord {
  return new BadRecord(`no legal "${name}"`);
}
