/**
 * The transfers of one person, and what is decided about them: what is taken
 * without a question, what there is room for, and what becomes of each.
 *
 * Nothing is said here. Who shows it is told: files.ts in the words of a
 * terminal, page_visit.ts for a page. Which records travel is the business of
 * talk.ts, over which connection that of direct_sessions.ts.
 *
 * @module
 */
import { downloadsFolder, freeBytes } from "./downloads.ts";
import type { Job } from "./job.ts";
import type { SharedFolder } from "./share.ts";
import type { Outgoing } from "./source.ts";
import { FileTalk } from "./talk.ts";
import { CLOCK, type Clock } from "../../core/net/backoff.ts";
import { bytesText, Meter } from "./progress.ts";

/** Who watches is told how far everything is so often, in milliseconds. */
const TELL_EVERY_MS = 250;

/** What was told about an offer before the connection was there. */
export interface Told {
  /** What is offered. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** How many files; 0: nothing is offered, but something wanted. */
  readonly files: number;
}

/** One of them. */
export interface Transfer {
  /** What the person calls it, counted from 1. */
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

/** Is told what happens, and shows it. */
export interface TransfersWatcher {
  /** It is there from now on. */
  began(transfer: Transfer): void;
  /** The person has to accept it or to end it; resolves when that was said. */
  asks(transfer: Transfer): Promise<void>;
  /** Something that we share is being got. */
  serves(transfer: Transfer): void;
  /** Why it is not taken, in words for the person. That it failed is told too. */
  refuses(transfer: Transfer, why: string): void;
  /** All of it is there. */
  done(transfer: Transfer, done: Done): void;
  /** It will not be. */
  failed(transfer: Transfer, error: Error): void;
  /** How far each is may have changed, or which there are. */
  moved(transfers: readonly Transfer[], now: number): void;
}

/** How a transfer has ended well. */
export interface Done {
  /** Where it is, if it came to us. */
  readonly paths: readonly string[];
  /** How long it has moved, in milliseconds. */
  readonly tookMs: number;
}

/** What {@linkcode Transfers} work with. */
export interface TransfersParts {
  /** Our name. */
  readonly me: string;
  /** Where files go that we receive. Default: {@linkcode downloadsFolder}. */
  readonly folder?: string | undefined;
  /** What others may get. Default: nothing. */
  readonly shared?: SharedFolder | undefined;
  /** Who shows it. */
  readonly watcher: TransfersWatcher;
  /** Whether offers are accepted without a question. Default: none. */
  accepts?(job: Job): boolean;
  /** The time; tests pass their own. */
  readonly clock?: Clock | undefined;
}

/** See the top of the file. */
export class Transfers {
  readonly #parts: TransfersParts;
  readonly #clock: Clock;
  readonly #all: Transfer[] = [];
  #lastNumber = 0;
  #ticking: Disposable | undefined;
  #accepted = Promise.withResolvers<Job>();

  /** Begins with nothing under way. */
  constructor(parts: TransfersParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? CLOCK;
  }

  /**
   * The files between us and `peer`, for one session. If it was opened for
   * files, `told` is what the server said of them, and what is offered first
   * has to agree with it.
   */
  talk(peer: string, told?: Told): FileTalk {
    const { me, shared, watcher } = this.#parts;
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
      served: (job) => watcher.serves(this.#follow(talk, job)),
    });
    return talk;
  }

  /** Sends what was found. */
  send(talk: FileTalk, outgoing: Outgoing): Transfer {
    return this.#follow(talk, talk.send(outgoing));
  }

  /** Gets `path` of what the other side shares. */
  get(talk: FileTalk, path: string): Transfer {
    return this.#follow(talk, talk.get(path));
  }

  /** What has not ended, the oldest first. */
  get all(): readonly Transfer[] {
    return this.#all;
  }

  /** Those that wait for the person, the oldest first. */
  get offers(): readonly Transfer[] {
    return this.#all.filter(({ job }) => !job.sends && job.state === "asking");
  }

  /** The next offer that is accepted. */
  get accepted(): Promise<Job> {
    return this.#accepted.promise;
  }

  /**
   * Takes an offer, if there is room for it.
   *
   * @returns Why it could not, in words; undefined if it did.
   */
  async accept(offer: Transfer): Promise<string | undefined> {
    const lacking = await this.#lackOfRoom(offer.job);
    if (lacking === undefined) this.#take(offer);
    return lacking;
  }

  /** Ends a transfer, or declines an offer; the other side is told. */
  async end({ talk, job }: Transfer): Promise<void> {
    await talk.cancel(job);
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
    const { watcher, accepts } = this.#parts;
    const offer = this.#follow(talk, job);
    if (told && !agrees(job, told)) {
      watcher.refuses(offer, changedOnTheWay(job, told));
      this.#own(talk.cancel(job));
    } else if (told || accepts?.(job)) {
      this.#own(this.#takeIfRoom(offer));
    } else this.#own(watcher.asks(offer));
  }

  #take({ job, talk }: Transfer): void {
    if (job.state !== "asking") return; // it was accepted twice
    talk.accept(job);
    this.#accepted.resolve(job);
    this.#accepted = Promise.withResolvers();
  }

  async #takeIfRoom(offer: Transfer): Promise<void> {
    const { me, watcher } = this.#parts;
    const lacking = await this.accept(offer);
    if (lacking === undefined) return;
    watcher.refuses(offer, lacking);
    await offer.talk.cancel(offer.job, `${me} had no room for it`);
  }

  async #lackOfRoom({ title, size }: Job): Promise<string | undefined> {
    const folder = this.#folder;
    const free = await freeBytes(folder);
    if (free === undefined || free >= size) return undefined;
    return `Cannot accept ${title}: it needs ${bytesText(size)}, and ` +
      `${folder} has room for ${bytesText(free)}`;
  }

  /** Has a transfer watched from now on, to its end. */
  #follow(talk: FileTalk, job: Job): Transfer {
    const { watcher } = this.#parts;
    const number = ++this.#lastNumber;
    const since = this.#clock.now();
    const transfer = { number, job, talk, meter: new Meter(), since };
    this.#all.push(transfer);
    this.#own(job.started.then(() => {
      transfer.since = this.#clock.now();
    }));
    this.#own(
      job.ended.then((paths) => {
        this.#remove(transfer);
        const tookMs = Math.max(1, this.#clock.now() - transfer.since);
        watcher.done(transfer, { paths, tookMs });
      }, (error) => {
        this.#remove(transfer);
        watcher.failed(transfer, error);
      }),
    );
    this.#ticking ??= this.#clock.every(TELL_EVERY_MS, () => this.#tick());
    watcher.began(transfer);
    return transfer;
  }

  #remove(transfer: Transfer): void {
    this.#all.splice(this.#all.indexOf(transfer), 1);
    this.#tick();
    if (this.#all.length > 0) return;
    this.#ticking?.[Symbol.dispose]();
    this.#ticking = undefined;
  }

  #tick(): void {
    const now = this.#clock.now();
    for (const { meter, job } of this.#all) {
      if (job.state === "paused") meter.restart();
      else if (job.state !== "asking") meter.note(job.moved, now);
    }
    this.#parts.watcher.moved(this.#all, now);
  }

  /** What nobody awaits: it fails only by a mistake of ours, and loudly. */
  #own(task: Promise<void>): void {
    task.catch((error) => {
      queueMicrotask(() => {
        throw error;
      });
    });
  }
}

/** Whether an offer is what the server said it would be. */
function agrees(job: Job, told: Told): boolean {
  return calledName(told.name) === calledName(job.title) &&
    told.size === job.size && told.files === job.files;
}

function changedOnTheWay({ peer, title, size }: Job, told: Told): string {
  return `${peer} offers ${title} (${bytesText(size)}), and the server said ` +
    `${told.name} (${bytesText(told.size)}): it was changed on the way, and ` +
    "is declined";
}

/** A title as a CALL carries it: 1 to 255 characters, and no control ones. */
export function calledName(title: string): string {
  const plain = title.replace(/[\p{Cc}\p{Cs}]/gu, "_");
  return [...plain].slice(0, 255).join("").trim() || "_";
}
