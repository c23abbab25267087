/**
 * One offer of files from a peer, on one connection: from its first record to
 * the last hash.
 *
 * What arrives is taken in its order, and the reader of the connection waits
 * when the disk is behind. A mistake of the peer, or of the disk, ends this
 * transfer alone, and the peer is told.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { itemsOf, type OfferedItem, titleOf } from "./names.ts";
import { PartialFile, type People } from "./partial_file.ts";
import {
  BadRecord,
  type Control,
  type ControlOf,
  encodeControl,
  type Entry,
  FileFailure,
  MAX_PATHS_LENGTH,
  sizeOf,
} from "./records.ts";
import type { SendRecord } from "./sending.ts";
import type { Bytes } from "../../core/scram.ts";

/** The sender is told how much was received after so many bytes. */
const TELL_EVERY_BYTES = 256 * 1_024;

/** How an offer is accepted. */
export interface Acceptance {
  /** Where the files go. */
  readonly folder: string;
  readonly people: People;
  /** The paths of the first items, if they were received before a break. */
  readonly finished?: readonly string[];
}

/** See the top of the file. */
export class Receiving {
  /** The sender's number for it on the connection. */
  readonly transfer: number;
  /** The same after a break. */
  readonly id: string;
  /** How many files, empty folders included. */
  readonly files: number;
  /** The sum of their sizes, in bytes. */
  readonly size: number;
  /** Which of our requests it answers, if one. */
  readonly answers: number | undefined;
  /** What is offered, once all of the manifest was received. */
  items: readonly OfferedItem[] = [];
  /** How long all paths of the manifest are, in UTF-16 units. */
  pathsLength = 0;
  /** The paths of the items that are whole. */
  readonly finished: string[] = [];
  readonly #send: SendRecord;
  #entries: Entry[] = []; // until all are there
  #listed = 0;
  #acceptance: Acceptance | undefined;
  #partial: PartialFile | undefined;
  #begun = false;
  #before = 0; // bytes from before a break, those of finished items included
  #got = 0; // since then
  #told = 0;
  #keep = true; // the partial file, if it ends now
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<readonly string[]>();

  constructor(offer: ControlOf<"offer">, send: SendRecord) {
    this.transfer = offer.transfer;
    this.id = offer.id;
    this.files = offer.files;
    this.size = offer.size;
    this.answers = offer.answers;
    this.#send = send;
    this.#done.promise.catch(() => {}); // accept() is told
  }

  /** As people say it: `a.txt and 2 more`. */
  get title(): string {
    return titleOf(
      this.items.map(({ title, isFolder }) => isFolder ? `${title}/` : title),
    );
  }

  /** Whether all of the manifest was received. */
  get listed(): boolean {
    return this.#listed === this.files;
  }

  /** How many bytes were received, those from before a break included. */
  get moved(): number {
    return this.#before + this.#got;
  }

  /** What {@linkcode accept} resolves or rejects with, accepted or not. */
  get outcome(): Promise<readonly string[]> {
    return this.#done.promise;
  }

  /**
   * Receives what is offered.
   *
   * @returns The path of each item, once all are whole.
   * @throws {FileFailure} If it cannot be written, or is not what was offered.
   * @throws What {@linkcode abort} was given.
   */
  async accept(acceptance: Acceptance): Promise<readonly string[]> {
    this.#acceptance = acceptance;
    const item = this.finished.push(...acceptance.finished ?? []);
    this.#before = sizeOf(this.items.slice(0, item));
    await this.#guard(async () => {
      await this.#openPartial();
      const { offset, hash } =
        await this.#partial?.beginning(this.#stop.signal) ?? NOTHING;
      const { transfer } = this;
      this.#tell({ type: "accept", transfer, item, offset, hash });
      if (!this.#partial) this.#finish();
    });
    return await this.#done.promise;
  }

  /** Declines or stops it, and tells the sender; may `keep` the partial file. */
  async cancel(failure: FileFailure, keep = false): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const type = this.#acceptance ? "stop" : "decline";
    this.#tell({ type, transfer: this.transfer, reason: failure.message });
    await this.#end(failure, keep);
  }

  /** Ends it because the connection is gone; the partial file is kept. */
  abort(reason: Error): Promise<void> {
    return this.#end(reason, true);
  }

  /** Takes a record of the sender about it. */
  async receive(control: Control): Promise<void> {
    if (this.#stop.signal.aborted) return; // on its way when it ended
    switch (control.type) {
      case "manifest":
        return this.#list(control.entries);
      case "begin":
        return this.#begin(control.offset);
      case "end":
        return await this.#guard(() => this.#endItem(control.hash));
      case "withdraw":
        return await this.#end(new FileFailure(control.reason), false);
    }
  }

  /** Takes the next bytes, and copies them. Waits while the disk is behind. */
  async take(bytes: Bytes): Promise<void> {
    if (this.#stop.signal.aborted) return; // on their way when it ended
    await this.#guard(async () => {
      const partial = this.#begun ? this.#partial : undefined;
      if (!partial) throw new BadRecord("data before they were accepted");
      await partial.write(bytes);
      this.#got += bytes.length;
      if (this.#got - this.#told < TELL_EVERY_BYTES) return;
      this.#told = this.#got;
      this.#tell({ type: "got", transfer: this.transfer, bytes: this.#got });
    });
  }

  #list(entries: readonly Entry[]): void {
    if (this.listed || entries.length === 0) {
      throw new BadRecord("a manifest that continues after its end");
    }
    for (const { path } of entries) this.pathsLength += path.length;
    this.#entries.push(...entries);
    this.#listed += entries.length;
    if (this.#listed > this.files || this.pathsLength > MAX_PATHS_LENGTH) {
      throw new BadRecord("a manifest of more files than were offered");
    }
    if (!this.listed) return;
    this.items = itemsOf(this.#entries);
    this.#entries = [];
    if (sizeOf(this.items) !== this.size) {
      throw new BadRecord("sizes that do not add up");
    }
  }

  #begin(offset: number): void {
    const partial = this.#begun ? undefined : this.#partial;
    if (!partial || (offset > 0 && offset !== partial.received)) {
      throw new BadRecord("a beginning that was not asked for");
    }
    if (offset === 0) partial.restart();
    this.#before += offset;
    this.#begun = true;
  }

  async #endItem(hash: string): Promise<void> {
    const partial = this.#begun ? this.#partial : undefined;
    if (!partial) throw new BadRecord("an end before the beginning");
    this.finished.push(await partial.finish(hash));
    await this.#openPartial();
    if (!this.#partial) this.#finish();
  }

  /** Opens the partial file of the next item, if there is one. */
  async #openPartial(): Promise<void> {
    const item = this.items[this.finished.length];
    const { folder, people } = this.#acceptance!; // or nothing would come
    this.#partial = undefined;
    if (!item) return;
    const partial = await PartialFile.open(item, folder, people);
    this.#partial = partial;
    if (!this.#stop.signal.aborted) return;
    await this.#leave(partial); // it ended just now, without this file
    throw this.#stop.signal.reason;
  }

  #finish(): void {
    this.#tell({ type: "done", transfer: this.transfer });
    this.#done.resolve(this.finished);
  }

  /** Runs `task`; a {@linkcode FileFailure} ends the transfer, for both. */
  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (this.#stop.signal.aborted) return; // it ended meanwhile
      if (!(error instanceof FileFailure)) throw error;
      await this.cancel(error, !error.spoiled);
    }
  }

  async #end(reason: Error, keep: boolean): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#keep = keep;
    this.#stop.abort(reason);
    if (this.#partial) await this.#leave(this.#partial);
    this.#done.reject(reason);
  }

  async #leave(partial: PartialFile): Promise<void> {
    await (this.#keep ? partial.close() : partial.remove());
  }

  #tell(control: Control): void {
    // The reader of the connection finds out that it is broken.
    this.#send(encodeControl(control)).catch(() => {});
  }
}

/** The hash of nothing, when nothing is missing. */
const NOTHING = { offset: 0, hash: createHash("sha256").digest("hex") };
