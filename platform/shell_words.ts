/**
 * Words as the shells of each system write them, and as terminals insert the path
 * of a file that is dropped on them:
 *
 * - macOS: `Report\ \(1\).pdf`
 * - Linux: `'Report (1).pdf'`, with `'\''` for an apostrophe
 * - Windows: `"C:\my files\a.txt"`, and `C:\Bob's\a.txt` as it is
 * - PowerShell: `'C:\Bob''s\a.txt'`, and VS Code inserts `& ` before that
 * - Git Bash: `'/c/my files/a.txt'`, or `/c/my\ files/a.txt`
 * - WSL: a path of Windows that is copied has `\` between its folders
 *
 * Only a space, a tab or a line break ends a word. Other blanks are letters: the
 * names of screenshots of macOS have U+202F in them, and no terminal quotes that.
 *
 * @module
 */
import { SYSTEM, type System } from "./system.ts";

/**
 * The words of `text`. `\` takes away the meaning of the next character; on
 * Windows it separates folders, and `'` quotes whole words only.
 *
 * @returns Undefined if a quote is not closed.
 */
export function splitWords(
  text: string,
  system: System = SYSTEM,
): string[] | undefined {
  const word = wordOf(system);
  // A quote that is not closed is a part of no word.
  if (text.replace(word, "").trim() !== "") return undefined;
  const words = text.match(word) ?? [];
  return words.map(system === "windows" ? windowsWord : shellWord);
}

/** The last word of `text`, as it is written, with a quote that is perhaps open. */
export function lastWord(text: string, system: System = SYSTEM): string {
  const { source } = wordOf(system);
  const before = `^(?:${BLANK}*(?:${source})(?=${BLANK}))*${BLANK}*`;
  return text.replace(new RegExp(before, "u"), "");
}

/** `path` as a word, with what is put after it. */
export function quoted(
  path: string,
  isFolder: boolean,
  system: System = SYSTEM,
): string {
  const end = isFolder ? "/" : "";
  const after = isFolder ? "" : " ";
  if (system !== "windows") {
    const name = path.replace(/[ \t\r\n"'\\$`!&()*;<>?[\]{}|#]/g, "\\$&");
    return name + end + after;
  }
  if (!/[ \t\r\n']/.test(path)) return path + end + after;
  return `"${path}${end}${isFolder ? "" : '"'}${after}`; // more can follow
}

/** What the quotes of a shell mean in a part of a word. */
const PART = /"(?:\\[^]|[^"\\])*"|'[^']*'|\\(?:[^]|$)|[^ \t\r\n"'\\]/g;
const BLANK = "[ \\t\\r\\n]";
const BEGINS = "(?<![^ \\t\\r\\n])";
const ENDS = "(?![^ \\t\\r\\n])";

/**
 * A path of Windows on another system. Behind `C:\` there is a letter or a digit:
 * no shell writes `\` before those.
 */
const WINDOWS_PATH =
  /(?:[A-Za-z]:\\(?=[\p{L}\p{N}_.])|\\\\wsl(?:\$|\.localhost)\\)[^ \t\r\n"]*/u;
const WORD = new RegExp(
  `${BEGINS}${WINDOWS_PATH.source}${ENDS}|(?:${PART.source})+`,
  "gu",
);

/** PowerShell doubles an apostrophe, and Git Bash writes `'\''`. */
const SINGLE_QUOTED = /(?:& )?'(?:[^']|''|'\\'')*'/;
const GIT_BASH_PATH = new RegExp(`/[A-Za-z]/(?:${PART.source})*`);
const WINDOWS_WORD = new RegExp(
  [
    `${BEGINS}${SINGLE_QUOTED.source}${ENDS}`,
    `${BEGINS}${GIT_BASH_PATH.source}${ENDS}`,
    `(?:"[^"]*"|(?<=[^ \\t\\r\\n])'|[^ \\t\\r\\n"'])+`,
  ].join("|"),
  "gu",
);

function wordOf(system: System): RegExp {
  return system === "windows" ? WINDOWS_WORD : WORD;
}

function shellWord(word: string): string {
  const isPath = WINDOWS_PATH_ONLY.test(word);
  return isPath ? word : word.replace(PART, unquoted);
}

function windowsWord(word: string): string {
  if (/^(?:& )?'/.test(word)) {
    return word.replace(/^(?:& )?'|'$/g, "").replaceAll(/''|'\\''/g, "'");
  }
  if (/^\/[A-Za-z]\//.test(word)) return word.replace(PART, unquoted);
  return word.replaceAll('"', "");
}

function unquoted(part: string): string {
  if (part.startsWith("'")) return part.slice(1, -1);
  if (!part.startsWith('"')) return part.replace(/\\([^])/, "$1");
  return part.slice(1, -1).replace(/\\(["\\$`])/g, "$1");
}

const WINDOWS_PATH_ONLY = new RegExp(`^${WINDOWS_PATH.source}$`, "u");
