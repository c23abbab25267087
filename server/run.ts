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
 * each one ends. Encoded once for everybody who gets it: what is the same in
 * every frame is made once for the run, and a message costs four copies.
 */
export function encodeForwards(
  run: Run,
): { bytes: Uint8Array; ends: number[] } {
  const prefix = encoder.encode(`FORWARD ${run.from}\nTo: ${run.to}\nId: `);
  const time = `\nTime: ${new Date(run.at).toISOString()}\nContent-length: `;
  const slack = prefix.length + time.length + 2 * MAX_NUMBER_DIGITS + 2;
  let size = 0;
  for (const body of run.bodies) size += slack + body.length;

  const bytes = new Uint8Array(size);
  const ends: number[] = [];
  let suffix = new Uint8Array();
  let suffixFor = -1; // the length of body that `suffix` announces
  let at = 0;
  for (let index = 0; index < run.bodies.length; index++) {
    const body = run.bodies[index]!;
    if (body.length !== suffixFor) {
      suffix = encoder.encode(`${time}${body.length}\n\n`);
      suffixFor = body.length;
    }
    bytes.set(prefix, at);
    at = writeDigits(run.firstId + index, bytes, at + prefix.length);
    bytes.set(suffix, at);
    bytes.set(body, at += suffix.length);
    ends.push(at += body.length);
  }
  return { bytes: bytes.subarray(0, at), ends };
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
