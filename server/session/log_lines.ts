/**
 * The lines of the log about clients: all of a class, and a part of a flood. The
 * log tells who came and went, so no network can fill it, and none loses a line
 * for the lines of another.
 *
 * @module
 */
import { networkOf } from "../../core/net/ip_address.ts";
import { TokenBucket } from "../limits/pacing.ts";
import type { Rate } from "../limits/rates.ts";
import { LOG_EVERY_MS } from "../net/clock.ts";
import { hostOf } from "../net/connection.ts";

/**
 * Lines of one network. Forty users who come, join two rooms and go make 280; they
 * can do so three times in a row.
 */
export const LOG_LINES: Rate = { perSecond: 2, burst: 1_000 };

/** Limit of the networks that are known. */
const MAX_NETWORKS = 10_000;

/** The lines of one network. */
interface Lines {
  readonly bucket: TokenBucket;
  leftOut: number;
  /** When it was last told how many were left out. */
  toldAt: number;
}

/** See the top of the file. */
export class LogLines {
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  readonly #rate: Rate;
  readonly #networks = new Map<string, Lines>();

  /** `now` gives milliseconds that never jump; `rate` is that of one network. */
  constructor(
    log: (line: string) => void,
    now: () => number,
    rate: Rate = LOG_LINES,
  ) {
    this.#log = log;
    this.#now = now;
    this.#rate = rate;
  }

  /** Logs a line about a client at `remote`, unless there are too many. */
  log(line: string, remote: string): void {
    const now = this.#now();
    const lines = this.#linesOf(hostOf(remote), now);
    if (lines.bucket.waitMs(now) === 0 && lines.bucket.take(1, now)) {
      return this.#log(line);
    }
    if (lines.leftOut++ === 0) lines.toldAt = now;
  }

  /** Tells how many lines were left out. Call it each second. */
  tidy(): void {
    const now = this.#now();
    for (const [network, lines] of this.#networks) {
      if (now - lines.toldAt >= LOG_EVERY_MS) this.#tell(network, lines);
      const isIdle = lines.leftOut === 0 && lines.bucket.isFull(now);
      if (isIdle) this.#networks.delete(network);
    }
  }

  #linesOf(host: string, now: number): Lines {
    const network = networkOf(host);
    const known = this.#networks.get(network);
    if (known) return known;
    const [oldest] = this.#networks;
    if (oldest && this.#networks.size >= MAX_NETWORKS) {
      this.#tell(...oldest);
      this.#networks.delete(oldest[0]);
    }
    const lines = {
      bucket: new TokenBucket(this.#rate, now),
      leftOut: 0,
      toldAt: -Infinity,
    };
    this.#networks.set(network, lines);
    return lines;
  }

  #tell(network: string, lines: Lines): void {
    const { leftOut } = lines;
    if (leftOut === 0) return;
    const what = leftOut === 1 ? "line" : "lines";
    const count = leftOut.toLocaleString("en");
    this.#log(`${network}: ${count} more ${what} left out`);
    lines.leftOut = 0;
    lines.toldAt = this.#now();
  }
}
