/**
 * Files for the pages of `client.ts --gui`, as long as each is there; see
 * page_visit.ts. Loaded with `--gui` alone.
 *
 * @module
 */
import { BadRecord } from "../files/fields.ts";
import { Reads } from "./page_drop.ts";
import { PageLink } from "./page_link.ts";
import { PageVisit, type PageVisitParts } from "./page_visit.ts";
import type { ByteStream } from "../trust/tls.ts";

/** What {@linkcode PageFiles} need to know. */
export type PageFilesParts = Omit<PageVisitParts, "link" | "me" | "reads">;

/** See the top of the file. */
export class PageFiles {
  readonly #parts: PageFilesParts;
  readonly #reads = new Reads();

  /** Nobody is there yet. */
  constructor(parts: PageFilesParts) {
    this.#parts = parts;
  }

  /** Sees to the page of `me`, until it is gone or `wire` is closed. */
  async attend(wire: ByteStream, me: string): Promise<void> {
    const link = new PageLink(wire);
    const parts = { ...this.#parts, link, me, reads: this.#reads };
    await using visit = new PageVisit(parts);
    try {
      for await (const message of link.heard()) visit.hear(message);
    } catch (error) {
      if (!(error instanceof BadRecord)) throw error;
      console.error(
        `Cannot go on with a page: it sent ${error.message}. Load it again`,
      );
    }
  }

  /** Takes a file that a page was asked for; see {@linkcode Reads.take}. */
  take(read: number, bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
    return this.#reads.take(read, bytes);
  }
}
