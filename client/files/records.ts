/**
 * What two clients say about files on a direct connection, as records.
 *
 * A record's first byte tells its kind: control records carry JSON, since they
 * are few, and data records a number and bytes. docs/files.md shows which
 * follows which; here is only how each is written and read. What was read has
 * the right types and is within the limits: `unknown` ends here.
 *
 * Each side counts its own transfers and its own requests from 1. A record is
 * about the sender's own transfer or the other's, never both: its type tells.
 *
 * @module
 */
import { BadRecord, Fields } from "./fields.ts";
import { MAX_REASON_LENGTH } from "./failure.ts";
import { MAX_PATH_LENGTH, pathParts } from "./names.ts";
import type { Bytes } from "../../core/scram.ts";

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

/** Most entries in one record. */
export const MAX_ENTRIES = 500;

/** Longest a manifest's paths are together, in UTF-16 units. */
export const MAX_PATHS_LENGTH = 16 * 1_048_576;

/** A file, or with `/` at its end an empty folder. */
export interface Entry {
  /** To which item of the offer it belongs, from 0. */
  readonly item: number;
  /** Relative, parted by `/`, beginning with the item's name. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** A control record. */
export type Control =
  /** Files are offered; their manifest follows. */
  | {
    readonly type: "offer";
    readonly transfer: number;
    /** The same after a break: 32 hexadecimal digits that nobody guesses. */
    readonly id: string;
    /** How many entries the manifest has. */
    readonly files: number;
    /** The sum of all sizes. */
    readonly size: number;
    /** Which `get` it answers, if one. */
    readonly answers?: number;
  }
  /** A part of a manifest. */
  | {
    readonly type: "manifest";
    readonly transfer: number;
    readonly entries: readonly Entry[];
  }
  /** Take it from there: `hash` is of the first `offset` bytes of `item`. */
  | {
    readonly type: "accept";
    readonly transfer: number;
    readonly item: number;
    readonly offset: number;
    readonly hash: string;
  }
  /** It comes from there: 0 if the beginnings differ. */
  | {
    readonly type: "begin";
    readonly transfer: number;
    readonly offset: number;
  }
  /** So many bytes were written since `begin`. */
  | { readonly type: "got"; readonly transfer: number; readonly bytes: number }
  /** An item is whole; its hash. */
  | { readonly type: "end"; readonly transfer: number; readonly hash: string }
  /** Everything is whole, has the right hashes and its name. */
  | { readonly type: "done"; readonly transfer: number }
  /** The receiver does not want it. */
  | {
    readonly type: "decline";
    readonly transfer: number;
    readonly reason: string;
  }
  /** Whoever offered it takes it back. */
  | {
    readonly type: "withdraw";
    readonly transfer: number;
    readonly reason: string;
  }
  /** Whoever receives it wants no more. */
  | {
    readonly type: "stop";
    readonly transfer: number;
    readonly reason: string;
  }
  /** Asks for something of the shared folder. */
  | { readonly type: "get"; readonly request: number; readonly path: string }
  /** Asks what the shared folder has. */
  | { readonly type: "list"; readonly request: number }
  /** What it has; `more` that is not listed. */
  | {
    readonly type: "listing";
    readonly request: number;
    readonly entries: readonly Entry[];
    readonly more: number;
  }
  /** There is no such thing to get. */
  | {
    readonly type: "refuse";
    readonly request: number;
    readonly reason: string;
  };

/** Whether it is one of those here. */
export function isFileRecord(record: Uint8Array): boolean {
  return record[0] === CONTROL || record[0] === DATA;
}

/** Entries in their order, as many together as one record takes. */
export function* inRecords<T extends Entry>(
  entries: Iterable<T>,
): Generator<T[], void, void> {
  let group: T[] = [];
  let length = 0;
  for (const entry of entries) {
    const isFull = group.length === MAX_ENTRIES ||
      length + entry.path.length > MAX_RECORD_PATHS_LENGTH;
    if (isFull) {
      yield group;
      [group, length] = [[], 0];
    }
    group.push(entry);
    length += entry.path.length;
  }
  if (group.length > 0) yield group;
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
export function readData(
  record: Bytes,
): { transfer: number; bytes: Bytes } {
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
  const fields = Fields.parse(textOf(record), "a control record");
  const type = fields.text("type", 20);
  // An own property alone: "constructor" is no type.
  const read = Object.hasOwn(READERS, type)
    // The cast: it is a key, as was just found.
    ? READERS[type as Control["type"]]
    : undefined;
  if (!read) throw new BadRecord(`a control record of type "${type}"`);
  return read(fields);
}

/** How each type is read. */
const READERS: {
  [T in Control["type"]]: (fields: Fields) => Extract<Control, { type: T }>;
} = {
  offer: (fields) => ({
    type: "offer",
    transfer: fields.count("transfer"),
    id: fields.hex("id", 32),
    files: fields.count("files", MAX_FILES),
    size: fields.count("size"),
    ...(fields.has("answers") ? { answers: fields.count("answers") } : {}),
  }),
  manifest: (fields) => ({
    type: "manifest",
    transfer: fields.count("transfer"),
    entries: entries(fields),
  }),
  accept: (fields) => ({
    type: "accept",
    transfer: fields.count("transfer"),
    item: fields.count("item", MAX_FILES),
    offset: fields.count("offset"),
    hash: fields.hex("hash", 64),
  }),
  begin: (fields) => ({
    type: "begin",
    transfer: fields.count("transfer"),
    offset: fields.count("offset"),
  }),
  got: (fields) => ({
    type: "got",
    transfer: fields.count("transfer"),
    bytes: fields.count("bytes"),
  }),
  end: (fields) => ({
    type: "end",
    transfer: fields.count("transfer"),
    hash: fields.hex("hash", 64),
  }),
  done: (fields) => ({ type: "done", transfer: fields.count("transfer") }),
  decline: (fields) => ({ type: "decline", ...ending(fields) }),
  withdraw: (fields) => ({ type: "withdraw", ...ending(fields) }),
  stop: (fields) => ({ type: "stop", ...ending(fields) }),
  get: (fields) => ({
    type: "get",
    request: fields.count("request"),
    path: fields.text("path", MAX_PATH_LENGTH),
  }),
  list: (fields) => ({ type: "list", request: fields.count("request") }),
  listing: (fields) => ({
    type: "listing",
    request: fields.count("request"),
    entries: entries(fields),
    more: fields.count("more"),
  }),
  refuse: (fields) => ({
    type: "refuse",
    request: fields.count("request"),
    reason: fields.text("reason", MAX_REASON_LENGTH),
  }),
};

function ending(fields: Fields): { transfer: number; reason: string } {
  return {
    transfer: fields.count("transfer"),
    reason: fields.text("reason", MAX_REASON_LENGTH),
  };
}

function entries(fields: Fields): Entry[] {
  return fields.list("entries", MAX_ENTRIES, entryOf);
}

function entryOf(value: unknown): Entry {
  const fields = new Fields(value, "an entry");
  const path = fields.text("path", MAX_PATH_LENGTH);
  if (!pathParts(path)) throw new BadRecord("an entry with an illegal path");
  const size = fields.count("size");
  if (path.endsWith("/") && size > 0) {
    throw new BadRecord("a folder with bytes");
  }
  return { item: fields.count("item", MAX_FILES), path, size };
}

function textOf(record: Uint8Array): string {
  try {
    return decoder.decode(record.subarray(1));
  } catch (cause) {
    throw new BadRecord("a control record that is no UTF-8", { cause });
  }
}

/**
 * Of the paths in one record, in UTF-16 units: JSON may make six bytes of each,
 * and a record has to stay under 256 KiB.
 */
const MAX_RECORD_PATHS_LENGTH = 32_768;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
