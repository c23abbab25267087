/**
 * Reads stored messages again, as the frames that were handed on: a page of a
 * room, and what a user missed.
 *
 * Frames are made as they are taken. A batch that is deleted meanwhile is left
 * out.
 *
 * @module
 */
import { type Batch, encodeForwards } from "../chat/batch.ts";
import { meantFor, type Missed, type Page } from "./journal.ts";
import type { MessageTable } from "./message_table.ts";
import { Replay } from "./replay.ts";

/** Which messages of a batch. */
interface Part {
  /** Those with a greater id. */
  readonly after: number;
  /** Of those, the ones with a smaller id. */
  readonly before: number;
}

/** Which messages of which batch. */
interface BatchPart extends Part {
  /** The id of the batch's first message. */
  readonly firstId: number;
}

/** See the top of the file. */
export class History {
  readonly #messages: MessageTable;
  readonly #lastId: () => number;
  readonly #nextTurn: () => Promise<void>;

  /** Messages after `lastId` are still to be handed on, and not read. */
  constructor(
    messages: MessageTable,
    { lastId, nextTurn }: {
      lastId: () => number;
      nextTurn: () => Promise<void>;
    },
  ) {
    this.#messages = messages;
    this.#lastId = lastId;
    this.#nextTurn = nextTurn;
  }

  /** See Journal.history. */
  async *page(room: string, page: Page): AsyncGenerator<Uint8Array> {
    const { limit, after = 0, before = Infinity } = page;
    const end = Math.min(before, this.#lastId() + 1);
    for (const part of this.#partsOf(room, { limit, after, before: end })) {
      const batch = this.#messages.batch(part.firstId);
      if (batch) yield* framesOf(batch, part);
    }
  }

  /** See Journal.missed. */
  async *missed(query: Missed): AsyncGenerator<Uint8Array> {
    const replay = new Replay(this.#messages, query);
    for (let ids = replay.next(); ids; ids = replay.next()) {
      for (const id of ids) {
        const batch = this.#messages.batch(id);
        if (!batch) continue;
        const after = Math.max(query.after, meantFor(query, batch));
        yield* framesOf(batch, { after, before: query.upTo + 1 });
      }
      await this.#nextTurn();
    }
  }

  /** The batches that a page takes messages from, oldest first. */
  #partsOf(
    room: string,
    { limit, after, before }: Required<Page>,
  ): BatchPart[] {
    const parts: BatchPart[] = [];
    let missing = limit;
    if (missing === 0) return parts;
    for (const { firstId, count } of this.#messages.newestFirst(room, before)) {
      const end = Math.min(firstId + count, before);
      const least = Math.max(after, firstId - 1, end - 1 - missing);
      if (least + 1 >= end) break;
      parts.push({ firstId, after: least, before: end });
      missing -= end - 1 - least;
      if (missing === 0) break;
    }
    return parts.reverse();
  }
}

/** FORWARD frames, as they were handed on. */
function framesOf(batch: Batch, { after, before }: Part): Uint8Array[] {
  const end = Math.min(batch.bodies.length, before - batch.firstId);
  const start = Math.max(0, after + 1 - batch.firstId);
  if (start >= end) return [];
  const bodies = batch.bodies.slice(start, end);
  const firstId = batch.firstId + start;
  const { bytes, ends } = encodeForwards({ ...batch, firstId, bodies });
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}
