/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The transfers of files: a card for each, above the composer, in every
 * conversation.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import type { ShownTransfer } from "../../../core/page_talk.ts";
import { arrange, byId, make } from "./dom.ts";

/** Accepts a transfer, or declines or cancels it. */
type Act = (type: "accept" | "end", transfer: number) => void;

/** See the top of the file. */
export class TransferList {
  readonly #act: Act;
  readonly #region = byId("files");
  readonly #list = byId("transfers");
  readonly #cards = new Map<number, Card>();

  /** @param act Runs when the user has pressed a button. */
  constructor(act: Act) {
    this.#act = act;
  }

  /** Shows the transfers there are now. */
  draw(transfers: ReadonlyMap<number, ShownTransfer>): void {
    const focused = document.activeElement;
    for (const [number, transfer] of transfers) {
      const card = this.#cards.get(number) ?? new Card(number, this.#act);
      this.#cards.set(number, card);
      card.update(transfer);
    }
    for (const number of this.#cards.keys()) {
      if (!transfers.has(number)) this.#cards.delete(number);
    }
    const cards = [...this.#cards.values()];
    const loses = this.#list.contains(focused) &&
      !cards.some(({ row }) => row.contains(focused));
    arrange(this.#list, cards.map(({ row }) => row));
    this.#region.hidden = cards.length === 0;
    if (loses) (cards[0]?.row ?? byId("text")).focus();
  }
}

/** One transfer. It keeps the focus while other transfers change. */
class Card {
  readonly row: HTMLElement;
  readonly #title = make("strong", { className: "name", dir: "auto" });
  readonly #peer = make("span", { className: "peer" });
  readonly #text = make("p", { className: "hint", dir: "auto" });
  readonly #progress = make("progress", { max: 1 });
  readonly #accept = button("primary");
  readonly #end = button("text-button");

  constructor(number: number, act: Act) {
    this.#accept.onclick = () => act("accept", number);
    this.#end.onclick = () => act("end", number);
    this.row = make(
      "li",
      { className: "transfer", tabIndex: -1 },
      make("div", { className: "what" }, this.#title, this.#peer),
      this.#text,
      this.#progress,
      make("div", { className: "acts" }, this.#accept, this.#end),
    );
  }

  update({ sends, peer, title, state, text, part }: ShownTransfer): void {
    const name = sanitize(title);
    const whose = `${sends ? "to" : "from"} ${sanitize(peer)}`;
    const isOffer = state === "offered";
    const ends = isOffer ? "Decline" : "Cancel";
    this.#title.textContent = this.#title.title = name;
    this.#peer.textContent = whose;
    this.#text.textContent = sanitize(text);
    this.#progress.value = part;
    this.#progress.hidden = isOffer;
    this.#progress.ariaLabel = `${name} ${whose}`;
    this.#accept.ariaLabel = `Accept ${name} ${whose}`;
    this.#accept.textContent = "Accept";
    this.#end.textContent = ends;
    this.#end.ariaLabel = `${ends} ${name} ${whose}`;
    this.row.classList.toggle("offered", isOffer);
    // Not to the other button: a key pressed twice must not cancel.
    if (!isOffer && document.activeElement === this.#accept) this.row.focus();
    this.#accept.hidden = !isOffer;
  }
}

function button(className: string): HTMLButtonElement {
  return make("button", { className, type: "button" });
}
