/**
 * One offer of files to a peer, on one connection: from the offer to the
 * receiver's word that everything is whole.
 *
 * While a piece is encrypted and sent, the next is read and hashed. The sender
 * is at most a window ahead of what the receiver has written: what was on its
 * way when a connection broke has to be sent again.
 *
 * After a break the same files are offered again, by a new {@linkcode Sending}
 * with the same id.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import type { Outgoing } from "./file_source.ts";
import { ItemReader, type MissingFile } from "./item_reader.ts";
import {
  type Control,
  type ControlOf,
  DATA_HEAD_BYTES,
  type Disk,
  encodeControl,
  FileFailure,
  inRecords,
  PIECE_BYTES,
  sizeOf,
  writeDataHead,
} from "./records.ts";
import type { Bytes } from "../../core/scram.ts";

/** The most and the least that may be on its way, in bytes. */
const WINDOW_BYTES = { most: 2 * 1_048_576, least: 2 * PIECE_BYTES };

/** Twenty breaks cost a sixth of what is sent, and not a fifth. */
const WINDOWS_PER_OFFER = 125;

/** So much is read at once: a call that waits costs as much as its bytes. */
const BLOCK_BYTES = 4 * PIECE_BYTES;

/** Sends a record to the peer; resolves when more may be sent. */
export type SendRecord = (record: Bytes) => Promise<void>;

/** What a {@linkcode Sending} offers, and how. */
export interface SendingOptions
  extends Pick<ControlOf<"offer">, "transfer" | "id" | "answers"> {
  readonly outgoing: Outgoing;
  readonly send: SendRecord;
}

/** An id that nobody can guess. */
export function newId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

/** How many bytes of an offer may be on their way: a break costs no more. */
export function windowOf(size: number): number {
  const { most, least } = WINDOW_BYTES;
  return Math.min(most, Math.max(least, size / WINDOWS_PER_OFFER));
}

/** See the top of the file. */
export class Sending {
  /** What the receiver writes to, if it has accepted and says so. */
  disk: Disk | undefined;
  /** Resolves if the receiver accepts it. */
  readonly accepted: Promise<unknown>;
  readonly #options: SendingOptions;
  readonly #transfer: number;
  readonly #stop = new AbortController();
  readonly #answered = Promise.withResolvers<ControlOf<"accept">>();
  readonly #done = Promise.withResolvers<void>();
  readonly #window: number;
  #before = 0; // bytes that need not be sent
  #sent = 0;
  #got = 0;
  #moved = Promise.withResolvers<void>();

  /** Sends nothing yet. */
  constructor(options: SendingOptions) {
    this.#options = options;
    this.#transfer = options.transfer;
    this.#window = windowOf(options.outgoing.size);
    this.accepted = this.#answered.promise;
  }

  /** How many bytes the receiver has, those from before a break included. */
  get moved(): number {
    return this.#before + this.#got;
  }

  /**
   * Offers, waits for the answer, and sends.
   *
   * @throws {FileFailure} If it was declined or stopped, or a file changed.
   * @throws What {@linkcode abort} was given.
   */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#offer();
      const from = await abortable(this.#answered.promise, signal);
      await this.#sendItems(from);
      await abortable(this.#done.promise, signal);
    } catch (error) {
      if (error instanceof FileFailure) this.cancel(error);
      throw error;
    }
  }

  /** Takes a record of the receiver about it. */
  receive(control: Control): void {
    switch (control.type) {
      case "accept":
        return this.#answered.resolve(control);
      case "got":
        this.#got = Math.min(this.#sent, control.bytes);
        this.#moved.resolve();
        this.#moved = Promise.withResolvers();
        return;
      case "done":
        return this.#done.resolve();
      case "decline":
      case "stop":
        return this.abort(new FileFailure(control.reason));
    }
  }

  /** Withdraws the offer, also while it is sent, and tells the receiver. */
  cancel(failure: FileFailure): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.abort(failure);
      const reason = failure.message;
      this.#tell({ type: "withdraw", transfer: this.#transfer, reason })
        .catch(() => {}); // the reader finds out that the connection is broken
    }
    return Promise.resolve();
  }

  /** Ends it for `reason`, and tells nobody. */
  abort(reason: Error): void {
    this.#stop.abort(reason);
  }

  async #offer(): Promise<void> {
    const { transfer, id, outgoing, answers } = this.#options;
    const { files, size, sources } = outgoing;
    const leftOut = outgoing.leftOut || undefined;
    await this.#tell({
      ...{ type: "offer", transfer, id, files, size, answers, leftOut },
    });
    for (const entries of inRecords(sources)) {
      this.#stop.signal.throwIfAborted();
      await this.#tell({ type: "manifest", transfer, entries });
    }
  }

  async #sendItems(accept: ControlOf<"accept">): Promise<void> {
    const { sources, failed, omitted } = this.#options.outgoing;
    this.disk = accept.disk;
    const items = [...Map.groupBy(sources, ({ item }) => item).values()];
    const finished = items.splice(0, accept.item).flat();
    this.#before = sizeOf(finished);
    for (const reason of omitted.first) await this.#tellMissing(reason);
    for (const source of finished) {
      await this.#tellMissing(failed.get(source)?.message);
    }
    for (const [index, sources] of items.entries()) {
      using item = new ItemReader(sources, this.disk && failed);
      if (index === 0) await this.#begin(item, accept);
      await this.#sendBytes(item);
      if (index === items.length - 1) this.#checkSome();
      const hash = item.hash.digest("hex");
      await this.#tell({ type: "end", transfer: this.#transfer, hash });
    }
  }

  /** @throws {FileFailure} If nothing at all arrives. */
  #checkSome(): void {
    const { files, failed } = this.#options.outgoing;
    const [failure] = failed.values();
    if (failure && failed.size === files) throw failure;
  }

  /** Continues behind what the receiver has, if its bytes are the same. */
  async #begin(item: ItemReader, accept: ControlOf<"accept">): Promise<void> {
    let { offset } = accept;
    const isThere = offset <= item.size;
    const begun = isThere && await item.skip(offset, this.#stop.signal);
    const isSame = begun && begun.hash === accept.hash;
    if (!isSame) {
      item.restart();
      offset = 0;
    }
    this.#before += offset;
    await this.#tell({ type: "begin", transfer: this.#transfer, offset });
    if (!isSame) return;
    for (const missing of begun.missing) await this.#leaveOut(missing);
  }

  async #sendBytes(item: ItemReader): Promise<void> {
    // One is filled while the other is hashed and sent.
    const length = DATA_HEAD_BYTES +
      Math.min(BLOCK_BYTES, Math.max(1, item.size));
    let [block, other] = [new Uint8Array(length), new Uint8Array(length)];
    let filling = item.fill(block.subarray(DATA_HEAD_BYTES));
    try {
      for (;;) {
        const { count, missing } = await filling;
        if (count === 0 && !missing) break;
        filling = item.fill(other.subarray(DATA_HEAD_BYTES));
        filling.catch(() => {}); // the next round is told
        item.hash.update(
          block.subarray(DATA_HEAD_BYTES, DATA_HEAD_BYTES + count),
        );
        await this.#sendPieces(block, count);
        if (missing) await this.#leaveOut(missing);
        [block, other] = [other, block];
      }
    } finally {
      await filling.catch(() => {}); // nothing is closed while it is read
    }
  }

  async #leaveOut({ reason, file, bytes }: MissingFile): Promise<void> {
    this.#sent += bytes;
    await this.#tellMissing(reason, file);
  }

  /** Tells a receiver that understands it. */
  async #tellMissing(reason?: string, file?: number): Promise<void> {
    if (reason === undefined || !this.disk) return;
    this.#stop.signal.throwIfAborted();
    const transfer = this.#transfer;
    await this.#tell({ type: "missing", transfer, reason, file });
  }

  /**
   * Sends the `count` bytes that stand in `block` after the room for a head. The
   * head of each further piece is written over the end of the piece before it,
   * which is gone by then.
   */
  async #sendPieces(block: Bytes, count: number): Promise<void> {
    for (let at = 0; at < count; at += PIECE_BYTES) {
      const bytes = Math.min(PIECE_BYTES, count - at);
      const record = block.subarray(at, at + DATA_HEAD_BYTES + bytes);
      writeDataHead(record, this.#transfer);
      await this.#roomFor(bytes);
      await this.#options.send(record);
    }
  }

  /** Waits until `bytes` more fit into the window, and counts them. */
  async #roomFor(bytes: number): Promise<void> {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    this.#sent += bytes;
    while (this.#sent - this.#got > this.#window) {
      await abortable(this.#moved.promise, signal);
    }
  }

  #tell(control: Control): Promise<void> {
    return this.#options.send(encodeControl(control));
  }
}
