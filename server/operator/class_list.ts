/**
 * `accounts import`: makes an account for each name of a class list, and writes
 * the codes with which their owners sign up into a file beside the list. Loaded
 * when the operator imports one.
 *
 * The list is a name a line, or a CSV file, as spreadsheets write them. No line is
 * taken by half: each is an account with a code in the new file, or it is wrong, and
 * the answer says why. No password is made of anything, which would take long: so
 * the chat goes on meanwhile.
 *
 * @module
 */
import { parse } from "@std/csv/parse";
import { sanitize } from "../../core/text/sanitize.ts";
import { ChatError } from "../../protocol.ts";
import { newCode, NO_PASSWORD } from "../accounts/credentials.ts";
import { counted, type Desk, quoted } from "./desk.ts";
import { localTime } from "./screen.ts";

/** Limit of a class list, in bytes. */
export const MAX_LIST_BYTES = 1024 * 1024;

/** Limit of the wrong lines that the answer names. */
export const MAX_WRONG = 20;

/** Limit of the lines of one record. */
const MAX_RECORD_LINES = 100;

/** So many accounts are stored at once; users have their turn after them. */
const AT_ONCE = 50;

/** Names of the column that has the users' names, in lower case. */
const COLUMNS = new Set(["name", "username", "user name", "user", "login"]);

/** A line of a class list, by the number of its first line. */
export interface ListLine {
  readonly line: number;
  /** The name in it; undefined if it cannot be read. */
  readonly name: string | undefined;
}

/**
 * Imports the list in the file `path`; the codes are good for `ms`.
 *
 * @returns What the operator is told.
 */
export async function importList(
  desk: Desk,
  path: string,
  ms: number,
): Promise<string> {
  const target = `${path.replace(/\.(csv|txt)$/i, "")}-codes.csv`;
  try {
    const lines = namesIn(await readList(path));
    if (lines.length === 0) return `Cannot import ${path}: it has no names`;
    return await makeAccounts(desk, { lines, target, ms });
  } catch (error) {
    const why = whyNot(error, target);
    if (why === undefined) throw error; // a bug of ours
    return `Cannot import ${path}: ${why}`;
  }
}

/** @throws {ListError} If it is too long. */
async function readList(path: string): Promise<string> {
  const info = await Deno.stat(path); // before: to open a pipe waits for a writer
  if (!info.isFile) throw new ListError("it is no file");
  if (info.size > MAX_LIST_BYTES) {
    throw new ListError(`it has ${info.size} bytes; the limit is 1 MiB`);
  }
  const bytes = await Deno.readFile(path);
  // Names are ASCII: of other columns, any encoding will do.
  const isWide = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(isWide ? "utf-16le" : "utf-8").decode(bytes);
}

/** The lines of a list that are not empty; the title of a column is none. */
export function namesIn(text: string): ListLine[] {
  const all = [...recordsOf(text)];
  const separator = separatorOf(all[0]?.text ?? "");
  const rows = all.map(({ line, text }) => ({
    line,
    cells: cellsOf(text, separator),
  }));
  const [first] = rows;
  const titled =
    first?.cells?.findIndex((cell) => COLUMNS.has(cell.toLowerCase())) ?? -1;
  return rows.slice(titled >= 0 ? 1 : 0).map(({ line, cells }) => ({
    line,
    name: cells && (cells[Math.max(titled, 0)] ?? ""),
  }));
}

/**
 * Records, each with the number of its first line: a quoted cell has line breaks. A
 * quote that is not closed soon is a mistake in its line, and not in all that follow.
 */
function* recordsOf(text: string): Generator<{ line: number; text: string }> {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  for (let first = 0; first < lines.length;) {
    let end = first + 1;
    let isOpen = opensQuote(lines[first]!);
    while (isOpen && end < lines.length && end - first < MAX_RECORD_LINES) {
      isOpen = opensQuote(lines[end++]!) !== isOpen;
    }
    if (isOpen) end = first + 1;
    const record = lines.slice(first, end).join("\n");
    if (record.trim() !== "") yield { line: first + 1, text: record };
    first = end;
  }
}

/** Whether a line opens a quote, or closes one that is open. */
function opensQuote(line: string): boolean {
  return line.split('"').length % 2 === 0;
}

/** What separates the cells of a line: spreadsheets of some countries write `;`. */
function separatorOf(line: string): string {
  const bare = line.replaceAll(/"[^"]*"/g, "");
  const count = (mark: string) => bare.split(mark).length;
  const [best = ","] = [",", ";", "\t"].sort((a, b) => count(b) - count(a));
  return best;
}

/** The cells of a record; undefined if its quotes are wrong. */
function cellsOf(record: string, separator: string): string[] | undefined {
  try {
    const [cells = []] = parse(record, { separator });
    return cells.map((cell) => cell.trim());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What is to be made, and where the codes go. */
interface Import {
  readonly lines: readonly ListLine[];
  readonly target: string;
  readonly ms: number;
}

async function makeAccounts(
  desk: Desk,
  { lines, target, ms }: Import,
): Promise<string> {
  await desk.accounts.load();
  const until = Date.now() + ms;
  const end = localTime(new Date(until));
  const wrong: string[] = [];
  let made = 0;
  let fault = "";
  const create = { write: true, createNew: true, mode: 0o600 };
  {
    using file = await Deno.open(target, create);
    await write(file, "name,code,good until\n");
    for (let at = 0; at < lines.length && fault === ""; at += AT_ONCE) {
      const part = lines.slice(at, at + AT_ONCE);
      const done = await Promise.all(
        part.map((one) => makeAccount(desk, one, until)),
      );
      for (const one of done) if ("why" in one) wrong.push(one.why);
      const good = done.filter((one) => "code" in one);
      const rows = good.map(({ name, code }) => `${name},${code},${end}\n`);
      try {
        await write(file, rows.join(""));
        made += rows.length;
      } catch (error) { // without their codes they are worth nothing
        await Promise.all(good.map((one) => desk.accounts.loaded?.delete(one)));
        fault = (error as Error).message; // the cast: of the system
      }
    }
  }
  const path = await Deno.realPath(target);
  if (made === 0) await Deno.remove(target); // it has no code
  return [
    ...made === 0 ? ["No account was made."] : [
      `Made ${
        counted(made, "account")
      }. Their owners sign up with the codes in ` +
      `${path}, until ${end}.`,
    ],
    ...fault === "" ? [] : [`The lines behind them are not imported: ${fault}`],
    ...wrongLines(wrong),
  ].join("\n");
}

async function write(file: Deno.FsFile, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
}

type Made = { readonly name: string; readonly code: string };

/** Makes one account; or says why its line is wrong. */
async function makeAccount(
  desk: Desk,
  { line, name }: ListLine,
  until: number,
): Promise<Made | { readonly why: string }> {
  const { accounts, hub, journal } = desk;
  const cannot = (why: string) => ({ why: `line ${line}: ${sanitize(why)}` });
  if (name === undefined) return cannot("its quotes do not fit");
  if (name === "") return cannot("it has no name");
  const known = accounts.loaded?.named(name);
  if (known) {
    const looks = known.name.toLowerCase() === name.toLowerCase()
      ? ""
      : `, which looks like ${quoted(name)},`;
    return cannot(`${known.name}${looks} has an account`);
  }
  try {
    hub.names.reserve(name);
  } catch (error) {
    if (error instanceof ChatError) return cannot(short(error, name));
    throw error;
  }
  try {
    const { code, hash } = newCode();
    await accounts.loaded?.create({
      ...{ name, verifier: NO_PASSWORD, code: { hash, until } },
      ...{ since: journal.lastId, keyScope: crypto.randomUUID(), network: "" },
    });
    return { name, code };
  } catch (error) {
    if (error instanceof ChatError) return cannot(error.message);
    throw error;
  } finally {
    hub.names.release(name);
  }
}

/** Why a name cannot be had. */
function short({ message }: ChatError, name: string): string {
  const why = message.replace(/^Cannot use the name "[^"]*": /, "");
  return `${quoted(name)}: ${why}`;
}

function wrongLines(wrong: readonly string[]): string[] {
  if (wrong.length === 0) return [];
  const more = wrong.length - MAX_WRONG;
  return [
    `${counted(wrong.length, "line")} ${
      wrong.length === 1 ? "is" : "are"
    } wrong, and nothing was made of ${wrong.length === 1 ? "it" : "them"}:`,
    ...wrong.slice(0, MAX_WRONG).map((one) => `  ${one}`),
    ...more > 0 ? [`  and ${more} more`] : [],
  ];
}

/** A list that cannot be used; the message says why. */
class ListError extends Error {}

/** Why it failed, in words; undefined for a bug. */
function whyNot(error: unknown, target: string): string | undefined {
  if (error instanceof ListError) return error.message;
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.AlreadyExists) {
    return `${target} exists already. Move it away first: no codes are lost so.`;
  }
  if (error instanceof Deno.errors.NotCapable) {
    return "the server may not use this folder. Put the list into the folder " +
      "where the server was started.";
  }
  // The cast: the system's errors are errors.
  const isOfSystem = error instanceof Error && "code" in error;
  return isOfSystem ? (error as Error).message : undefined;
}
