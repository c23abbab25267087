/**
 * All transfers of the user, and what is decided about them: which offers are
 * accepted without a question, and whether there is room for them.
 *
 * Nothing is shown here. Observers are told: files.ts for a terminal,
 * page_session.ts for the web client.
 *
 * @module
 */
import { CLOCK, type Clock } from "../../core/net/backoff.ts";
import { downloadsFolder, freeBytes } from "./downloads.ts";
import { FileFailure } from "./records.ts";
import type { SharedFolder } from "./file_source.ts";
import type { Announced, Transfer } from "./transfer.ts";
import { bytesText } from "./words.ts";

/** Observers are told how far all transfers are so often, in milliseconds. */
const TELL_EVERY_MS = 250;

/** Shows transfers; each is told what happens, and only that. */
export interface TransfersObserver {
  /** There is a new transfer; `files` are all with its peer, a `PeerFiles`. */
  began(transfer: Transfer, files: object): void;
  /** The user has to accept it or to end it; resolves when that was shown. */
  asks(transfer: Transfer): Promise<void>;
  /** Why an offer is not accepted. That it failed is told too. */
  refused(transfer: Transfer, why: string): void;
  /** It is done or failed; it ran for so long. */
  ended(transfer: Transfer, tookMs: number): void;
  /** How far each is may have changed, or which there are. */
  moved(transfers: readonly Transfer[], now: number): void;
}

/** What {@linkcode Transfers} work with. */
export interface TransfersParts {
  /** The user's name. */
  readonly me: string;
  /** Where received files go. Default: {@linkcode downloadsFolder}. */
  readonly folder?: string | undefined;
  /** What others may get. Default: nothing. */
  readonly shared?: SharedFolder | undefined;
  readonly observer: TransfersObserver;
  /**
   * Whether to accept what `peer` offers without a question. Default: the user
   * decides.
   */
  readonly accepts?: ((peer: string) => boolean) | undefined;
  /** How much room a folder has, in bytes. Default: {@linkcode freeBytes}. */
  freeBytes?(folder: string): Promise<number | undefined>;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/** See the top of the file. */
export class Transfers {
  /** The user's name. */
  readonly me: string;
  /** What peers may get; undefined: nothing. */
  readonly shared: SharedFolder | undefined;
  /** The number of the newest transfer, from 1. */
  lastNumber = 0;
  readonly #parts: TransfersParts;
  readonly #clock: Clock;
  readonly #all = new Set<Transfer>();
  #ticking: Disposable | undefined;

  constructor(parts: TransfersParts) {
    this.me = parts.me;
    this.shared = parts.shared;
    this.#parts = parts;
    this.#clock = parts.clock ?? CLOCK;
  }

  /** All that have not ended, the oldest first. */
  get all(): readonly Transfer[] {
    return [...this.#all];
  }

  /** Those that wait for the user's answer, the oldest first. */
  get offers(): readonly Transfer[] {
    return this.all.filter(waitsForUser);
  }

  /**
   * Accepts an offer, if there is room for it.
   *
   * @returns Why there is none; undefined if it was accepted.
   */
  async accept(offer: Transfer): Promise<string | undefined> {
    const lacking = await this.#lackOfRoom(offer);
    if (lacking !== undefined) return lacking;
    offer.apply({ type: "accepted" });
    return undefined;
  }

  /** Ends a transfer, or declines an offer; the peer is told why. */
  end(transfer: Transfer, why?: string): void {
    const verb = waitsForUser(transfer) ? "declined" : "cancelled it";
    const error = new FileFailure(why ?? `${this.me} ${verb}`);
    transfer.apply({ type: "failed", error });
  }

  /** How much room there is for files of `size` bytes, in words. */
  async roomFor(size: number): Promise<string> {
    const free = await this.#free();
    if (free === undefined) return "free space unknown";
    if (free < size) return `no room: ${bytesText(free)} free`;
    return `${bytesText(free)} free`;
  }

  /** Found out when it is needed: it may take a permission. */
  get folder(): string {
    return this.#parts.folder ?? downloadsFolder();
  }

  #free(): Promise<number | undefined> {
    return (this.#parts.freeBytes ?? freeBytes)(this.folder);
  }

  /**
   * Accepts an offer, ends it, or has the user asked. It has to agree with what
   * was `announced`, if anything was.
   */
  async decide(offer: Transfer, announced?: Announced): Promise<void> {
    const { observer, accepts } = this.#parts;
    if (offer.isOver) return; // by the observer, which was told of it
    const changed = announced && whatChanged(offer, announced);
    if (changed) {
      observer.refused(offer, changed);
      return this.end(offer);
    }
    const isWanted = offer.role === "get" || announced || accepts?.(offer.peer);
    if (!isWanted) return await observer.asks(offer);
    const lacking = await this.accept(offer);
    if (lacking === undefined) return;
    observer.refused(offer, lacking);
    this.end(offer, `${this.me} had no room for it`);
  }

  async #lackOfRoom({ contents }: Transfer): Promise<string | undefined> {
    const { title, size } = contents;
    const free = await this.#free();
    if (free === undefined || free >= size) return undefined;
    return `Cannot accept ${title}: it needs ${bytesText(size)}, and ` +
      `${this.folder} has room for ${bytesText(free)}`;
  }

  /** There is a new transfer. */
  began(transfer: Transfer, files: object): void {
    this.#all.add(transfer);
    this.#ticking ??= this.#clock.every(TELL_EVERY_MS, () => this.#tick());
    this.#parts.observer.began(transfer, files);
    this.#tick();
  }

  /** The state of a transfer is another. */
  changed(transfer: Transfer): void {
    const now = this.#clock.now();
    if (transfer.state.type === "running") transfer.ranAt ??= now;
    if (!transfer.isOver) return;
    this.#all.delete(transfer);
    this.#tick();
    this.#parts.observer.ended(transfer, now - (transfer.ranAt ?? now));
    if (this.#all.size > 0) return;
    this.#ticking?.[Symbol.dispose]();
    this.#ticking = undefined;
  }

  #tick(): void {
    const now = this.#clock.now();
    for (const { meter, state, moved } of this.#all) {
      if (state.type === "running") meter.note(moved, now);
      else meter.restart();
    }
    this.#parts.observer.moved(this.all, now);
  }
}

/** Whether it is an offer of the peer that was not answered. */
function waitsForUser({ role, state }: Transfer): boolean {
  return role === "receive" && state.type === "offered";
}

/** Why an offer is not what the server said it would be; undefined if it is. */
function whatChanged(
  { peer, contents: { title, size, files } }: Transfer,
  told: Announced,
): string | undefined {
  const agrees = calledName(told.name) === calledName(title) &&
    told.size === size && told.files === files;
  if (agrees) return undefined;
  return `${peer} offers ${title} (${bytesText(size)}), but the call was for ` +
    `${told.name} (${bytesText(told.size)}): the server changed it, and the ` +
    "offer is declined";
}

/** A title as a CALL carries it: 1 to 255 characters, and no control ones. */
export function calledName(title: string): string {
  const plain = title.replace(/[\p{Cc}\p{Cs}]/gu, "_");
  return [...plain].slice(0, 255).join("").trim() || "_";
}
