/**
 * Files as a person deals with them: offers to answer, transfers that run with
 * their numbers and bars, and what became of each, in words.
 *
 * Which records travel is the business of file_talk.ts, over which connection
 * that of the direct sessions. This is the only one of the files about files
 * that the rest of the client knows; it is loaded when the first is needed.
 *
 * @module
 */
import { atHome, downloadsFolder, freeBytes } from "./downloads.ts";
import { Failure } from "./failure.ts";
import { FileFailure } from "./file_failure.ts";
import { amountText, type Job } from "./file_job.ts";
import type { SharedFolder } from "./file_share.ts";
import { findSources } from "./file_disk.ts";
import type { Outgoing } from "./file_source.ts";
import { FileTalk } from "./file_talk.ts";
import { CLOCK, type Clock } from "./pause.ts";
import {
  bytesText,
  durationText,
  Meter,
  progressBar,
  progressText,
} from "./progress.ts";
import type { Item as Shown } from "./view.ts";

/** Bars are drawn so often, in milliseconds. */
const DRAW_EVERY_MS = 250;

/** Who draws no bars is told so often, in milliseconds. */
const TELL_EVERY_MS = 10_000;

/** So many transfers have a bar; the others are counted. */
const MAX_BARS = 5;

/** So many files of an offer, or of a shared folder, are named. */
const MAX_NAMED = 20;

const USUAL_COLUMNS = 80;

/** What was told about an offer before the connection was there. */
export interface Told {
  /** What is offered. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** How many files; 0: nothing is offered, but something wanted. */
  readonly files: number;
}

/** What {@linkcode Files} works with. */
export interface FilesParts {
  /** Our name. */
  readonly me: string;
  /** Where files go that we receive. Default: {@linkcode downloadsFolder}. */
  readonly folder?: string | undefined;
  /** What others may get. Default: nothing. */
  readonly shared?: SharedFolder | undefined;
  /** Shows a line. */
  show(item: Shown): void;
  /** Draws rows that change. Default: nothing is drawn, and told now and then. */
  readonly draw?: ((rows: readonly string[]) => void) | undefined;
  /** How wide the screen is that is drawn on. Default 80. */
  columns?(): number;
  /** Whether offers are accepted without a question. Default: none. */
  accepts?(job: Job): boolean;
  /** The time; tests pass their own. */
  readonly clock?: Clock;
}

/** A transfer that is shown. */
export interface Row {
  /** What the person calls it. */
  readonly number: number;
  /** How it is. */
  readonly job: Job;
  /** With whom. */
  readonly talk: FileTalk;
  /** How fast it is. */
  readonly meter: Meter;
  /** When it began to move, in milliseconds. */
  since: number;
}

/** See the top of the file. */
export class Files {
  readonly #parts: FilesParts;
  readonly #clock: Clock;
  readonly #rows: Row[] = [];
  #lastNumber = 0;
  #ticking: Disposable | undefined;
  #accepted = Promise.withResolvers<Job>();
  #toldAt = 0;

  /** Begins with nothing under way. */
  constructor(parts: FilesParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? CLOCK;
  }

  /**
   * The files between us and `peer`, for one session. If it was opened for
   * files, `told` is what the server said of them, and what is offered first
   * has to agree with it.
   */
  talk(peer: string, told?: Told): FileTalk {
    const { me, shared } = this.#parts;
    let expected = told;
    const talk: FileTalk = new FileTalk({
      me,
      peer,
      folder: () => this.#folder,
      shared,
      lackOfRoom: (job) => this.#lackOfRoom(job),
      offered: (job) => {
        this.#offered(talk, job, expected);
        expected = undefined;
      },
      served: (job) => {
        this.#note(`${peer} gets ${job.title} of what you share`);
        this.#follow(talk, job);
      },
    });
    return talk;
  }

  /**
   * Finds files to be sent.
   *
   * @throws {FileFailure} If one cannot be sent.
   */
  async find(paths: readonly string[]): Promise<Outgoing> {
    return await findSources(paths.map(atHome));
  }

  /** Sends what was found. */
  send(talk: FileTalk, outgoing: Outgoing): Job {
    const job = talk.send(outgoing);
    const { number } = this.#follow(talk, job);
    const amount = amountText(job.files, job.size);
    const links = outgoing.leftOut > 0
      ? `; ${outgoing.leftOut} links and devices are left out`
      : "";
    this.#note(
      `[${number}] ${job.title} (${amount}${links}) is offered to ${job.peer}`,
    );
    return job;
  }

  /** Gets `path` of what the other side shares. */
  get(talk: FileTalk, path: string): Job {
    const job = talk.get(path);
    this.#follow(talk, job);
    return job;
  }

  /**
   * Shows what the other side shares.
   *
   * @throws {FileFailure} If that is nothing.
   */
  async list(talk: FileTalk, peer: string): Promise<void> {
    const { entries, more } = await talk.list();
    this.#note(`${peer} shares ${entries.length + more} files`);
    const lines = entries.map(({ path, size }) => nameAndSize(path, size));
    this.#noteList(lines, more);
  }

  /** The offers that wait for an answer, the oldest first. */
  get offers(): readonly Row[] {
    return this.#rows.filter(({ job }) => !job.sends && job.state === "asking");
  }

  /** The next offer that is accepted. */
  get accepted(): Promise<Job> {
    return this.#accepted.promise;
  }

  /** Takes an offer, if there is room for it. */
  async accept(number: number): Promise<void> {
    const row = this.offers.find((one) => one.number === number);
    if (!row) {
      return this.#error(`Cannot accept ${number}: there is no such offer`);
    }
    const lacking = await this.#lackOfRoom(row.job);
    if (lacking === undefined) return this.#take(row);
    this.#error(
      `${lacking}. Make room and /accept ${number} again, or /decline ${number}`,
    );
  }

  /** Ends a transfer, or declines an offer. */
  async cancel(number: number): Promise<void> {
    const row = this.#find(number);
    if (row) await row.talk.cancel(row.job);
    else this.#error(`Cannot cancel ${number}: /files shows what runs`);
  }

  /** The number of the only transfer, if there is one only. */
  get only(): number | undefined {
    return this.#rows.length === 1 ? this.#rows[0]!.number : undefined;
  }

  /** Shows everything that has not ended. */
  showAll(): void {
    if (this.#rows.length === 0) this.#note("Nothing is sent or received");
    for (const row of this.#rows) this.#note(this.#describe(row));
  }

  /** How much room there is for files of `size` bytes, in words. */
  async roomFor(size: number): Promise<string> {
    const free = await freeBytes(this.#folder);
    if (free === undefined) return "whether there is room is not known";
    if (free < size) return `no room: ${bytesText(free)} are free`;
    return `${bytesText(free)} are free`;
  }

  /** Found out when it is needed: nobody else has to let us look. */
  get #folder(): string {
    return this.#parts.folder ?? downloadsFolder();
  }

  #offered(talk: FileTalk, job: Job, told: Told | undefined): void {
    const row = this.#follow(talk, job);
    if (told && !agrees(job, told)) {
      this.#error(
        `${job.peer} offers ${job.title} (${bytesText(job.size)}), and the ` +
          `server said ${told.name} (${
            bytesText(told.size)
          }): it was changed ` +
          "on the way, and is declined",
      );
      this.#own(talk.cancel(job));
    } else if (told || this.#parts.accepts?.(job)) {
      this.#own(this.#takeIfRoom(row));
    } else this.#own(this.#ask(row));
  }

  #take({ job, talk }: Row): void {
    if (job.state !== "asking") return; // it was typed twice
    talk.accept(job);
    this.#accepted.resolve(job);
    this.#accepted = Promise.withResolvers();
  }

  async #takeIfRoom(row: Row): Promise<void> {
    const { job, talk } = row;
    const lacking = await this.#lackOfRoom(job);
    if (lacking === undefined) return this.#take(row);
    this.#error(lacking);
    await talk.cancel(job, `${this.#parts.me} had no room for it`);
  }

  async #lackOfRoom({ title, size }: Job): Promise<string | undefined> {
    const folder = this.#folder;
    const free = await freeBytes(folder);
    if (free === undefined || free >= size) return undefined;
    return `Cannot accept ${title}: it needs ${bytesText(size)}, and ` +
      `${folder} has room for ${bytesText(free)}`;
  }

  async #ask({ number, job }: Row): Promise<void> {
    const room = await this.roomFor(job.size);
    const amount = amountText(job.files, job.size);
    this.#note(`${job.peer} offers ${job.title} (${amount}; ${room})`);
    if (job.items.length > 1) {
      const lines = job.items.slice(0, MAX_NAMED)
        .map(({ title, size }) => nameAndSize(title, size));
      this.#noteList(lines, job.items.length - lines.length);
    }
    this.#note(`/accept ${number} takes it, /decline ${number} does not`);
  }

  /** Shows a transfer from now on, and at last what became of it. */
  #follow(talk: FileTalk, job: Job): Row {
    const number = ++this.#lastNumber;
    const since = this.#clock.now();
    const row: Row = { number, job, talk, meter: new Meter(), since };
    this.#rows.push(row);
    this.#own(job.started.then(() => void (row.since = this.#clock.now())));
    this.#own(
      job.ended.then(
        (paths) => this.#tellDone(row, paths),
        (error) => this.#tellFailed(row, error),
      ),
    );
    this.#tick();
    return row;
  }

  #tellDone(row: Row, paths: readonly string[]): void {
    this.#remove(row);
    const { job, since } = row;
    const ms = Math.max(1, this.#clock.now() - since);
    const amount = `${amountText(job.files, job.size)} in ${durationText(ms)}`;
    if (job.sends) {
      return this.#note(`${job.peer} has ${job.title} (${amount})`);
    }
    this.#note(`${job.title} of ${job.peer} is here (${amount})`);
    const lines = paths.slice(0, MAX_NAMED);
    this.#noteList(lines, paths.length - lines.length);
  }

  #tellFailed(row: Row, error: Error): void {
    this.#remove(row);
    const { job } = row;
    const us = `${this.#parts.me} `;
    const why = error.message.startsWith(us)
      ? `you ${error.message.slice(us.length)}`
      : error.message;
    const way = job.sends ? "to" : "from";
    this.#error(`${job.title} ${way} ${job.peer}: ${why}`);
  }

  #remove(row: Row): void {
    this.#rows.splice(this.#rows.indexOf(row), 1);
    this.#draw();
    if (this.#rows.length > 0) return;
    this.#ticking?.[Symbol.dispose]();
    this.#ticking = undefined;
  }

  #tick(): void {
    this.#toldAt ||= this.#clock.now();
    this.#ticking ??= this.#clock.every(DRAW_EVERY_MS, () => this.#draw());
  }

  /** Draws the bars; or says in words, now and then, how far everything is. */
  #draw(): void {
    const { draw, columns = () => USUAL_COLUMNS } = this.#parts;
    const now = this.#clock.now();
    const moving = this.#rows.filter(({ job }) => job.state !== "asking");
    for (const { meter, job } of moving) {
      if (job.state === "paused") meter.restart();
      else meter.note(job.moved, now);
    }
    if (!draw) return this.#tell(moving, now);
    const bars = moving.slice(0, MAX_BARS)
      .map((row) => progressBar(progressOf(row), columns()));
    const more = moving.length - MAX_BARS;
    draw(more > 0 ? [...bars, `and ${more} more`] : bars);
  }

  #tell(moving: readonly Row[], now: number): void {
    if (now - this.#toldAt < TELL_EVERY_MS) return;
    this.#toldAt = now;
    for (const row of moving) this.#note(this.#describe(row));
  }

  #describe(row: Row): string {
    const { number, job } = row;
    const way = job.sends ? "to" : "from";
    const what = `[${number}] ${job.title} ${way} ${job.peer}`;
    if (job.state === "asking") {
      const whose = job.sends ? job.peer : "you";
      return `${what}: waits for ${whose} to accept`;
    }
    const paused = job.state === "paused" ? ", waits for the connection" : "";
    return `${what}: ${progressText(progressOf(row))}${paused}`;
  }

  #find(number: number): Row | undefined {
    return this.#rows.find((row) => row.number === number);
  }

  /** What nobody awaits: it fails only by a mistake of ours, and loudly. */
  #own(task: Promise<void>): void {
    task.catch((error) => {
      queueMicrotask(() => {
        throw error;
      });
    });
  }

  #noteList(lines: readonly string[], more: number): void {
    for (const line of lines) this.#note(`  ${line}`);
    if (more > 0) this.#note(`  and ${more} more`);
  }

  #note(text: string): void {
    this.#parts.show({ kind: "note", text });
  }

  #error(text: string): void {
    this.#parts.show({ kind: "error", text });
  }
}

/** Whether a failure is one that people are told, and no mistake of ours. */
export function isTold(error: unknown): error is Error {
  return error instanceof FileFailure || error instanceof Failure;
}

function progressOf({ number, job, meter }: Row): {
  title: string;
  moved: number;
  size: number;
  rate: number | undefined;
} {
  const { moved, size, sends, peer } = job;
  const paused = job.state === "paused" ? " (no connection)" : "";
  const way = `${sends ? "to" : "from"} ${peer}${paused}`;
  const title = `[${number}] ${job.title} ${way}`;
  return { title, moved, size, rate: meter.rate };
}

function nameAndSize(name: string, size: number): string {
  return `${name}  ${bytesText(size)}`;
}

/** Whether an offer is what the server said it would be. */
function agrees(job: Job, told: Told): boolean {
  return calledName(told.name) === calledName(job.title) &&
    told.size === job.size && told.files === job.files;
}

/** A title as a CALL carries it: 1 to 255 characters, and no control ones. */
export function calledName(title: string): string {
  const plain = title.replace(/[\p{Cc}\p{Cs}]/gu, "_");
  return [...plain].slice(0, 255).join("").trim() || "_";
}
