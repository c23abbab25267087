/**
 * Addresses in a text: links, mail addresses, hosts, and paths of files.
 *
 * People write links in brackets and quotation marks, and end sentences with
 * them, in all scripts. A link has the brackets that it opens itself; what ends
 * the text around it is not a part of it.
 *
 * @module
 */

/** An address in a text. */
export interface Address {
  /** Where it begins. */
  readonly at: number;
  /** As it stands there. */
  readonly text: string;
  /** Whether it begins like a link, with `http:` or `https:`. */
  readonly isLink: boolean;
}

/** The addresses in `text`, in order; a caller may stop at any of them. */
export function* addressesIn(text: string): Generator<Address> {
  const address = new RegExp(ADDRESS);
  for (;;) {
    const match = address.exec(text);
    if (!match) return;
    const { 0: whole, 1: scheme, index: at } = match;
    const isLink = scheme !== undefined;
    const end = isLink ? linkEnd(text, at) : at + whole.length;
    yield { at, text: text.slice(at, end), isLink };
    address.lastIndex = end;
  }
}

/** Where the link that begins at `at` ends. */
function linkEnd(text: string, at: number): number {
  const quoted = text[at - 1] === "'";
  const open: string[] = []; // the closing brackets that are due
  let end = at;
  let last = at; // after the last character that can end a link
  for (const char of text.slice(at, at + MAX_LINK)) {
    const closing = BRACKETS[char];
    if (closing !== undefined) open.push(closing);
    else if (CLOSING.has(char) && open.pop() !== char) break;
    else if (STOP.test(char) || (quoted && char === "'")) break;
    end += char.length;
    if (CLOSING.has(char) || !TRAILING.test(char)) last = end;
  }
  return last;
}

/** A longer link is cut: no browser follows it. */
const MAX_LINK = 8_000;

const BRACKETS: Readonly<Record<string, string>> = {
  ...{ "(": ")", "[": "]", "{": "}" },
  ...{ "（": "）", "［": "］", "「": "」", "『": "』", "【": "】", "《": "》" },
};
const CLOSING = new Set(Object.values(BRACKETS));

/** No link goes on after these: spaces, quotation marks, the ends of sentences. */
const STOP = /[\s<>"`“”„«»‹›。，、；：？！｡､।॥؟،؛۔።\u200e\u200f]/u;

/** No link ends with these. */
const TRAILING = /[.,:;!?*'([{]|(?![\x20-\x7e])[\p{P}\p{Cf}]/u;

/** All but links end where they match; of a link it is the scheme. */
const ADDRESS = new RegExp(
  [
    String.raw`\b([Hh][Tt][Tt][Pp][Ss]?:\/\/)`,
    String.raw`(?<![\w+.-])[A-Za-z][\w+.-]*:\/\/\S*`,
    String.raw`(?<![\w.%+@-])[\w.%+-]+@[\w.-]*\w(?::[^\s:]*\/\S*)?`,
    String.raw`(?<![\w.%+@-])@[\w.%+-]+@\w[\w-]*(?:\.[\w-]+)+`,
    // After a full stop, an upper-case letter may begin a sentence.
    String
      .raw`(?<![\w.@-])[A-Za-z][\w-]*(?:\.[a-z0-9][\w-]*)+(?::\d+)?(?:\/\S*)?`,
    String.raw`(?<![\p{L}\d/])(?:~|\.{1,2}|\/[^\s/]+)\/\S+`,
    String.raw`(?<!\w)[A-Za-z]:\\\S*`,
  ].join("|"),
  "gu",
);
