/**
 * One offer of files from one person, on one connection: from its first record
 * to the last hash.
 *
 * What arrives is taken in its order, and whoever reads from the connection
 * waits when the disk is behind. A mistake of the other side, or of the disk,
 * ends this transfer alone, and the other side is told.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  BadRecord,
  type Control,
  type ControlOf,
  encodeControl,
  type Entry,
  FileFailure,
  MAX_PATHS_LENGTH,
} from "./records.ts";
import { titleOf } from "./names.ts";
import { type Item, itemsOf, Part, type People } from "./part.ts";
import type { Say } from "./send.ts";
import type { Bytes } from "../../core/scram.ts";

/** The other side is told how much there is whenever so much is new. */
const TELL_EVERY_BYTES = 256 * 1_024;

/** How an offer is accepted. */
export interface Acceptance {
  /** Where the files go. */
  readonly folder: string;
  /** Between whom they are. */
  readonly people: People;
  /** What is whole from before a break: where the first items are by now. */
  readonly finished?: readonly string[];
}

/** See the top of the file. */
export class Receiving {
  /** Its number on the connection, by the other side. */
  readonly transfer: number;
  /** The same after a break. */
  readonly id: string;
  /** How many files, empty folders included. */
  readonly files: number;
  /** The sum of their sizes. */
  readonly size: number;
  /** Which of our requests it answers, if one. */
  readonly answers: number | undefined;
  /** What is offered, once all of the manifest is there. */
  items: readonly Item[] = [];
  readonly #say: Say;
  #entries: Entry[] = []; // as long as some are missing
  #listed = 0;
  #pathsLength = 0;
  #finished: string[] = [];
  #acceptance: Acceptance | undefined;
  #part: Part | undefined;
  #begun = false;
  #before = 0; // bytes that were there, or are in finished items
  #got = 0; // since then
  #told = 0;
  #keep = true; // what is there, if it ends now
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<readonly string[]>();

  /** Begins with the offer alone. */
  constructor(offer: Offer, say: Say) {
    this.id = offer.id;
    this.files = offer.files;
    this.size = offer.size;
    this.answers = offer.answers;
    this.transfer = offer.transfer;
    this.#say = say;
    this.#done.promise.catch(() => {}); // who waits for it is told
  }

  /** As people say it: `a.txt and 2 more`. */
  get title(): string {
    return titleOf(
      this.items.map(({ title, isFolder }) => isFolder ? `${title}/` : title),
    );
  }

  /** Whether all of the manifest is there. */
  get listed(): boolean {
    return this.#listed === this.files;
  }

  /** How long the paths are together that were listed, in UTF-16 units. */
  get pathsLength(): number {
    return this.#pathsLength;
  }

  /** How many bytes are there, those from before a break included. */
  get moved(): number {
    return this.#before + this.#got;
  }

  /** Where the items are that are whole. */
  get finished(): readonly string[] {
    return this.#finished;
  }

  /** What {@linkcode accept} resolves or rejects with, accepted or not. */
  get outcome(): Promise<readonly string[]> {
    return this.#done.promise;
  }

  /**
   * Takes what is offered.
   *
   * @returns Where each item is, once all are whole.
   * @throws {FileFailure} If it cannot be kept, or is not what was offered.
   * @throws What {@linkcode abort} was given.
   */
  async accept(acceptance: Acceptance): Promise<readonly string[]> {
    this.#acceptance = acceptance;
    this.#finished = [...acceptance.finished ?? []];
    for (const { size } of this.items.slice(0, this.#finished.length)) {
      this.#before += size;
    }
    await this.#guard(async () => {
      const item = this.#finished.length;
      await this.#openPart();
      const { offset, hash } = await this.#part?.beginning(this.#stop.signal) ??
        NOTHING;
      const { transfer } = this;
      this.#tell({ type: "accept", transfer, item, offset, hash });
      if (!this.#part) this.#finish();
    });
    return await this.#done.promise;
  }

  /** Declines or ends it, tells the other side, and removes what is not whole. */
  async cancel(
    failure: FileFailure,
    { keep = false }: { keep?: boolean } = {},
  ): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const type = this.#acceptance ? "stop" : "decline";
    this.#tell({ type, transfer: this.transfer, reason: failure.message });
    await this.#end(failure, { keep });
  }

  /** Ends it without a word, for `reason`; what is there is kept. */
  abort(reason: Error): Promise<void> {
    return this.#end(reason, { keep: true });
  }

  /** Hears what the other side says about it. */
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
        return await this.#end(new FileFailure(control.reason), {
          keep: false,
        });
    }
  }

  /** Takes the next bytes, and copies them. Waits while the disk is behind. */
  async take(bytes: Bytes): Promise<void> {
    if (this.#stop.signal.aborted) return; // on their way when it ended
    await this.#guard(async () => {
      if (!this.#part || !this.#begun) throw new BadRecord("data too early");
      await this.#part.write(bytes);
      this.#got += bytes.length;
      if (this.#got - this.#told < TELL_EVERY_BYTES) return;
      this.#told = this.#got;
      this.#tell({ type: "got", transfer: this.transfer, bytes: this.#got });
    });
  }

  #list(entries: readonly Entry[]): void {
    if (this.listed || entries.length === 0) {
      throw new BadRecord("a list that goes on after its end");
    }
    for (const { path } of entries) this.#pathsLength += path.length;
    this.#entries.push(...entries);
    this.#listed += entries.length;
    if (this.#listed > this.files || this.#pathsLength > MAX_PATHS_LENGTH) {
      throw new BadRecord("a list of more files than were offered");
    }
    if (!this.listed) return;
    this.items = itemsOf(this.#entries);
    this.#entries = [];
    const size = this.items.reduce((sum, item) => sum + item.size, 0);
    if (size !== this.size) throw new BadRecord("sizes that do not add up");
  }

  #begin(offset: number): void {
    const part = this.#part;
    if (!part || this.#begun || (offset > 0 && offset !== part.received)) {
      throw new BadRecord("a beginning that nobody asked for");
    }
    if (offset === 0) part.restart();
    this.#before += offset;
    this.#begun = true;
  }

  async #endItem(hash: string): Promise<void> {
    if (!this.#part || !this.#begun) throw new BadRecord("an end too early");
    this.#finished.push(await this.#part.finish(hash));
    await this.#openPart();
    if (!this.#part) this.#finish();
  }

  /** Opens the part of the next item, if there is one. */
  async #openPart(): Promise<void> {
    const item = this.items[this.#finished.length];
    const { folder, people } = this.#acceptance!; // or nothing would come
    this.#part = undefined;
    if (!item) return;
    const part = await Part.open(item, folder, people);
    this.#part = part;
    if (!this.#stop.signal.aborted) return;
    await this.#leave(part); // it ended just now, without this part
    throw this.#stop.signal.reason;
  }

  #finish(): void {
    this.#tell({ type: "done", transfer: this.transfer });
    this.#done.resolve(this.#finished);
  }

  /** Runs `task`; what fails for us ends the transfer, and is told. */
  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (this.#stop.signal.aborted) return; // it ended meanwhile
      if (!(error instanceof FileFailure)) throw error;
      await this.cancel(error, { keep: !error.spoiled });
    }
  }

  async #end(reason: Error, { keep }: { keep: boolean }): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#keep = keep;
    this.#stop.abort(reason);
    if (this.#part) await this.#leave(this.#part);
    this.#done.reject(reason);
  }

  async #leave(part: Part): Promise<void> {
    await (this.#keep ? part.close() : part.remove());
  }

  #tell(control: Control): void {
    // A broken connection is told by whoever reads from it.
    this.#say(encodeControl(control)).catch(() => {});
  }
}

/** The hash of nothing, when nothing is missing. */
const NOTHING = { offset: 0, hash: createHash("sha256").digest("hex") };

type Offer = ControlOf<"offer">;
