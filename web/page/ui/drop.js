// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Files that are dragged over the page, and dropped: on a person they are sent
 * to them, and anywhere else the page says what to do. Text is left alone, so
 * that one can drag it to where one writes.
 *
 * @module
 */
import { byId } from "./dom.js";
import { toast } from "./news.js";
import { line } from "./text.js";

/** @import { Chat } from "../model/chat.js" */
/** @import { Files } from "./files.js" */

/** @typedef {{ element: HTMLElement, person: string }} Place Where a drop is for somebody. */

/** Keeps files from taking the place of the page, wherever they are dropped. */
export function keepPage() {
  const types = /** @type {const} */ (["dragenter", "dragover", "drop"]);
  for (const type of types) {
    addEventListener(type, (event) => {
      if (hasFiles(event)) event.preventDefault();
    });
  }
}

/** See the top of the file. */
export class Drops {
  #chat;
  #files;
  #conversation = byId("conversation");
  /** @type {HTMLElement | undefined} */
  #marked;

  /**
   * @param {Chat} chat
   * @param {Files | undefined} files None if the page has no program for that.
   * @param {AbortSignal} signal Ends it.
   */
  constructor(chat, files, signal) {
    this.#chat = chat;
    this.#files = files;
    const root = byId("chat");
    root.addEventListener("dragover", (event) => this.#over(event), { signal });
    root.addEventListener("drop", (event) => this.#drop(event), { signal });
    root.addEventListener("dragleave", ({ relatedTarget }) => {
      if (relatedTarget === null) this.#mark(undefined); // it left the page
    }, { signal });
  }

  /** @param {DragEvent} event */
  #over(event) {
    if (!this.#files || !hasFiles(event)) return;
    const place = this.#placeOf(event);
    const isOther = place && !this.#chat.isMe(place.person);
    this.#mark(isOther ? place : undefined);
  }

  /** @param {DragEvent} event */
  #drop(event) {
    if (!hasFiles(event)) return;
    this.#mark(undefined);
    const person = this.#placeOf(event)?.person;
    if (!this.#files) toast(NOT_HERE);
    else if (person === undefined) toast(ON_WHOM);
    else this.#files.drop(person, event.dataTransfer);
  }

  /** @param {DragEvent} event @returns {Place | undefined} */
  #placeOf({ target }) {
    if (!(target instanceof Node)) return undefined;
    const within = target instanceof Element ? target : target.parentElement;
    const row = within?.closest("[data-person]");
    const person = row instanceof HTMLElement && row.dataset["person"];
    if (person) return { element: row, person };
    const { kind, target: name } = this.#chat.current;
    const isPrivate = kind === "user" && this.#conversation.contains(target);
    return isPrivate
      ? { element: this.#conversation, person: name }
      : undefined;
  }

  /** Shows where they would go. @param {Place | undefined} place */
  #mark(place) {
    const label = `Drop to send to ${line(place?.person ?? "")}`;
    if (this.#marked !== place?.element) delete this.#marked?.dataset["drop"];
    this.#marked = place?.element;
    if (this.#marked) this.#marked.dataset["drop"] = label;
  }
}

/** @param {DragEvent} event */
function hasFiles({ dataTransfer }) {
  return dataTransfer?.types.includes("Files") ?? false;
}

const NOT_HERE = "Cannot send files: this page has no program for it. " +
  "Start deno run -A client.ts --gui on this computer";

const ON_WHOM =
  "Drop files on a person, in the list or in a private conversation";
