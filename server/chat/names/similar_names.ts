/**
 * Names that a reader may take for each other: `AL1CE` and alice, `clean` and
 * dean.
 *
 * lookAlike() of protocol.ts says which names are the same name: it finds users
 * and accounts. This comparison is wider, and only says which new name is refused
 * beside another one. Else a message to `dean` could reach `clean`.
 *
 * Names are compared as they are written: `clean` can be read as Dean, but `Clean`
 * cannot. That two names are similar is not transitive: `user8` and `user6`
 * are both similar to `userB`, but not to each other. Elia and Ella are not similar
 * either: a reader tells i and l apart in small letters.
 *
 * @module
 */
import { DIGITS, SEQUENCES } from "./confusables.ts";

/** For each digit, and the bar of 1, I and l, what looks like it. */
const LIKE: Readonly<Record<string, string>> = {
  ...DIGITS,
  // Unicode's table compares the characters of one font, and omits these.
  ...{ "2": "z", "5": "s", "6": "bg", "8": "b", "9": "gq" },
  "|": `1${DIGITS[1]}`,
};

/** What can be read as one letter. Unicode has it where a character is part of it. */
const DRAWN: Readonly<Record<string, string>> = {
  ...SEQUENCES,
  ...{ d: "cl", w: "vv" },
};

/** For each letter and digit what stands in a shape: of similar ones the same. */
const SHAPES: Readonly<Record<string, string>> = shapes();

function shapes(): Record<string, string> {
  const group: Record<string, string> = {};
  for (const [one, others] of Object.entries(LIKE)) {
    for (const other of others) {
      const [from, to] = [group[one] ?? one, group[other] ?? other];
      for (const key in group) if (group[key] === from) group[key] = to;
      group[from] = group[one] = to;
    }
  }
  const all = [
    ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
  ];
  return Object.fromEntries(all.map((one) => {
    const letter = one.toLowerCase();
    const parts = DRAWN[letter] ?? letter;
    return [one, [...parts].map((part) => group[part] ?? part).join("")];
  }));
}

/** A name that can be found. */
interface Entry {
  readonly name: string;
  /** See {@linkcode placesOf}; when it is compared for the first time. */
  places?: string[];
}

/** Names, to be found by those that are similar to them. */
export class SimilarNames {
  readonly #byShape = new Map<string, Entry[]>();

  /** A name that was added and is similar to `name`. */
  find(name: string): string | undefined {
    const entries = this.#byShape.get(shapeOf(name));
    if (!entries) return undefined;
    const places = placesOf(name);
    return entries.find((entry) =>
      areAlike(entry.places ??= placesOf(entry.name), places)
    )?.name;
  }

  /** Adds a name. */
  add(name: string): void {
    const shape = shapeOf(name);
    const entries = this.#byShape.get(shape);
    if (entries) entries.push({ name });
    else this.#byShape.set(shape, [{ name }]);
  }

  /** Takes out a name that was added, in any case. */
  delete(name: string): void {
    const shape = shapeOf(name);
    const key = name.toLowerCase();
    const left = this.#byShape.get(shape)
      ?.filter((entry) => entry.name.toLowerCase() !== key) ?? [];
    if (left.length > 0) this.#byShape.set(shape, left);
    else this.#byShape.delete(shape);
  }
}

/** Whether two texts are similar. */
export function areSimilar(one: string, other: string): boolean {
  return shapeOf(one) === shapeOf(other) &&
    areAlike(placesOf(one), placesOf(other));
}

/** The same text for all names that are similar, and for some that are not. */
export function shapeOf(name: string): string {
  let shape = "";
  for (const one of name) shape += SHAPES[one] ?? one;
  return shape;
}

/**
 * The places of a name: a character for each, or two: what could be written there
 * in small letters, and the letter that is. So `Do` has `cd`, `ld`, `o`.
 */
function placesOf(name: string): string[] {
  return [...withBars(name)].flatMap((one) => {
    const letter = one.toLowerCase();
    const parts = DRAWN[letter];
    return parts ? [...parts].map((part) => part + letter) : [one];
  });
}

/** `name` with `|` for each 1, I and l that a reader can take for i and for l. */
function withBars(name: string): string {
  const number = /[0-9]*$/.exec(name)!.index; // the 1 of c12 is no part of a d
  const hasSmall = /[a-km-z]/.test(name);
  const hasCapital = /[A-HJ-Z]/.test(name);
  const capitals = name.match(/[A-Z]/g)?.length ?? 0;
  return name.slice(0, number).replaceAll("1", "|")
    // In capitals only, I is certainly no l.
    .replaceAll("I", hasSmall || !hasCapital ? "|" : "I")
    // Beside capitals, a small l is taken for I.
    .replaceAll("l", capitals > 1 || capitals > 0 && !hasSmall ? "|" : "l") +
    name.slice(number);
}

/** Whether places of the same shape look like each other. */
function areAlike(some: readonly string[], others: readonly string[]): boolean {
  return some.every((one, i) => one === others[i] || isAlike(one, others[i]!));
}

function isAlike(one: string, other: string): boolean {
  if (one.length !== other.length) {
    const [part, whole] = one.length > 1 ? [one[0], other] : [other[0], one];
    // VV can be read as W, but RN is no M.
    return part === whole || part === "v" && whole === "V" ||
      part === "l" && whole === "|";
  }
  if (one.length > 1) return one[1] === other[1];
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  return a === b || (LIKE[a] ?? "").includes(b) || (LIKE[b] ?? "").includes(a);
}
