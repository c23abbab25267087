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
import { diskOf } from "./downloads.ts";
import {
  ItemList,
  type ItemNames,
  namesOn,
  type OfferedItem,
  titleOf,
} from "./names.ts";
import { type Destination, PartialFile } from "./partial_file.ts";
import {
  BadRecord,
  type Control,
  type ControlOf,
  encodeControl,
  type Entry,
  FileFailure,
  Lines,
  MAX_PATHS_LENGTH,
  sizeOf,
} from "./records.ts";
import type { SendRecord } from "./sending.ts";
import type { Bytes } from "../../core/scram.ts";

/** The sender is told how much was received after so many bytes. */
const TELL_EVERY_BYTES = 256 * 1_024;

/** See the top of the file. */
export class Receiving {
  /** The first record; its `id` is the same after a break. */
  readonly offer: ControlOf<"offer">;
  /** How many files, empty folders included. */
  readonly files: number;
  /** The sum of their sizes, in bytes. */
  readonly size: number;
  /** What is offered, once all of the manifest was received. */
  items: readonly OfferedItem[] = [];
  /** As people say it: `a.txt and 2 more`. */
  title: string = titleOf([]);
  /** How long all paths of the manifest are, in UTF-16 units. */
  pathsLength = 0;
  /** The paths of the items that are whole. */
  readonly finished: string[] = []; // empty for a file that does not arrive
  /** Why something does not arrive. */
  readonly missing = new Lines();
  /** The names that are changed on this disk. */
  readonly renamed = new Lines();
  readonly #send: SendRecord;
  #list = new ItemList(); // what was received of the manifest
  #listed = 0; // entries of it
  #destination: Destination | undefined; // once it was accepted
  #names: ItemNames[] = []; // what they are called here
  #partial: PartialFile | undefined;
  #begun = false;
  #before = 0; // bytes from before a break, those of finished items included
  #got = 0; // since then
  #told = 0;
  #keep = true; // the partial file, if it ends now
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<readonly string[]>();
  /** What {@linkcode accept} resolves or rejects with, accepted or not. */
  readonly outcome = this.#done.promise;

  constructor(offer: ControlOf<"offer">, send: SendRecord) {
    this.offer = offer;
    this.files = offer.files;
    this.size = offer.size;
    this.#send = send;
    this.outcome.catch(() => {}); // accept() is told
  }

  /** How many folders were received so far, besides the empty ones. */
  get folders(): number {
    return this.#list.folders;
  }

  /** How many files, links and devices of its folders are not offered. */
  get leftOut(): number {
    return this.offer.leftOut ?? 0;
  }

  /** Whether all of the manifest was received. */
  get listed(): boolean {
    return this.items.length > 0;
  }

  /** How many bytes were received, those from before a break included. */
  get moved(): number {
    return this.#before + this.#got;
  }

  /**
   * Receives what is offered.
   *
   * @param finished The paths of the first items, if a break came after them.
   * @returns The path of each item, once all are whole.
   * @throws {FileFailure} If it cannot be written, or is not what was offered.
   * @throws What {@linkcode abort} was given.
   */
  async accept(
    destination: Destination,
    finished: readonly string[] = [],
  ): Promise<readonly string[]> {
    this.#destination = destination;
    const item = this.finished.push(...finished);
    this.#before = sizeOf(this.items.slice(0, item));
    await this.#guard(async () => {
      const disk = await diskOf(destination.folder);
      this.#names = await namesOn(disk, this.items);
      this.#stop.signal.throwIfAborted();
      for (const { changes } of this.#names) this.renamed.addAll(changes);
      await this.#openPartial();
      const { offset, hash } =
        await this.#partial?.beginning(this.#stop.signal) ?? NOTHING;
      const { transfer } = this.offer;
      this.#tell({ type: "accept", transfer, item, offset, hash, disk });
      if (!this.#partial) this.#finish();
    });
    return await this.outcome;
  }

  /** Declines or stops it, and tells the sender; may `keep` the partial file. */
  async cancel(failure: FileFailure, keep = false): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const type = this.#destination ? "stop" : "decline";
    const { transfer } = this.offer;
    this.#tell({ type, transfer, reason: failure.message });
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
        return this.#addToList(control.entries);
      case "begin":
        return this.#begin(control.offset);
      case "missing":
        return await this.#guard(() => this.#leaveOut(control));
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
      this.#count(bytes.length);
    });
  }

  #count(bytes: number): void {
    this.#got += bytes;
    if (this.#got - this.#told < TELL_EVERY_BYTES) return;
    this.#told = this.#got;
    const { transfer } = this.offer;
    this.#tell({ type: "got", transfer, bytes: this.#got });
  }

  async #leaveOut({ reason, file }: ControlOf<"missing">): Promise<void> {
    this.missing.add(reason);
    if (file === undefined) return;
    const partial = this.#begun ? this.#partial : undefined;
    if (!partial) throw new BadRecord("a missing file before the beginning");
    this.#count(await partial.leaveOut(file));
  }

  #addToList(entries: readonly Entry[]): void {
    if (this.listed || entries.length === 0) {
      throw new BadRecord("a manifest that continues after its end");
    }
    for (const { path } of entries) this.pathsLength += path.length;
    this.#listed += entries.length;
    if (this.#listed > this.files || this.pathsLength > MAX_PATHS_LENGTH) {
      throw new BadRecord("a manifest of more files than were offered");
    }
    this.#list.add(entries);
    if (this.#listed < this.files) return;
    const { items } = this.#list;
    if (sizeOf(items) !== this.size) {
      throw new BadRecord("sizes that do not add up");
    }
    this.items = items;
    this.title = titleOf(
      items.map(({ title, isFolder }) => isFolder ? `${title}/` : title),
    );
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
    const index = this.finished.length;
    const [item, names] = [this.items[index], this.#names[index]];
    this.#partial = undefined;
    if (!item || !names) return;
    const destination = this.#destination!; // or nothing would come
    const partial = await PartialFile.open(item, names, destination);
    this.#partial = partial;
    if (!this.#stop.signal.aborted) return;
    await this.#leave(partial); // it ended just now, without this file
    throw this.#stop.signal.reason;
  }

  #finish(): void {
    this.#tell({ type: "done", transfer: this.offer.transfer });
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
