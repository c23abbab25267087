/**
 * Batches of messages as bytes: FORWARD and SENT frames, and what a database
 * stores. This works for each message, so it is written for speed.
 *
 * @module
 */
import { concat } from "../../protocol.ts";

const encoder = new TextEncoder();

/** A message that is not stored yet. */
export interface Draft {
  /** The name of a room or a user as the hub has it, or `ALL`. */
  readonly to: string;
  /** UTF-8, borrowed until {@linkcode Journal.append} settles. */
  readonly body: Uint8Array;
  /** Unique; makes it safe to repeat the draft. */
  readonly key?: string;
}

/** Messages of one sender to one target, in the order of their ids. */
export interface Batch {
  /** The sender's name. */
  readonly from: string;
  /** A room, a user, or `ALL`. */
  readonly to: string;
  /** The id of the first; the others follow without a gap. */
  readonly firstId: number;
  /** When they came into being, in milliseconds since the epoch. */
  readonly at: number;
  /** UTF-8, borrowed until they are delivered. */
  readonly bodies: readonly Uint8Array[];
  /** The device of the account that sent them; a guest has none. */
  readonly device?: number | undefined;
}

/** The batch that `drafts` become: they are to one target. */
export function batchOf(
  drafts: readonly Draft[],
  { from, firstId, at, device }: Omit<Batch, "to" | "bodies">,
): Batch {
  const { to } = drafts[0]!; // a batch has one
  const bodies = drafts.map(({ body }) => body);
  return { from, to, firstId, at, bodies, device };
}

/**
 * Divides drafts into batches, and gives what `store` returns for each, in order.
 * A draft whose key is known is in no batch: it gives what `known` returns.
 */
export function divide<K, S>(
  drafts: readonly Draft[],
  known: (key: string) => K | undefined,
  store: (drafts: readonly Draft[]) => S,
): (K | S)[] {
  const parts: (K | S)[] = [];
  for (let first = 0; first < drafts.length;) {
    const { key } = drafts[first]!; // there are more
    const repeated = key === undefined ? undefined : known(key);
    const end = repeated ? first + 1 : batchEnd(drafts, first, known);
    parts.push(repeated ?? store(drafts.slice(first, end)));
    first = end;
  }
  return parts;
}

/**
 * Where the batch ends that begins with the draft at `first`: before one to
 * another target, and before one whose key is in use.
 */
export function batchEnd(
  drafts: readonly Draft[],
  first: number,
  known: (key: string) => unknown,
): number {
  const { to, key } = drafts[first]!; // the caller has looked
  const keys = new Set([key]);
  for (let end = first + 1; end < drafts.length; end++) {
    const next = drafts[end]!;
    if (next.to !== to) return end;
    const { key } = next;
    if (key === undefined) continue;
    if (keys.has(key) || known(key)) return end;
    keys.add(key);
  }
  return drafts.length;
}

/**
 * The FORWARD frames of a batch, back to back in one new buffer, and where in it
 * each one ends. Encoded once for all receivers.
 */
export function encodeForwards(batch: Batch): Series {
  const time = isoTime(batch.at);
  return encodeSeries(
    `FORWARD ${batch.from}\nTo: ${batch.to}\nId: `,
    batch.firstId,
    batch.bodies,
    (bytes) => `\nTime: ${time}\nContent-length: ${bytes}\n\n`,
  );
}

/** What {@linkcode encodeSents} tells a sender. */
export interface Sent extends Pick<Batch, "to" | "firstId" | "at"> {
  /** How many messages there are. */
  readonly count: number;
  /** How many users each was queued for. */
  readonly recipients: number;
}

/** The SENT frames for a batch, back to back. */
export function encodeSents(sent: Sent): Uint8Array {
  const end = `\nTime: ${isoTime(sent.at)}\nRecipients: ${sent.recipients}\n\n`;
  const bodies = Array<Uint8Array>(sent.count).fill(NO_BODY);
  const prefix = `SENT ${sent.to}\nId: `;
  return encodeSeries(prefix, sent.firstId, bodies, () => end).bytes;
}

const NO_BODY = new Uint8Array();

/** The bodies of a batch, as a database stores them. */
export interface PackedBodies {
  /** 32 bits each; null if there is only one. */
  readonly lengths: Uint8Array | null;
  /** Back to back. */
  readonly bodies: Uint8Array;
}

/** Packs bodies, to be stored. */
export function packBodies(bodies: readonly Uint8Array[]): PackedBodies {
  if (bodies.length === 1) return { lengths: null, bodies: bodies[0]! };
  const lengths = new Uint8Array(bodies.length * LENGTH_BYTES);
  const view = new DataView(lengths.buffer);
  bodies.forEach(({ length }, i) => view.setUint32(i * LENGTH_BYTES, length));
  return { lengths, bodies: concat(bodies) };
}

/** Of each of {@linkcode PackedBodies.lengths}. */
export const LENGTH_BYTES = 4;

/** Frames back to back, and where in them each one ends. */
export interface Series {
  /** All frames; do not change them. */
  readonly bytes: Uint8Array;
  /** As many as there are frames. */
  readonly ends: readonly number[];
}

/**
 * Frames whose heads differ in a rising id, and by the length of their body.
 * Only where that changes is a head written; the others are copied from the one
 * before, and one is added to the id in its digits.
 */
function encodeSeries(
  prefix: string,
  firstId: number,
  bodies: readonly Uint8Array[],
  suffix: (bodyBytes: number) => string,
): Series {
  const longest = prefix + Number.MAX_SAFE_INTEGER +
    suffix(Number.MAX_SAFE_INTEGER);
  let size = longest.length * bodies.length;
  for (const body of bodies) size += body.length;

  const bytes = new Uint8Array(size);
  const ends: number[] = [];
  let head = { at: 0, length: 0, idEnd: 0, bodyBytes: -1 };
  let at = 0;
  for (let index = 0; index < bodies.length; index++) {
    const body = bodies[index]!;
    const same = body.length === head.bodyBytes;
    if (same) {
      bytes.copyWithin(at, head.at, head.at + head.length);
      head.at = at;
    }
    if (!same || !increment(bytes, at + prefix.length, at + head.idEnd)) {
      const id = prefix + (firstId + index);
      const text = id + suffix(body.length); // ASCII: a character is a byte
      encoder.encodeInto(text, bytes.subarray(at));
      head = {
        at,
        length: text.length,
        idEnd: id.length,
        bodyBytes: body.length,
      };
    }
    bytes.set(body, at += head.length);
    ends.push(at += body.length);
  }
  return { bytes: bytes.subarray(0, at), ends };
}

/** Adds one to the digits from `start` to `end`; false if they are too few. */
function increment(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = end - 1; i >= start; i--) {
    if (bytes[i] !== NINE) {
      bytes[i]!++;
      return true;
    }
    bytes[i] = ZERO;
  }
  return false;
}

const [ZERO, NINE] = [0x30, 0x39];

let lastTime = { at: NaN, text: "" };

/** `at`, in milliseconds since the epoch, as the wire has it. */
function isoTime(at: number): string {
  if (at !== lastTime.at) lastTime = { at, text: new Date(at).toISOString() };
  return lastTime.text;
}
