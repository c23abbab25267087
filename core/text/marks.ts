/**
 * What is marked in a message: links, and mentions of a name. And the number
 * from which each client takes the colour of a name, so that a name has the
 * same colour on all screens of a kind.
 *
 * @module
 */

/** A part of a message. */
export type TextPart =
  | { readonly kind: "text" | "mention"; readonly text: string }
  | {
    readonly kind: "link";
    readonly text: string;
    /** An address that begins with `http:` or `https:`. */
    readonly href: string;
  };

/**
 * `text` in parts, in order and without a gap.
 *
 * @param me The name whose mentions are marked; empty for none.
 */
export function textParts(text: string, me: string): TextPart[] {
  return text.split(LINK).flatMap((part, index): TextPart[] => {
    const href = index % 2 === 1 ? addressOf(part) : undefined;
    if (href !== undefined) return [{ kind: "link", text: part, href }];
    return withMentions(part, me);
  });
}

/** Whether `text` has `name`, with or without `@`, as a word of its own. */
export function mentions(text: string, name: string): boolean {
  return mentionPattern(name)?.test(text) ?? false;
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

function withMentions(text: string, me: string): TextPart[] {
  const pattern = mentionPattern(me);
  const parts = pattern ? text.split(pattern) : [text];
  return parts.map((part, index) => ({
    kind: index % 2 === 0 ? "text" as const : "mention" as const,
    text: part,
  })).filter(({ text }) => text !== "");
}

/**
 * Names have letters and digits alone, so nothing has to be escaped. A server
 * that gave us another name cannot make a pattern of it.
 */
function mentionPattern(name: string): RegExp | undefined {
  if (!/^[A-Za-z0-9]+$/.test(name)) return undefined;
  return new RegExp(`(?<![A-Za-z0-9])(@?${name})(?![A-Za-z0-9])`, "i");
}

/** The address of a link; undefined if `text` is none. */
function addressOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, href } = new URL(text);
  return protocol === "http:" || protocol === "https:" ? href : undefined;
}

/** An address, without the punctuation that follows it. */
const LINK = /(\bhttps?:\/\/[^\s<>"'`]*[^\s<>"'`.,:;!?)\]}])/i;
