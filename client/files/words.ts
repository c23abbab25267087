/**
 * Transfers in words and as bars, for a terminal and for a page.
 *
 * Values in, strings out. What is shown is sanitized by the caller, but for the
 * title of a bar, which is sanitized here: it is cut to a width.
 *
 * @module
 */
import { format as bytesText } from "@std/fmt/bytes";
import { format as formatDuration } from "@std/fmt/duration";
import stringWidth from "string-width";
import { sanitize } from "../../core/text/sanitize.ts";
import { shorten } from "../view/rows.ts";
import type { Transfer } from "./transfer.ts";

/** Bars are as wide as the screen leaves them, up to so many columns. */
const WIDEST_BAR = 40;
const NARROWEST_BAR = 5;
const USUAL_BAR = 10;
const NARROWEST_TITLE = 8;

export { bytesText };

/** How much it is: `3.4 MB`, or `120 files, 3 GB; 2 left out`. */
export function amountText(files: number, size: number, leftOut = 0): string {
  const bytes = bytesText(size);
  const amount = files > 1 ? `${files} files, ${bytes}` : bytes;
  return leftOut > 0 ? `${amount}; ${leftOut} left out` : amount;
}

/** A text with a name in it: one of blank braille would be an empty line. */
export function withSeenBlanks(text: string): string {
  return text.replaceAll("\u2800", "<U+2800>");
}

/** A peer gets something that the user shares. */
export function servedText({ peer, contents: { title } }: Transfer): string {
  return `${peer} gets ${title} from your shared folder`;
}

/** What became of a transfer that ran so long; `me` is the user's name. */
export function endText(
  transfer: Transfer,
  me: string,
  tookMs: number,
): string {
  const { sends, peer, contents, state } = transfer;
  const way = `${contents.title} ${sends ? "to" : "from"} ${peer}`;
  if (state.type === "failed") {
    const { message } = state.error;
    const us = `${me} `;
    const why = message.startsWith(us)
      ? `you ${message.slice(us.length)}`
      : message;
    return `${way}: ${why}`;
  }
  const verb = sends ? "Sent" : "Received";
  const time = durationText(tookMs);
  const { count = 0 } = state.type === "done" ? state.missing : {};
  if (count > 0) {
    return `${verb} ${way} in ${time}, but for ${count} that did not arrive`;
  }
  const amount = amountText(contents.files, contents.size);
  return `${verb} ${way} (${amount} in ${time})`;
}

/** Why something did not arrive, in the words of the sender. */
export function missingText(
  { sends, peer }: Pick<Transfer, "sends" | "peer">,
  why: string,
): string {
  if (sends) return why;
  const isUsual = why.startsWith("Cannot ");
  return isUsual ? `${peer} c${why.slice(1)}` : `${peer}: ${why}`;
}

/** Tells on whose disk the names of a transfer are others. */
export function renamedText({ sends, peer }: Transfer): string {
  return `Names changed on ${sends ? `${peer}'s` : "this"} disk:`;
}

/** How it is: `[1] a.txt to bob: 45%, 1.2 GB of 2.4 GB, 210 MB/s, 6s left`. */
export function describe(transfer: Transfer): string {
  const { number, contents, sends, peer } = transfer;
  const what = `[${number}] ${contents.title} ${sends ? "to" : "from"} ${peer}`;
  return `${what}: ${stateText(transfer)}`;
}

/** How far it is, or what it waits for. */
export function stateText(transfer: Transfer): string {
  const { sends, peer, state: { type }, role } = transfer;
  if (type === "offered") {
    if (role === "get") return `waiting for ${peer}`;
    return `waiting for ${sends ? peer : "you"} to accept`;
  }
  const text = progressText(progressOf(transfer));
  return type === "paused" ? `${text}, waiting for the connection` : text;
}

/** What a bar shows: bytes and bytes a second; the title is not sanitized. */
export function progressOf(transfer: Transfer) {
  const { number, contents, moved, sends, peer, state, meter } = transfer;
  const paused = state.type === "paused" ? " (no connection)" : "";
  const way = `${sends ? "to" : "from"} ${peer}${paused}`;
  const title = `[${number}] ${contents.title} ${way}`;
  return { title, moved, size: contents.size, rate: meter.rate };
}

type Progress = ReturnType<typeof progressOf>;

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
