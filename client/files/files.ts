/**
 * Files on a terminal: offers to answer, transfers with their numbers and bars,
 * and what became of each, in words.
 *
 * What is decided about them is in transfers.ts. This is loaded when the first
 * transfer needs it.
 *
 * @module
 */
import { meantPaths } from "./typed_paths.ts";
import { Failure } from "../view/failure.ts";
import { findFiles } from "./file_source.ts";
import { FileFailure, type Lines } from "./records.ts";
import type { PeerFiles } from "./peer_files.ts";
import type { Outgoing } from "./file_source.ts";
import type { Transfer } from "./transfer.ts";
import {
  amountText,
  bytesText,
  describe,
  endText,
  missingText,
  progressBar,
  progressOf,
  renamedText,
  servedText,
  withSeenBlanks,
} from "./words.ts";
import {
  Transfers,
  type TransfersObserver,
  type TransfersParts,
} from "./transfers.ts";
import type { Item as Shown } from "../view/view.ts";

/** Without bars, a line tells how far it is so often, in milliseconds. */
const TELL_EVERY_MS = 10_000;

/** So many transfers have a bar; the others are counted. */
const MAX_BARS = 5;

/** So many files of an offer, or of a shared folder, are named. */
const MAX_NAMED = 20;

/** What {@linkcode Files} works with. */
export interface FilesParts extends Omit<TransfersParts, "observer"> {
  /** Shows a line. */
  show(item: Shown): void;
  /** Draws rows that change. Default: nothing is drawn, and told now and then. */
  readonly draw?: ((rows: readonly string[]) => void) | undefined;
  /** How wide the screen is that is drawn on. Default 80. */
  columns?(): number;
}

/** See the top of the file. */
export class Files implements TransfersObserver {
  readonly transfers: Transfers;
  readonly #parts: FilesParts;
  #toldAt = 0;

  /** Begins with nothing under way. */
  constructor(parts: FilesParts) {
    this.#parts = parts;
    this.transfers = new Transfers({ ...parts, observer: this });
  }

  /**
   * Finds files to be sent.
   *
   * @throws {FileFailure} If one cannot be sent.
   */
  async find(paths: readonly string[]): Promise<Outgoing> {
    return await findFiles(paths.flatMap(meantPaths));
  }

  /** Offers what was found, and says so. */
  send(files: PeerFiles, outgoing: Outgoing): Transfer {
    const transfer = files.send(outgoing);
    const { number, peer, contents: { title, files: count, size } } = transfer;
    const { leftOut, omitted } = outgoing;
    const amount = amountText(count, size, leftOut);
    this.#note(`[${number}] Offering ${title} (${amount}) to ${peer}`);
    this.#noteLines(omitted);
    return transfer;
  }

  /**
   * Shows what the peer shares.
   *
   * @throws {FileFailure} If that is nothing.
   */
  async list(files: PeerFiles, peer: string): Promise<void> {
    const { entries, more } = await files.list();
    this.#note(`${peer} shares ${entries.length + more} files`);
    const lines = entries.map(({ path, size }) => nameAndSize(path, size));
    this.#noteList(lines, more);
  }

  /** Takes an offer, if there is room for it. */
  async accept(offer: Transfer): Promise<void> {
    const lacking = await this.transfers.accept(offer);
    if (lacking === undefined) return;
    const { number } = offer;
    this.#error(
      `${lacking}. Make room and /accept ${number} again, or /decline ${number}`,
    );
  }

  /** Ends a transfer; without a number the only one, or shows all. */
  cancel(number?: number): void {
    const [meant, other] = this.transfers.all.filter((one) =>
      number === undefined || one.number === number
    );
    if (meant && !other) return this.transfers.end(meant);
    if (number === undefined) return this.showAll();
    const why = "there is no such transfer. Type /files";
    this.#error(`Cannot cancel ${number}: ${why}`);
  }

  /** Shows everything that has not ended. */
  showAll(): void {
    const { all } = this.transfers;
    if (all.length === 0) this.#note("No transfers");
    for (const transfer of all) this.#note(describe(transfer));
  }

  /** See {@linkcode TransfersObserver}. */
  began(transfer: Transfer): void {
    if (transfer.role === "serve") this.#note(servedText(transfer));
  }

  /** See {@linkcode TransfersObserver}. */
  async asks(offer: Transfer): Promise<void> {
    const { number, peer, contents } = offer;
    const { title, files, size, items = [], leftOut } = contents;
    const room = await this.transfers.roomFor(size);
    const amount = amountText(files, size, leftOut);
    this.#note(`${peer} offers ${title} (${amount}; ${room})`);
    if (items.length > 1) {
      const lines = items.slice(0, MAX_NAMED)
        .map(({ title, size }) => nameAndSize(title, size));
      this.#noteList(lines, items.length - lines.length);
    }
    this.#note(`Type /accept ${number} or /decline ${number}`);
  }

  /** See {@linkcode TransfersObserver}. */
  refused(_offer: Transfer, why: string): void {
    this.#error(why);
  }

  /** See {@linkcode TransfersObserver}. */
  ended(transfer: Transfer, tookMs: number): void {
    const { state } = transfer;
    const text = endText(transfer, this.#parts.me, tookMs);
    if (state.type !== "done") return this.#error(text);
    this.#note(text);
    const { paths, missing, renamed } = state;
    const named = paths.slice(0, MAX_NAMED);
    this.#noteList(named, paths.length - named.length);
    for (const why of missing.first) this.#error(missingText(transfer, why));
    if (missing.count > missing.first.length) {
      this.#error(`${missing.count} did not arrive`);
    }
    if (renamed.count > 0) this.#note(renamedText(transfer));
    this.#noteLines(renamed);
  }

  /** Draws the bars; or says in words, now and then, how far everything is. */
  moved(transfers: readonly Transfer[], now: number): void {
    const { draw, columns = () => 80 } = this.#parts;
    const moving = transfers.filter(({ state: { type } }) =>
      type === "running" || type === "paused"
    );
    if (!draw) return this.#tell(moving, now);
    const bars = moving.slice(0, MAX_BARS)
      .map((transfer) => progressBar(progressOf(transfer), columns()));
    const more = moving.length - MAX_BARS;
    draw(more > 0 ? [...bars, `and ${more} more`] : bars);
  }

  #tell(moving: readonly Transfer[], now: number): void {
    if (moving.length > 0 && now - this.#toldAt < TELL_EVERY_MS) return;
    this.#toldAt = now;
    for (const transfer of moving) this.#note(describe(transfer));
  }

  #noteLines({ first, count }: Lines): void {
    this.#noteList(first, count - first.length);
  }

  #noteList(lines: readonly string[], more: number): void {
    for (const line of lines) this.#note(`  ${line}`);
    if (more > 0) this.#note(`  and ${more} more`);
  }

  #note(text: string): void {
    this.#parts.show({ kind: "note", text: withSeenBlanks(text) });
  }

  #error(text: string): void {
    this.#parts.show({ kind: "error", text: withSeenBlanks(text) });
  }
}

/** Whether the user was told of a failure; all others are bugs. */
export function isTold(error: unknown): error is Error {
  return error instanceof FileFailure || error instanceof Failure;
}

function nameAndSize(name: string, size: number): string {
  return `${name}  ${bytesText(size)}`;
}
