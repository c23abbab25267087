/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Files that are dragged over the page and dropped: on a user they are sent;
 * anywhere else the page says what to do. Text can still be dragged into the
 * composer.
 *
 * @module
 */
import type { Chat } from "../model/chat.ts";
import { byId } from "./dom.ts";
import type { Files } from "./files.ts";
import { toast } from "./news.ts";
import { line } from "./text.ts";

/** Where a drop is for a user. */
interface Place {
  readonly element: HTMLElement;
  readonly user: string;
}

/** Keeps a file from replacing the page, wherever it is dropped. */
export function keepPage(): void {
  for (const type of ["dragenter", "dragover", "drop"] as const) {
    addEventListener(type, (event) => {
      if (hasFiles(event)) event.preventDefault();
    });
  }
}

/** See the top of the file. */
export class Drops {
  readonly #chat: Chat;
  readonly #files: Files | undefined;
  readonly #conversation = byId("conversation");
  #marked: HTMLElement | undefined;

  /**
   * @param files Undefined if the page has no program that carries files.
   * @param signal Ends it.
   */
  constructor(chat: Chat, files: Files | undefined, signal: AbortSignal) {
    this.#chat = chat;
    this.#files = files;
    const root = byId("chat");
    root.addEventListener("dragover", (event) => this.#over(event), { signal });
    root.addEventListener("drop", (event) => this.#drop(event), { signal });
    root.addEventListener("dragleave", ({ relatedTarget }) => {
      if (relatedTarget === null) this.#mark(undefined); // it left the page
    }, { signal });
  }

  #over(event: DragEvent): void {
    if (!this.#files || !hasFiles(event)) return;
    const place = this.#placeOf(event);
    const isOther = place && !this.#chat.isMe(place.user);
    this.#mark(isOther ? place : undefined);
  }

  #drop(event: DragEvent): void {
    if (!hasFiles(event)) return;
    this.#mark(undefined);
    const user = this.#placeOf(event)?.user;
    if (!this.#files) toast(NO_PROGRAM);
    else if (user === undefined) toast(NO_USER);
    else this.#files.drop(user, event.dataTransfer);
  }

  #placeOf({ target }: DragEvent): Place | undefined {
    if (!(target instanceof Node)) return undefined;
    const within = target instanceof Element ? target : target.parentElement;
    const row = within?.closest("[data-person]");
    const user = row instanceof HTMLElement && row.dataset["person"];
    if (user) return { element: row, user };
    const { kind, target: name } = this.#chat.current;
    const isPrivate = kind === "user" && this.#conversation.contains(target);
    return isPrivate ? { element: this.#conversation, user: name } : undefined;
  }

  /** Shows where the files would go. */
  #mark(place: Place | undefined): void {
    const label = `Drop to send to ${line(place?.user ?? "")}`;
    if (this.#marked !== place?.element) delete this.#marked?.dataset["drop"];
    this.#marked = place?.element;
    if (this.#marked) this.#marked.dataset["drop"] = label;
  }
}

function hasFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes("Files") ?? false;
}

const NO_PROGRAM = "Cannot send files: this page has no program for it. " +
  "Start deno run -A client.ts --gui on this computer.";

const NO_USER = "Drop files on a name, or in a private conversation.";
