/**
 * How far a transfer is, in words and as a bar.
 *
 * Values in, strings out; the time is an argument. What is shown is cleaned by
 * whoever shows it, but for the title, which is cleaned here: it has to be cut
 * to a width.
 *
 * @module
 */
import { format as formatBytes } from "@std/fmt/bytes";
import { format as formatDuration } from "@std/fmt/duration";
import stringWidth from "string-width";
import { sanitize } from "../../core/text/sanitize.ts";

/** The rate is that of so long, in milliseconds. */
const RATE_OVER_MS = 5_000;

/** Bars are as wide as the screen leaves them, up to so many columns. */
const WIDEST_BAR = 40;
const NARROWEST_BAR = 5;
const USUAL_BAR = 10;
const NARROWEST_TITLE = 8;

/** How fast something moves. */
export class Meter {
  #samples: { at: number; moved: number }[] = [];

  /** Notes that `moved` bytes are there; `at` are milliseconds. */
  note(moved: number, at: number): void {
    this.#samples.push({ at, moved });
    while (
      this.#samples.length > 2 && this.#samples[1]!.at < at - RATE_OVER_MS
    ) {
      this.#samples.shift();
    }
  }

  /** Forgets the past: it was a break. */
  restart(): void {
    this.#samples = [];
  }

  /** Bytes a second; undefined as long as nobody can know. */
  get rate(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at - first.at < 500) return undefined;
    return (last.moved - first.moved) / (last.at - first.at) * 1_000;
  }
}

/** What is known of a transfer. */
export interface Progress {
  /** What to call it, from outside. */
  readonly title: string;
  /** Bytes that are there. */
  readonly moved: number;
  /** Bytes that there will be. */
  readonly size: number;
  /** See {@linkcode Meter.rate}. */
  readonly rate: number | undefined;
}

/** `3.4 MB`, or `17 B`. */
export function bytesText(bytes: number): string {
  return formatBytes(bytes);
}

/** `2m 5s`; never less than a second. */
export function durationText(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  return formatDuration(seconds * 1_000, { ignoreZero: true });
}

/** How far it is, as words: `45%, 1.2 GB of 2.4 GB, 210 MB/s, 6s left`. */
export function progressText(progress: Progress): string {
  const { moved, size } = progress;
  const amount = `${bytesText(moved)} of ${bytesText(size)}`;
  return [`${percentOf(progress)}%`, amount, ...speedOf(progress)].join(", ");
}

/** One row with a bar, that fits into `columns`. */
export function progressBar(progress: Progress, columns: number): string {
  const percent = `${percentOf(progress)}%`.padStart(4);
  const words = [percent, bytesText(progress.size), ...speedOf(progress)];
  // A row that fills the screen would wrap on some terminals.
  const room = columns - 1 - NARROWEST_TITLE - NARROWEST_BAR - 4;
  while (words.length > 1 && words.join(" ").length > room) words.pop();
  const right = words.join(" ");
  const title = shorten(
    sanitize(progress.title),
    Math.max(NARROWEST_TITLE, columns - right.length - USUAL_BAR - 5),
  );
  const rest = columns - 1 - stringWidth(title) - right.length - 4;
  const width = Math.min(WIDEST_BAR, Math.max(NARROWEST_BAR, rest));
  const filled = Math.floor(width * partOf(progress));
  const bar = "#".repeat(filled) + "-".repeat(width - filled);
  return `${title} [${bar}] ${right}`;
}

function partOf({ moved, size }: Progress): number {
  return size === 0 ? 1 : Math.min(1, moved / size);
}

/** 100 only when all of it is there. */
function percentOf(progress: Progress): number {
  return Math.floor(100 * partOf(progress));
}

function speedOf({ moved, size, rate }: Progress): string[] {
  if (rate === undefined) return [];
  if (rate < 1) return ["stalled"];
  const left = durationText((size - moved) / rate * 1_000);
  return [`${bytesText(Math.round(rate))}/s`, `${left} left`];
}

/** At most `columns` wide; a longer one ends in `…`. */
function shorten(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = "";
  let left = columns - 1;
  for (const { segment } of graphemes.segment(text)) {
    left -= stringWidth(segment);
    if (left < 0) break;
    kept += segment;
  }
  return `${kept}…`;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
