/**
 * Splits a typed line into words, as a shell does: a name with spaces has quotes,
 * or `\` before each space.
 *
 * Any other `\` stays: it separates folders on Windows.
 *
 * @module
 */

/** The words of `text`; undefined if a quote is not closed. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== "") {
    const [whole = ""] = WORD.exec(rest) ?? [];
    if (whole === "") return undefined;
    words.push(whole.replace(PART, unquoted));
    rest = rest.slice(whole.length);
    if (rest !== "" && !/^\s/.test(rest)) return undefined;
    rest = rest.trimStart();
  }
  return words;
}

function unquoted(part: string): string {
  if (part.startsWith("'")) return part.slice(1, -1);
  if (part.startsWith('"')) return part.slice(1, -1).replaceAll('\\"', '"');
  return part.replace(/\\([\s"'])/, "$1");
}

const PART = /"(?:\\"|[^"])*"|'[^']*'|\\[\s"']|[^\s"']/g;
const WORD = new RegExp(`^(?:${PART.source})+`);
