/**
 * Whether the other side is still there.
 *
 * A dead connection looks like an idle one: a cable was pulled, a laptop slept,
 * a router forgot the connection. So an idle connection gets a PING, and one
 * without an answer is given up. A program that wakes up finds its timer far too
 * late; it sends a PING at once, and waits less long.
 *
 * Only time in a read counts: during a wait for a slow screen nobody knows what
 * the other side has sent.
 *
 * Values in, values out; the owner of the timer calls {@linkcode Keepalive.check}.
 *
 * @module
 */
import type { Stream } from "./stream.ts";

/** Idle time before a PING, in milliseconds. */
export const PING_AFTER_MS = 20_000;

/** Wait for the answer before the connection is given up, in milliseconds. */
export const GIVE_UP_AFTER_MS = 10_000;

/** The same wait for a program that has just woken up. */
export const GIVE_UP_AWAKE_MS = 3_000;

/** Time between checks, in milliseconds. */
export const CHECK_EVERY_MS = 1_000;

/** A check that is so much late was slept over, in milliseconds. */
const SLEPT_MS = 5_000;

/** The times of one connection. */
export class Keepalive {
  readonly #now: () => number;
  #idleSince: number | undefined; // while a read waits
  #checkedAt: number;
  #asked: { at: number; waitMs: number } | undefined;

  /** `now` gives milliseconds that go on while the computer sleeps. */
  constructor(now: () => number) {
    this.#now = now;
    this.#checkedAt = now();
  }

  /** `stream`, with its reads timed. */
  over(stream: Stream): Stream {
    return {
      read: async (buffer) => {
        this.reading();
        const count = await stream.read(buffer);
        this.received();
        return count;
      },
      write: (bytes) => stream.write(bytes),
      close: () => stream.close(),
    };
  }

  /** A read waits from now on. */
  reading(): void {
    this.#idleSince = this.#now();
  }

  /** Something came. */
  received(): void {
    this.#idleSince = undefined;
    this.#asked = undefined;
  }

  /** What to do now: nothing, send a PING, or give up. */
  check(): "nothing" | "ask" | "give up" {
    const now = this.#now();
    const late = now - this.#checkedAt - CHECK_EVERY_MS;
    this.#checkedAt = now;
    if (this.#idleSince === undefined) return "nothing";
    if (late < -CHECK_EVERY_MS) return this.#restart(now); // the clock was set
    if (late > SLEPT_MS) return this.#ask(now, GIVE_UP_AWAKE_MS);
    if (this.#asked) {
      const waited = now - this.#asked.at;
      return waited < this.#asked.waitMs ? "nothing" : "give up";
    }
    const idle = now - this.#idleSince;
    return idle < PING_AFTER_MS ? "nothing" : this.#ask(now, GIVE_UP_AFTER_MS);
  }

  #ask(at: number, waitMs: number): "ask" {
    this.#asked = { at, waitMs };
    return "ask";
  }

  #restart(now: number): "nothing" {
    this.#idleSince = now;
    this.#asked = undefined;
    return "nothing";
  }
}
