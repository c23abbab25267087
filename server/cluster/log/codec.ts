/**
 * Entries as the bytes of a message of the stream.
 *
 *     "PRLY" version:8 headLength:32 head (textLength:32 partsLength:32 text parts)*
 *
 * The head is JSON, and so is the text of each entry. Behind it are the bodies of
 * its messages, back to back. Numbers are big-endian.
 *
 * @module
 */
import { concat } from "../../../protocol.ts";
import type { MessagesEntry } from "../../journal/entries.ts";
import { ClusterError } from "../cluster_error.ts";

/** Which entries there are. Raise it when an older server could not apply one. */
export const LOG_VERSION = 2;

/** The server that appended entries, from its start until it is gone. */
export interface Origin {
  /** The server's name. */
  readonly server: string;
  /** A random word: of one life of that server. */
  readonly epoch: string;
}

/** What stands before entries that were appended together. */
export interface Head extends Origin {
  /** Counts what this server appended in this epoch, from 1. */
  readonly counter: number;
}

/** An entry, and of which kind. */
export interface Item {
  readonly kind: string;
  readonly entry: unknown;
}

/** Entries that were appended together. */
export interface Envelope extends Head {
  readonly items: readonly Item[];
}

const MAGIC = new TextEncoder().encode("PRLY");
const NUMBER_BYTES = 4;
const FIXED_BYTES = MAGIC.length + 1 + NUMBER_BYTES;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** One entry as bytes, for {@linkcode encodeEnvelope}. */
export function encodeItem({ kind, entry }: Item): Uint8Array {
  if (kind !== "messages") {
    return framed(encoder.encode(JSON.stringify([kind, entry])), []);
  }
  // `kind` says what it is.
  const { drafts, ...rest } = entry as MessagesEntry;
  const bodies = drafts.map(({ body }) => body);
  const packed: PackedDrafts = {
    targets: packTargets(drafts.map(({ to }) => to)),
    lengths: bodies.map(({ length }) => length),
  };
  if (drafts.some(({ key }) => key !== undefined)) {
    packed.keys = drafts.map(({ key }) => key ?? null);
  }
  const text = encoder.encode(JSON.stringify([kind, rest, packed]));
  return framed(text, bodies);
}

/** Drafts without their bodies; millions of them pass, so they are short. */
interface PackedDrafts {
  /** Pairs of a target, and how many drafts in a row are to it. */
  targets: (string | number)[];
  /** Of the bodies, in bytes. */
  lengths: number[];
  /** If any draft has one. */
  keys?: (string | null)[];
}

function framed(text: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = new Uint8Array(2 * NUMBER_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, text.length);
  view.setUint32(NUMBER_BYTES, length);
  return concat([head, text, ...parts]);
}

function packTargets(targets: readonly string[]): (string | number)[] {
  const runs: (string | number)[] = [];
  for (const target of targets) {
    const last = runs.length - 2;
    if (runs[last] === target) runs[last + 1] = Number(runs[last + 1]) + 1;
    else runs.push(target, 1);
  }
  return runs;
}

/** Encoded items as one message of the stream. */
export function encodeEnvelope(
  { server, epoch, counter }: Head,
  items: readonly Uint8Array[],
): Uint8Array {
  const text = encoder.encode(JSON.stringify({ server, epoch, counter }));
  const fixed = new Uint8Array(FIXED_BYTES);
  fixed.set(MAGIC);
  fixed[MAGIC.length] = LOG_VERSION;
  new DataView(fixed.buffer).setUint32(MAGIC.length + 1, text.length);
  return concat([fixed, text, ...items]);
}

/**
 * What a message of the stream says; undefined if no server of ours wrote it. The
 * bodies of messages are parts of `bytes`, not copies.
 *
 * @throws {ClusterError} If a newer version wrote it.
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < FIXED_BYTES) return undefined;
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) return undefined;
  const version = bytes[MAGIC.length]!; // there are more bytes
  if (version > LOG_VERSION) {
    throw new ClusterError(
      `an entry of the log is of version ${version}, and this server knows ` +
        `versions up to ${LOG_VERSION}; update this server`,
    );
  }
  try {
    return decodeBody(bytes);
  } catch (error) {
    // What does not parse, or is cut, is of another program.
    const isForeign = error instanceof SyntaxError ||
      error instanceof TypeError || error instanceof RangeError;
    if (isForeign) return undefined;
    throw error;
  }
}

function decodeBody(bytes: Uint8Array): Envelope | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = FIXED_BYTES;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError("cut");
    return bytes.subarray(at, at += length);
  };
  const parse = (length: number): unknown =>
    JSON.parse(decoder.decode(take(length)));
  const head = parse(view.getUint32(at - NUMBER_BYTES)) as Partial<Head> | null;
  const { server, epoch, counter } = head ?? {};
  if (typeof server !== "string" || typeof epoch !== "string") return undefined;
  if (!Number.isSafeInteger(counter)) return undefined;
  const items: Item[] = [];
  while (at < bytes.length) {
    const [textLength, partsLength] = [
      view.getUint32(at),
      view.getUint32(at + NUMBER_BYTES),
    ];
    at += 2 * NUMBER_BYTES;
    const item = parse(textLength);
    items.push(itemOf(item, take(partsLength)));
  }
  return { server, epoch, counter: counter!, items }; // it is a number
}

/** @throws {TypeError} If it is none. */
function itemOf(value: unknown, parts: Uint8Array): Item {
  if (!Array.isArray(value) || typeof value[0] !== "string") {
    throw new TypeError("not an entry");
  }
  const [kind, entry, packed] = value;
  if (kind !== "messages") return { kind, entry };
  return { kind, entry: { ...entry, drafts: unpackDrafts(packed, parts) } };
}

function unpackDrafts(
  { targets, lengths, keys }: PackedDrafts,
  bodies: Uint8Array,
): MessagesEntry["drafts"] {
  let at = 0;
  let run = 0;
  let left = Number(targets[1]);
  return lengths.map((length, index) => {
    if (left === 0) left = Number(targets[(run += 2) + 1]);
    left--;
    const to = String(targets[run]);
    const body = bodies.subarray(at, at += length);
    if (body.length !== length) throw new RangeError("cut");
    const key = keys?.[index];
    return typeof key === "string" ? { to, body, key } : { to, body };
  });
}
