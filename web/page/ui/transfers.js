// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The region of the files that are on their way: a card for each, above where
 * one writes, in every conversation.
 *
 * @module
 */
import { arrange, byId, make } from "./dom.js";
import { line } from "./text.js";

/** @import { ShownTransfer } from "../../../core/page_talk.ts" */

/**
 * @typedef {object} Acts What a person can do about a transfer.
 * @property {(transfer: number) => void} accept
 * @property {(transfer: number) => void} end Declines it, or cancels it.
 */

/** See the top of the file. */
export class TransferList {
  #acts;
  #region = byId("files");
  #list = byId("transfers");
  /** @type {Map<number, Card>} */
  #cards = new Map();

  /** @param {Acts} acts */
  constructor(acts) {
    this.#acts = acts;
  }

  /** Shows those there are now. @param {ReadonlyMap<number, ShownTransfer>} transfers */
  draw(transfers) {
    const focused = document.activeElement;
    for (const [number, transfer] of transfers) {
      const card = this.#cards.get(number) ?? new Card(number, this.#acts);
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

/** One transfer. What has the focus keeps it, whatever becomes of the rest. */
class Card {
  row;
  #title = make("strong", { className: "name", dir: "auto" });
  #peer = make("span", { className: "peer" });
  #text = make("p", { className: "hint", dir: "auto" });
  #progress = make("progress", { max: 1 });
  #accept = make("button", { className: "primary", type: "button" }, "Accept");
  #end = make("button", { className: "text-button", type: "button" });

  /** @param {number} number @param {Acts} acts */
  constructor(number, acts) {
    this.#accept.onclick = () => acts.accept(number);
    this.#end.onclick = () => acts.end(number);
    this.row = make(
      "li",
      { className: "transfer", tabIndex: -1 },
      make("div", { className: "what" }, this.#title, this.#peer),
      this.#text,
      this.#progress,
      make("div", { className: "acts" }, this.#accept, this.#end),
    );
  }

  /** @param {ShownTransfer} transfer */
  update({ sends, peer, title, state, text, part }) {
    const name = line(title);
    const whose = `${sends ? "to" : "from"} ${line(peer)}`;
    const isOffer = state === "offered";
    const ends = isOffer ? "Decline" : "Cancel";
    this.#title.textContent = this.#title.title = name;
    this.#peer.textContent = whose;
    this.#text.textContent = line(text);
    this.#progress.value = part;
    this.#progress.hidden = isOffer;
    this.#progress.setAttribute("aria-label", `${name} ${whose}`);
    this.#accept.setAttribute("aria-label", `Accept ${name} ${whose}`);
    this.#end.textContent = ends;
    this.#end.setAttribute("aria-label", `${ends} ${name} ${whose}`);
    this.row.classList.toggle("offered", isOffer);
    // Not to the other button: to press a key twice is not to cancel.
    if (!isOffer && document.activeElement === this.#accept) this.row.focus();
    this.#accept.hidden = !isOffer;
  }
}
