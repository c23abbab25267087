/**
 * One transfer as a person sees it: it lasts from the offer to the end, over as
 * many connections as that takes.
 *
 * @module
 */
import type { FileFailure } from "./failure.ts";
import type { Item } from "./part.ts";
import type { Receiving } from "./receive.ts";
import type { Sending } from "./send.ts";
import { bytesText } from "./progress.ts";

/**
 * Where a transfer is: `asking` whoever receives it, `running`, `paused` while
 * there is no connection, `done`, or `failed`.
 */
export type JobState = "asking" | "running" | "paused" | "done" | "failed";

/** What a {@linkcode Job} begins with. */
export interface JobParts {
  /** The other side. */
  readonly peer: string;
  /** Whether we send. */
  readonly sends: boolean;
  /** The same on every connection; none for what we ask for. */
  readonly id?: string;
  /** What to call it, from outside; see {@linkcode titleOf}. */
  readonly title: string;
}

/** See the top of the file. */
export class Job {
  /** The other side. */
  readonly peer: string;
  /** Whether we send. */
  readonly sends: boolean;
  /** The same on every connection. */
  readonly id: string | undefined;
  /** What to call it, from outside. */
  title: string;
  /** How many files; 0 if nobody knows yet. */
  files = 0;
  /** The sum of their sizes, in bytes. */
  size = 0;
  /** What is received, as it is to be called here. */
  items: readonly Item[] = [];
  /** Where those are that are whole already. */
  finished: readonly string[] = [];
  /** Where it is. */
  state: JobState = "asking";
  /** Where everything is; rejects with why it ended. */
  readonly ended: Promise<readonly string[]>;
  /** Resolves when it first moves. */
  readonly started: Promise<void>;
  readonly #started = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<readonly string[]>();
  #attempt: Sending | Receiving | undefined;
  #moved = 0;

  /** It asks, at first. */
  constructor({ peer, sends, id, title }: JobParts) {
    this.peer = peer;
    this.sends = sends;
    this.id = id;
    this.title = title;
    this.started = this.#started.promise;
    this.ended = this.#ended.promise;
    this.ended.catch(() => {}); // who waits for it is told
  }

  /** Resolves when it has ended, well or badly. */
  get settled(): Promise<void> {
    return this.ended.then(() => {}, () => {});
  }

  /** How many bytes are there. */
  get moved(): number {
    return Math.max(this.#moved, this.#attempt?.moved ?? 0);
  }

  /** Whether it has ended, well or badly. */
  get over(): boolean {
    return this.state === "done" || this.state === "failed";
  }

  /** What it is on the connection there is, if there is one. */
  get attempt(): Sending | Receiving | undefined {
    return this.#attempt;
  }

  /** It is tried again, on a new connection. */
  begin(attempt: Sending | Receiving): void {
    this.#attempt = attempt;
    this.#moved = 0; // what is really there is about to be known
  }

  /** It is wanted, and moves. */
  run(): void {
    if (this.over) return;
    this.state = "running";
    this.#started.resolve();
  }

  /** The connection is gone. */
  pause(): void {
    if (this.state === "running") this.state = "paused";
    this.#moved = this.moved;
    this.#attempt = undefined;
  }

  /** All of it is there. */
  finish(paths: readonly string[]): void {
    if (this.over) return;
    this.#end("done");
    this.#moved = this.size;
    this.#ended.resolve(paths);
  }

  /** It will not be. */
  fail(why: FileFailure): void {
    if (this.over) return;
    this.#end("failed");
    this.#ended.reject(why);
  }

  #end(state: JobState): void {
    this.#moved = this.moved;
    this.#attempt = undefined;
    this.state = state;
  }
}

/** Names as people say them: `a.txt`, `photos/`, `a.txt and 2 more`. */
export function titleOf(names: readonly string[]): string {
  const [first = "nothing", ...others] = names;
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}

/** How much it is: `3.4 MB`, or `120 files, 3 GB`. */
export function amountText(files: number, size: number): string {
  return files > 1 ? `${files} files, ${bytesText(size)}` : bytesText(size);
}
