/**
 * What is marked in a message: links, and mentions of a name. And the number
 * from which each client takes the colour of a name, so that a name has the
 * same colour on all screens of a kind.
 *
 * @module
 */
import { type Address, addressesIn } from "./addresses.ts";

/** A part of a message. */
export type TextPart =
  | { readonly kind: "text" | "mention"; readonly text: string }
  | {
    readonly kind: "link";
    readonly text: string;
    /** An address that begins with `http:` or `https:`. */
    readonly href: string;
  };

/** Links and mentions of one text that are marked: a screen draws each. */
export const MAX_MARKED = 100;

/**
 * `text` in parts, in order and without a gap. Behind the first
 * {@linkcode MAX_MARKED} links and mentions nothing is marked.
 *
 * @param me The name whose mentions are marked; empty for none.
 */
export function textParts(text: string, me: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  let count = 0;
  for (const mark of marksIn(text, me)) {
    if (++count > MAX_MARKED) break;
    const { at, text: found, isLink } = mark;
    if (at > end) parts.push({ kind: "text", text: text.slice(end, at) });
    parts.push(
      !isLink
        ? { kind: "mention", text: found }
        : URL.canParse(found)
        ? { kind: "link", text: found, href: new URL(found).href }
        : { kind: "text", text: found },
    );
    end = at + found.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}

/**
 * Whether `text` has `name`, with or without `@`, as a word of its own, and not
 * in an address.
 */
export function mentions(text: string, name: string): boolean {
  if (!mentionPattern(name)?.test(text)) return false;
  for (const { isLink } of marksIn(text, name)) {
    if (!isLink) return true;
  }
  return false;
}

/** A number from 0 to 2**32 - 1 that is the same for a name in any case. */
export function nameHash(name: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (const char of name.toLowerCase()) {
    // The cast: there is one in every character.
    const code = char.codePointAt(0) as number;
    hash = Math.imul(hash ^ code, 0x01000193) >>> 0;
  }
  return hash;
}

/** Links, and mentions of `me` that are not in an address, in order. */
function* marksIn(text: string, me: string): Generator<Address> {
  const pattern = mentionPattern(me);
  let end = 0;
  function* mentionsTo(to: number): Generator<Address> {
    if (!pattern) return;
    for (const { 0: found, index } of text.slice(end, to).matchAll(pattern)) {
      yield { at: end + index, text: found, isLink: false };
    }
  }
  for (const address of addressesIn(text)) {
    yield* mentionsTo(address.at);
    end = address.at + address.text.length;
    if (address.isLink) yield address;
  }
  yield* mentionsTo(text.length);
}

/**
 * Names have letters and digits alone, so nothing has to be escaped. A server
 * that gave us another name cannot make a pattern of it. Other scripts are
 * written beside a name without a space; an accent can be a character of its
 * own, after its letter.
 */
function mentionPattern(name: string): RegExp | undefined {
  if (!/^[A-Za-z0-9]+$/.test(name)) return undefined;
  const word = String.raw`[\p{Script=Latin}\p{Nd}_]`;
  return new RegExp(
    String.raw`(?<!${word}\p{M}*|#)@?${name}(?!${word}|\p{M})`,
    "giu",
  );
}
