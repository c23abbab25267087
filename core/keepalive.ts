/**
 * Whether the other side is still there.
 *
 * A connection that is dead looks like one on which nobody speaks: a cable was
 * pulled, a laptop slept, a router forgot us. So silence is broken with a PING,
 * and who does not answer that is given up. A program that wakes up finds its
 * timer far too late, asks at once, and waits less long.
 *
 * Only silence while we read counts: who waits for a slow screen does not know
 * what the other side has said.
 *
 * Values in, values out; whoever has the timer calls {@linkcode Watch.check}.
 *
 * @module
 */
import type { Stream } from "./connection.ts";

/** After so much silence we ask, in milliseconds. */
export const PING_AFTER_MS = 20_000;

/** After so much more silence the connection is given up, in milliseconds. */
export const GIVE_UP_AFTER_MS = 10_000;

/** The same, for who has slept. */
export const GIVE_UP_AWAKE_MS = 3_000;

/** How often to check, in milliseconds. */
export const CHECK_EVERY_MS = 1_000;

/** A check that comes so late was slept over, in milliseconds. */
const SLEPT_MS = 5_000;

/** Keeps the time of one connection. */
export class Watch {
  readonly #now: () => number;
  #silentSince: number | undefined; // while we read
  #checkedAt: number;
  #asked: { at: number; waitMs: number } | undefined;

  /** `now` gives milliseconds that go on while the computer sleeps. */
  constructor(now: () => number) {
    this.#now = now;
    this.#checkedAt = now();
  }

  /** `stream`, with its reads under watch. */
  over(stream: Stream): Stream {
    return {
      read: async (buffer) => {
        this.listening();
        const count = await stream.read(buffer);
        this.heard();
        return count;
      },
      write: (bytes) => stream.write(bytes),
      close: () => stream.close(),
    };
  }

  /** We read from now on. */
  listening(): void {
    this.#silentSince = this.#now();
  }

  /** Something came. */
  heard(): void {
    this.#silentSince = undefined;
    this.#asked = undefined;
  }

  /** What to do now: nothing, ask whether somebody is there, or give up. */
  check(): "nothing" | "ask" | "give up" {
    const now = this.#now();
    const late = now - this.#checkedAt - CHECK_EVERY_MS;
    this.#checkedAt = now;
    if (this.#silentSince === undefined) return "nothing";
    if (late < -CHECK_EVERY_MS) return this.#begin(now); // the clock was set
    if (late > SLEPT_MS) return this.#ask(now, GIVE_UP_AWAKE_MS);
    if (this.#asked) {
      const waited = now - this.#asked.at;
      return waited < this.#asked.waitMs ? "nothing" : "give up";
    }
    const silent = now - this.#silentSince;
    return silent < PING_AFTER_MS
      ? "nothing"
      : this.#ask(now, GIVE_UP_AFTER_MS);
  }

  #ask(at: number, waitMs: number): "ask" {
    this.#asked = { at, waitMs };
    return "ask";
  }

  #begin(now: number): "nothing" {
    this.#silentSince = now;
    this.#asked = undefined;
    return "nothing";
  }
}
