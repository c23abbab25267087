/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Files that are dragged over the chat and dropped, or pasted: on a user they
 * are sent; anywhere else the page says what to do. Text can still be dragged
 * into the composer.
 *
 * @module
 */
import { sanitizeName } from "../../../core/text/sanitize.ts";
import type { Chat } from "../model/chat.ts";
import { NO_PROGRAM } from "../model/typed.ts";
import { byId } from "./dom.ts";
import type { Files } from "./files.ts";
import { toast } from "./news.ts";

/**
 * Takes files that are dropped or pasted.
 *
 * @param files Undefined if the page has no program that carries files.
 * @param signal Ends it.
 */
export function takeDrops(
  chat: Chat,
  files: Files | undefined,
  signal: AbortSignal,
): void {
  const root = byId("chat");
  let marked: HTMLElement | undefined;
  const mark = (element?: HTMLElement, label = "") => {
    if (marked !== element) delete marked?.dataset["drop"];
    marked = element;
    if (marked) marked.dataset["drop"] = label;
  };
  root.addEventListener("dragover", (event) => {
    if (!files || !hasFiles(event)) return;
    const [element, user = ""] = placeOf(event, chat);
    const label = `Drop to send to ${sanitizeName(user)}`;
    mark(chat.isMe(user) ? undefined : element, label);
  }, { signal });
  const take = (event: Event, data: DataTransfer | null) => {
    const [, user] = placeOf(event, chat);
    if (!files) toast(NO_PROGRAM);
    else if (user === undefined) toast(NO_USER);
    else files.drop(user, data);
  };
  root.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    mark();
    take(event, event.dataTransfer);
  }, { signal });
  root.addEventListener("paste", (event) => {
    const data = event.clipboardData;
    // Office programs add a picture to the text that they copy.
    if (data?.types.includes("Files") && !data.types.includes("text/plain")) {
      take(event, data);
    }
  }, { signal });
  root.addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) mark(); // it left the page
  }, { signal });
}

/** The user that a drop is for, and the element that shows it; or nothing. */
function placeOf(
  { target }: Event,
  { current }: Chat,
): [] | [element: HTMLElement, user: string] {
  if (!(target instanceof Node)) return [];
  const within = target instanceof Element ? target : target.parentElement;
  const row = within?.closest<HTMLElement>("[data-person]");
  const user = row?.dataset["person"];
  if (row && user) return [row, user];
  const conversation = byId("conversation");
  const isPrivate = current.kind === "user" && conversation.contains(target);
  return isPrivate ? [conversation, current.target] : [];
}

function hasFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes("Files") ?? false;
}

const NO_USER = "Drop files on a name, or in a private conversation.";
