/**
 * Runs of messages as bytes. This is the one place that works for each message
 * and not for each batch of them, so it is written for speed.
 *
 * @module
 */
const encoder = new TextEncoder();

/** Messages of one sender to one target, in the order of their ids. */
export interface Run {
  /** The sender's name. */
  readonly from: string;
  /** A room, a user, or `ALL`. */
  readonly to: string;
  /** The id of the first; the others follow without a gap. */
  readonly firstId: number;
  /** When they came into being, in milliseconds since the epoch. */
  readonly at: number;
  /** UTF-8, borrowed from whoever appends them. */
  readonly bodies: readonly Uint8Array[];
  /** The length that a classic client gave to its one message here. */
  readonly declaredLength?: number;
}

/**
 * The FORWARD frames of a run, back to back in one new buffer, and where in it
 * each one ends. Encoded once for everybody who gets it: only the first head is
 * written, and the others are copied from it, as far as they are the same.
 */
export function encodeForwards(
  run: Run,
): { bytes: Uint8Array; ends: number[] } {
  const prefix = `FORWARD ${run.from}\nTo: ${run.to}\nId: `;
  const time = `\nTime: ${timeText(run.at)}\nContent-length: `;
  const slack = prefix.length + time.length + 2 * MAX_NUMBER_DIGITS + 2;
  let size = 0;
  for (const body of run.bodies) size += slack + body.length;

  const bytes = new Uint8Array(size);
  const ends: number[] = [];
  let suffix = { at: 0, end: 0, bodyLength: -1 };
  let at = 0;
  for (let index = 0; index < run.bodies.length; index++) {
    const body = run.bodies[index]!;
    if (index === 0) encoder.encodeInto(prefix, bytes);
    else bytes.copyWithin(at, 0, prefix.length);
    at = writeDigits(run.firstId + index, bytes, at + prefix.length);
    if (body.length === suffix.bodyLength) {
      bytes.copyWithin(at, suffix.at, suffix.end);
      at += suffix.end - suffix.at;
    } else {
      const text = `${time}${body.length}\n\n`;
      encoder.encodeInto(text, bytes.subarray(at));
      suffix = { at, end: at + text.length, bodyLength: body.length };
      at = suffix.end;
    }
    bytes.set(body, at);
    ends.push(at += body.length);
  }
  return { bytes: bytes.subarray(0, at), ends };
}

let lastTime = { at: NaN, text: "" };

/** `at`, in milliseconds since the epoch, as the wire has it. */
export function timeText(at: number): string {
  if (at !== lastTime.at) lastTime = { at, text: new Date(at).toISOString() };
  return lastTime.text;
}

/** As many as `Number.MAX_SAFE_INTEGER` has. */
const MAX_NUMBER_DIGITS = 16;

/** Writes `value` in decimal at `at`; returns where it ends. */
function writeDigits(value: number, into: Uint8Array, at: number): number {
  let end = at + 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end++;
  for (let rest = value, i = end; i-- > at; rest = Math.floor(rest / 10)) {
    into[i] = 0x30 + rest % 10;
  }
  return end;
}
