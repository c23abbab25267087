/**
 * What is said of a transfer, in a terminal and on a page.
 *
 * @module
 */
import { amountText, type Job } from "./job.ts";
import { durationText, type Progress, progressText } from "./progress.ts";
import type { Transfer } from "./transfers.ts";

/** Somebody gets something that we share. */
export function servedText({ peer, title }: Job): string {
  return `${peer} gets ${title} of what you share`;
}

/** It is whole, after so many milliseconds. */
export function doneText(job: Job, tookMs: number): string {
  const { sends, peer, title } = job;
  const amount = amountText(job.files, job.size);
  const what = `${amount} in ${durationText(tookMs)}`;
  return sends
    ? `${peer} has ${title} (${what})`
    : `${title} of ${peer} is here (${what})`;
}

/** It will not be whole: why, which may be about us, who are `me`. */
export function failedText(
  { sends, peer, title }: Job,
  { error: { message }, me }: { error: Error; me: string },
): string {
  const us = `${me} `;
  const why = message.startsWith(us)
    ? `you ${message.slice(us.length)}`
    : message;
  return `${title} ${sends ? "to" : "from"} ${peer}: ${why}`;
}

/** How it is: `[1] a.txt to bob: 45%, 1.2 GB of 2.4 GB, 210 MB/s, 6s left`. */
export function describe(transfer: Transfer): string {
  const { number, job: { title, sends, peer } } = transfer;
  const what = `[${number}] ${title} ${sends ? "to" : "from"} ${peer}`;
  return `${what}: ${stateText(transfer)}`;
}

/** How far it is, or what it waits for. */
export function stateText(transfer: Transfer): string {
  const { sends, peer, state } = transfer.job;
  if (state === "asking") return `waits for ${sends ? peer : "you"} to accept`;
  const text = progressText(progressOf(transfer));
  return state === "paused" ? `${text}, waits for the connection` : text;
}

/** As a bar shows it. */
export function progressOf({ number, job, meter }: Transfer): Progress {
  const { moved, size, sends, peer } = job;
  const paused = job.state === "paused" ? " (no connection)" : "";
  const way = `${sends ? "to" : "from"} ${peer}${paused}`;
  const title = `[${number}] ${job.title} ${way}`;
  return { title, moved, size, rate: meter.rate };
}
