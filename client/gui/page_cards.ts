/**
 * What a page shows of files: cards with numbers. The page is told how each
 * looks whenever that changes.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { PeerFiles } from "../files/peer_files.ts";
import type { Announced, Transfer } from "../files/transfer.ts";
import { amountText, stateText } from "../files/words.ts";
import type { Call } from "../direct/calls.ts";
import type { PageLink } from "./page_link.ts";
import type { ShownTransfer } from "../../core/page_talk.ts";

/** What there is under a number. */
export type Card =
  /** A peer calls, to send files. */
  | { readonly kind: "call"; readonly call: Call; readonly offer: Announced }
  /** The user has accepted the call, and its files were not offered yet. */
  | { readonly kind: "answer"; readonly shows: PeerFiles }
  | { readonly kind: "transfer"; readonly shows: Transfer };

/** A {@linkcode Card} of a call. */
export type CallCard = Card & { readonly kind: "call" };

/** How a card looks. */
export type Look = Omit<ShownTransfer, "transfer">;

/** See the top of the file. */
export class Cards {
  readonly #link: PageLink;
  readonly #all = new Map<number, Card>();
  readonly #shown = new Map<number, Look>(); // as the page was told last
  #last = 0;

  constructor(link: PageLink) {
    this.#link = link;
  }

  /** The one under a number. */
  get(number: number): Card | undefined {
    return this.#all.get(number);
  }

  /** Puts one where another was, or else under a number of its own. */
  put(card: Card, number: number = ++this.#last): number {
    this.#all.set(number, card);
    return number;
  }

  /** Where a transfer is, or the answer that leads to files. */
  numberOf(shown: Transfer | PeerFiles): number | undefined {
    return this.#all.entries().find(([, card]) =>
      card.kind !== "call" && card.shows === shown
    )?.[0];
  }

  /**
   * Tells how one looks, if the page does not know. A slow page is told less
   * often how far it is, and everything else at once.
   */
  show(transfer: number, look: Look): void {
    const shown = this.#shown.get(transfer);
    if (isDeepStrictEqual(shown, look)) return;
    if (shown?.state === look.state && this.#link.behind) return;
    this.#shown.set(transfer, look);
    this.#link.say({ type: "transfer", transfer, ...look });
  }

  /** Takes one away. */
  drop(number: number): void {
    this.#all.delete(number);
    if (!this.#shown.delete(number)) return; // the page never saw it
    this.#link.say({ type: "over", transfer: number });
  }
}

/**
 * A call as it looks: while it rings, with the `room` that there is, in words;
 * or when it was answered.
 */
export function callLook({ call, offer }: CallCard, room?: string): Look {
  const rest = room ?? `connecting to ${call.name}`;
  return {
    sends: false,
    peer: call.name,
    title: offer.name,
    part: 0,
    state: room === undefined ? "waiting" : "offered",
    text: `${amountText(offer.files, offer.size)}; ${rest}`,
  };
}

/** A transfer as it looks; `room` is what there is, if the user is asked. */
export function transferLook(
  transfer: Transfer,
  room: string | undefined,
): Look {
  const { sends, peer, contents, state: { type }, moved } = transfer;
  const { title, files, size } = contents;
  const part = size === 0 ? 0 : Math.min(1, moved / size);
  const look = { sends, peer, title, part };
  const text = stateText(transfer);
  if (type === "paused") return { ...look, state: "paused", text };
  if (type !== "new" && type !== "offered") {
    return { ...look, state: "moving", text };
  }
  const amount = amountText(files, size);
  if (room !== undefined) {
    return { ...look, state: "offered", text: `${amount}; ${room}` };
  }
  const words = sends ? `${amount}; ${text}` : amount;
  return { ...look, state: "waiting", text: words };
}
