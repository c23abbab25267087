/**
 * What two clients say about files on a direct connection, as records.
 *
 * A record's first byte tells its kind: control records carry JSON, since they
 * are few, and data records a number and bytes. docs/files.md shows which
 * follows which; here is only how each is written and read. What was read has
 * the right types and is within the limits: `unknown` ends here.
 *
 * Each side counts its own transfers and its own requests from 1. A record is
 * about the sender's own transfer or the peer's, never both: its type tells.
 *
 * @module
 */
import * as v from "valibot";
import type { Bytes } from "../../core/scram.ts";

/** Longest reason that is sent to the peer, in UTF-16 units. */
const MAX_REASON_LENGTH = 500;

/** First byte of a control record. */
export const CONTROL = 0x20;

/** First byte of a data record. */
export const DATA = 0x21;

/** Bytes before the data of a data record: its kind, and the transfer. */
export const DATA_HEAD_BYTES = 5;

/**
 * Most bytes of a file in one record, and how many there usually are. Measured:
 * with less, what each record costs weighs more than its bytes.
 */
export const PIECE_BYTES = 262_144;

/** Most files in one offer, empty folders included. */
export const MAX_FILES = 100_000;

/** Most folders in one offer, besides the empty ones. */
export const MAX_FOLDERS = 100_000;

/** Most entries in one record. */
export const MAX_ENTRIES = 500;

/** Longest a manifest's paths are together, in UTF-16 units. */
export const MAX_PATHS_LENGTH = 16 * 1_048_576;

/** Deepest folder that is taken. */
export const MAX_DEPTH = 32;

/** Longest path that is taken, in UTF-16 units. */
export const MAX_PATH_LENGTH = 2_048;

/**
 * The parts of a path as the protocol has it: relative, parted by `/`, an empty
 * folder with `/` at its end.
 *
 * @returns Undefined if no honest sender says such a thing: an absolute path,
 * one with `.`, `..`, an empty part or a NUL in it, or one over the limits.
 */
export function pathParts(path: string): string[] | undefined {
  const parts = path.replace(/\/$/, "").split("/");
  const isHonest = path.length <= MAX_PATH_LENGTH &&
    parts.length <= MAX_DEPTH && !path.includes("\0") &&
    parts.every((part) => part !== "" && part !== "." && part !== "..");
  return isHonest ? parts : undefined;
}

/**
 * Why a file cannot be sent, received or written. It ends one transfer, and
 * nothing else. The message is sent to the peer: it names files as the peer
 * knows them, and never a path of this disk.
 */
export class FileFailure extends Error {
  override readonly name = "FileFailure";
  /** Whether what was received so far is useless. */
  readonly spoiled: boolean;

  constructor(
    message: string,
    options: { spoiled?: boolean; cause?: unknown } = {},
  ) {
    super(message.slice(0, MAX_REASON_LENGTH), { cause: options.cause });
    this.spoiled = options.spoiled ?? false;
  }
}

/** A record that no honest client sends; it ends the connection. */
export class BadRecord extends Error {
  override readonly name = "BadRecord";
}

/** A whole number from 0 to `most`. */
export function count(most: number = Number.MAX_SAFE_INTEGER) {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(most));
}

/** A text of at most `longest` UTF-16 units. */
export function text(longest: number) {
  return v.pipe(v.string(), v.maxLength(longest));
}

/** A list of at most `most` values. */
export function list<T extends v.GenericSchema>(most: number, item: T) {
  // The length first: a list that is too long is not looked through.
  return v.pipe(v.array(v.any()), v.maxLength(most), v.array(item));
}

/** What a `Date` takes, in whole milliseconds. */
export function time() {
  const most = 8.64e15;
  return v.pipe(v.number(), v.integer(), v.minValue(-most), v.maxValue(most));
}

function hex(length: number) {
  return v.pipe(v.string(), v.length(length), v.regex(/^[0-9a-f]*$/));
}

/** `json`, as text or UTF-8, as `schema` has it; `what` is what it should be. */
export function parse<T extends v.GenericSchema>(
  schema: T,
  json: string | Uint8Array,
  what: string,
): v.InferOutput<T> {
  let value: unknown;
  try {
    value = JSON.parse(typeof json === "string" ? json : decoder.decode(json));
  } catch (cause) {
    throw new BadRecord(`${what} that is no JSON`, { cause });
  }
  const { success, output, issues } = v.safeParse(schema, value, {
    abortEarly: true,
  });
  if (success) return output;
  const field = v.getDotPath(issues[0]) ?? "value";
  throw new BadRecord(`${what} with an illegal ${field}`);
}

/** A file, or with `/` at the end of its path an empty folder. */
const ENTRY = v.pipe(
  v.object({
    /** To which item of the offer it belongs, from 0. */
    item: count(MAX_FILES),
    /** Relative, separated by `/`, beginning with the item's name. */
    path: v.pipe(
      text(MAX_PATH_LENGTH),
      v.check((path) => pathParts(path) !== undefined),
    ),
    /** In bytes. */
    size: count(),
    /** When it was last changed, in milliseconds since 1970. */
    modified: v.optional(time()),
    /** Whether its owner may run it. */
    executable: v.optional(v.boolean()),
  }),
  v.check(({ path, size }) => !path.endsWith("/") || size === 0),
);

const [transfer, request] = [count(), count()];
const reason = text(MAX_REASON_LENGTH);

const CONTROLS = v.variant("type", [
  /** Files are offered; their manifest follows. */
  control("offer", {
    transfer,
    /** The same after a break; nobody can guess it. */
    id: hex(32),
    /** How many entries the manifest has. */
    files: count(MAX_FILES),
    /** The sum of all sizes. */
    size: count(),
    /** Which `get` it answers, if one. */
    answers: v.optional(count()),
    /** How many files, links and devices of its folders are not offered. */
    leftOut: v.optional(count()),
  }),
  /** Some entries of the manifest. */
  control("manifest", { transfer, entries: list(MAX_ENTRIES, ENTRY) }),
  /** Send from there: `hash` is of the first `offset` bytes of `item`. */
  control("accept", {
    transfer,
    item: count(MAX_FILES),
    offset: count(),
    hash: hex(64),
    /** What it is written to. Only a receiver that says so knows `missing`. */
    disk: v.optional(v.picklist(["linux", "darwin", "windows"])),
  }),
  /** Data follow from there: 0 if the beginnings differ. */
  control("begin", { transfer, offset: count() }),
  /** So many bytes were received since `begin`. */
  control("got", { transfer, bytes: count() }),
  /**
   * Why something does not arrive; with `file`, one of the item's entries, whose
   * bytes count as sent.
   */
  control("missing", {
    transfer,
    reason,
    file: v.optional(count(MAX_FILES)),
  }),
  /** An item is whole; its hash. */
  control("end", { transfer, hash: hex(64) }),
  /** Everything is whole, has the right hashes and its name. */
  control("done", { transfer }),
  /** The receiver does not want it. */
  control("decline", { transfer, reason }),
  /** The sender withdraws it, also while it is sent. */
  control("withdraw", { transfer, reason }),
  /** The receiver stops it. */
  control("stop", { transfer, reason }),
  /** Asks for something of the shared folder. */
  control("get", { request, path: text(MAX_PATH_LENGTH) }),
  /** Asks what the shared folder has. */
  control("list", { request }),
  /** What it has; `more` that is not listed. */
  control("listing", {
    request,
    entries: list(MAX_ENTRIES, ENTRY),
    more: count(),
  }),
  /** There is no such thing to get. */
  control("refuse", { request, reason }),
]);

/** What is called `type`, with these fields. */
export function control<T extends string, F extends v.ObjectEntries>(
  type: T,
  fields: F,
) {
  return v.object({ type: v.literal(type), ...fields });
}

/** See {@linkcode ENTRY}. */
export type Entry = Readonly<v.InferOutput<typeof ENTRY>>;

/** A control record. */
export type Control = v.InferOutput<typeof CONTROLS>;

/** One of these types. */
export type ControlOf<T extends Control["type"]> = Extract<
  Control,
  { type: T }
>;

/** What a disk needs of names: that of these systems. */
export type Disk = NonNullable<ControlOf<"accept">["disk"]>;

/** Lines to be shown, of which only the first are kept. */
export class Lines {
  readonly first: string[] = [];
  count = 0;
  #length = 0;

  /** @param line Made only if it is kept. */
  add(line: string | (() => string)): void {
    this.count++;
    if (this.first.length === MAX_LINES || this.#length > MAX_LINES_LENGTH) {
      return;
    }
    const text = typeof line === "string" ? line : line();
    this.#length += text.length;
    this.first.push(text);
  }

  addAll({ first, count }: Lines): void {
    for (const line of first) this.add(line);
    this.count += count - first.length;
  }
}

/** So many files that did not arrive, or changed names, are told. */
const MAX_LINES = 1_000;

/** Together so many UTF-16 units of them, and one line. */
const MAX_LINES_LENGTH = 262_144;

/** Whether it is one of those here. */
export function isFileRecord(record: Uint8Array): boolean {
  return record[0] === CONTROL || record[0] === DATA;
}

/** Entries in their order, as many together as one record takes. */
export function* inRecords(entries: Iterable<Entry>): Generator<Entry[]> {
  let group: Entry[] = [];
  let length = 0;
  for (const { item, path, size, modified, executable } of entries) {
    const isFull = group.length === MAX_ENTRIES ||
      length + path.length > MAX_RECORD_PATHS_LENGTH;
    if (isFull) {
      yield group;
      [group, length] = [[], 0];
    }
    group.push({ item, path, size, modified, executable });
    length += path.length;
  }
  if (group.length > 0) yield group;
}

/** The sum of the sizes, in bytes. */
export function sizeOf(files: readonly { readonly size: number }[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** A control record's bytes. */
export function encodeControl(control: Control): Bytes {
  const json = encoder.encode(JSON.stringify(control));
  const record = new Uint8Array(1 + json.length);
  record[0] = CONTROL;
  record.set(json, 1);
  return record;
}

/**
 * Writes the head of a data record into the first {@linkcode DATA_HEAD_BYTES} of
 * `record`; the data stand behind it already, so that nobody copies them.
 */
export function writeDataHead(record: Bytes, transfer: number): void {
  record[0] = DATA;
  new DataView(record.buffer, record.byteOffset).setUint32(1, transfer);
}

/**
 * Of which transfer a data record is, and its bytes, which are not copied.
 *
 * @throws {BadRecord} If it is cut, or has too many.
 */
export function readData(record: Bytes): { transfer: number; bytes: Bytes } {
  const length = record.length - DATA_HEAD_BYTES;
  if (length < 0 || length > PIECE_BYTES) {
    throw new BadRecord("a data record of a wrong length");
  }
  const view = new DataView(record.buffer, record.byteOffset);
  return {
    transfer: view.getUint32(1),
    bytes: record.subarray(DATA_HEAD_BYTES),
  };
}

/**
 * Reads a control record.
 *
 * @throws {BadRecord} If it is none, or over a limit.
 */
export function decodeControl(record: Uint8Array): Control {
  return parse(CONTROLS, record.subarray(1), "a control record");
}

/**
 * Of the paths in one record, in UTF-16 units: JSON may make six bytes of each,
 * and a record has to stay under 256 KiB.
 */
const MAX_RECORD_PATHS_LENGTH = 32_768;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
