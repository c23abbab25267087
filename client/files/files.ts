/**
 * Files as a person at a terminal deals with them: offers to answer, transfers
 * that run with their numbers and bars, and what became of each, in words.
 *
 * What is decided about them is in transfers.ts. This is loaded when the first
 * is needed.
 *
 * @module
 */
import { atHome } from "./downloads.ts";
import { Failure } from "../terminal/failure.ts";
import { findSources } from "./disk.ts";
import { FileFailure } from "./failure.ts";
import { amountText, type Job } from "./job.ts";
import type { Outgoing } from "./source.ts";
import type { FileTalk } from "./talk.ts";
import {
  describe,
  doneText,
  failedText,
  progressOf,
  servedText,
} from "./words.ts";
import { bytesText, progressBar } from "./progress.ts";
import {
  type Done,
  type Told,
  type Transfer,
  Transfers,
  type TransfersParts,
  type TransfersWatcher,
} from "./transfers.ts";
import type { Item as Shown } from "../terminal/view.ts";

/** Who draws no bars is told so often, in milliseconds. */
const TELL_EVERY_MS = 10_000;

/** So many transfers have a bar; the others are counted. */
const MAX_BARS = 5;

/** So many files of an offer, or of a shared folder, are named. */
const MAX_NAMED = 20;

const USUAL_COLUMNS = 80;

/** What {@linkcode Files} works with. */
export interface FilesParts extends Omit<TransfersParts, "watcher"> {
  /** Shows a line. */
  show(item: Shown): void;
  /** Draws rows that change. Default: nothing is drawn, and told now and then. */
  readonly draw?: ((rows: readonly string[]) => void) | undefined;
  /** How wide the screen is that is drawn on. Default 80. */
  columns?(): number;
}

/** See the top of the file. */
export class Files implements TransfersWatcher {
  readonly #parts: FilesParts;
  readonly #transfers: Transfers;
  #toldAt: number | undefined;

  /** Begins with nothing under way. */
  constructor(parts: FilesParts) {
    this.#parts = parts;
    this.#transfers = new Transfers({ ...parts, watcher: this });
  }

  /** See {@linkcode Transfers.talk}. */
  talk(peer: string, told?: Told): FileTalk {
    return this.#transfers.talk(peer, told);
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
    const { number, job } = this.#transfers.send(talk, outgoing);
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
    return this.#transfers.get(talk, path).job;
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
  get offers(): readonly Transfer[] {
    return this.#transfers.offers;
  }

  /** The next offer that is accepted. */
  get accepted(): Promise<Job> {
    return this.#transfers.accepted;
  }

  /** Takes an offer, if there is room for it. */
  async accept(number: number): Promise<void> {
    const offer = this.offers.find((one) => one.number === number);
    if (!offer) {
      return this.#error(`Cannot accept ${number}: there is no such offer`);
    }
    const lacking = await this.#transfers.accept(offer);
    if (lacking === undefined) return;
    this.#error(
      `${lacking}. Make room and /accept ${number} again, or /decline ${number}`,
    );
  }

  /** Ends a transfer, or declines an offer. */
  async cancel(number: number): Promise<void> {
    const { all } = this.#transfers;
    const transfer = all.find((one) => one.number === number);
    if (transfer) await this.#transfers.end(transfer);
    else this.#error(`Cannot cancel ${number}: /files shows what runs`);
  }

  /** The number of the only transfer, if there is one only. */
  get only(): number | undefined {
    const [first, second] = this.#transfers.all;
    return second ? undefined : first?.number;
  }

  /** Shows everything that has not ended. */
  showAll(): void {
    const { all } = this.#transfers;
    if (all.length === 0) this.#note("Nothing is sent or received");
    for (const transfer of all) this.#note(describe(transfer));
  }

  /** See {@linkcode Transfers.roomFor}. */
  roomFor(size: number): Promise<string> {
    return this.#transfers.roomFor(size);
  }

  /** See {@linkcode TransfersWatcher}. */
  began(transfer: Transfer): void {
    this.#toldAt ??= transfer.since;
  }

  /** See {@linkcode TransfersWatcher}. */
  async asks({ number, job }: Transfer): Promise<void> {
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

  /** See {@linkcode TransfersWatcher}. */
  serves({ job }: Transfer): void {
    this.#note(servedText(job));
  }

  /** See {@linkcode TransfersWatcher}. */
  refuses(_transfer: Transfer, why: string): void {
    this.#error(why);
  }

  /** See {@linkcode TransfersWatcher}. */
  done({ job }: Transfer, { paths, tookMs }: Done): void {
    const lines = paths.slice(0, MAX_NAMED);
    this.#note(doneText(job, tookMs));
    this.#noteList(lines, paths.length - lines.length);
  }

  /** See {@linkcode TransfersWatcher}. */
  failed({ job }: Transfer, error: Error): void {
    const { me } = this.#parts;
    this.#error(failedText(job, { error, me }));
  }

  /** Draws the bars; or says in words, now and then, how far everything is. */
  moved(transfers: readonly Transfer[], now: number): void {
    const { draw, columns = () => USUAL_COLUMNS } = this.#parts;
    const moving = transfers.filter(({ job }) => job.state !== "asking");
    if (!draw) return this.#tell(moving, now);
    const bars = moving.slice(0, MAX_BARS)
      .map((transfer) => progressBar(progressOf(transfer), columns()));
    const more = moving.length - MAX_BARS;
    draw(more > 0 ? [...bars, `and ${more} more`] : bars);
  }

  #tell(moving: readonly Transfer[], now: number): void {
    if (now - (this.#toldAt ?? now) < TELL_EVERY_MS) return;
    this.#toldAt = now;
    for (const transfer of moving) this.#note(describe(transfer));
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

function nameAndSize(name: string, size: number): string {
  return `${name}  ${bytesText(size)}`;
}
