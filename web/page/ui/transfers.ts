/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * A transfer of files: a card above the composer, in every conversation.
 *
 * @module
 */
import { sanitize, sanitizeName } from "../../../core/text/sanitize.ts";
import type { ShownTransfer } from "../../../core/page_talk.ts";
import { byId, make } from "./dom.ts";

/** See the top of the file. It keeps the focus while other cards change. */
export class TransferCard {
  /** The state of the transfer, as it was shown last. */
  state: ShownTransfer["state"] | undefined;
  readonly #row: HTMLElement;
  readonly #title = make("strong", { className: "name", dir: "auto" });
  readonly #peer = make("span", { className: "peer" });
  readonly #text = make("p", { className: "hint", dir: "auto" });
  readonly #progress = make("progress", { max: 1 });
  readonly #accept = button("primary");
  readonly #end = button("text-button");

  /** @param act Runs when the user accepts it, or declines or cancels it. */
  constructor(act: (type: "accept" | "end") => void) {
    this.#accept.onclick = () => act("accept");
    this.#end.onclick = () => act("end");
    this.#row = make(
      "li",
      { className: "transfer", tabIndex: -1 },
      make("div", { className: "what" }, this.#title, this.#peer),
      this.#text,
      this.#progress,
      make("div", { className: "acts" }, this.#accept, this.#end),
    );
    byId("transfers").append(this.#row);
    byId("files").hidden = false;
  }

  /** Shows the transfer as it is now. */
  update({ sends, peer, title, state, text, part }: ShownTransfer): void {
    const name = sanitize(title);
    const whose = `${sends ? "to" : "from"} ${sanitizeName(peer)}`;
    const isOffer = state === "offered";
    const ends = isOffer ? "Decline" : "Cancel";
    this.state = state;
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
    this.#row.classList.toggle("offered", isOffer);
    // Not to the other button: a key pressed twice must not cancel.
    if (!isOffer && document.activeElement === this.#accept) this.#row.focus();
    this.#accept.hidden = !isOffer;
  }

  /** Removes the card; a focus in it goes to the next card, or to the composer. */
  remove(): void {
    const list = byId("transfers");
    const hasFocus = this.#row.contains(document.activeElement);
    this.#row.remove();
    byId("files").hidden = list.childElementCount === 0;
    const next = list.querySelector("li") ?? byId("text");
    if (hasFocus) next.focus();
  }
}

function button(className: string): HTMLButtonElement {
  return make("button", { className, type: "button" });
}
