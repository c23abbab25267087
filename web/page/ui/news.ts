/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What a user is told, and three ways to tell it: a toast that is seen, words
 * that a screen reader reads, and a notification while another window has the
 * focus. All texts are sanitized here.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import type { Chat } from "../model/chat.ts";
import type { Conversation } from "../model/conversation.ts";
import type { Watcher } from "../model/watcher.ts";
import { byId, make } from "./dom.ts";
import { titleOf } from "./messages.ts";

/** A passing toast stays so long, in milliseconds. */
const TOAST_MS = 12_000;

/** Toasts that are shown at a time, the newest. */
const MAX_TOASTS = 4;

/** Announcements that stay in the page. */
const MAX_ANNOUNCED = 10;

/** So many messages at a time are read out; of more, the numbers. */
const MAX_READ_OUT = 3;

/** So much of a message is told, in characters. */
const MAX_TOLD = 300;

/**
 * Shows a toast, which a screen reader reads as well. It stays until it is
 * closed, unless it is `passing`: a user who looks away misses no error.
 */
export function toast(text: string, passing = false): void {
  const toasts = byId("toasts");
  if (toasts.lastElementChild?.firstChild?.textContent === sanitize(text)) {
    return;
  }
  if (toasts.childElementCount >= MAX_TOASTS) toasts.firstChild?.remove();
  const remove = () => shown.remove();
  const looks = {
    type: "button",
    ariaLabel: "Close",
    onclick: remove,
  } as const;
  const close = make("button", looks, "✕");
  const words = make("span", {}, sanitize(text));
  const shown = make("div", { className: "toast" }, words, close);
  toasts.append(shown);
  if (passing) setTimeout(remove, TOAST_MS);
}

/** Has a screen reader read `text`, after what it is reading now. */
export function announce(text: string): void {
  const announcer = byId("announcer");
  while (announcer.childElementCount >= MAX_ANNOUNCED) {
    announcer.firstElementChild?.remove();
  }
  announcer.append(make("p", {}, sanitize(text, { lines: true })));
}

/** Whether the user can still be asked to allow notifications. */
export function canAskToNotify(): boolean {
  const canNotify = "Notification" in window && isSecureContext;
  return canNotify && Notification.permission === "default";
}

/** The notifications that are shown, by tag. */
const notifications = new Map<string, Notification>();

/** Closes the notification with this tag: the user has read what it tells. */
export function closeNotification(tag: string): void {
  notifications.get(tag)?.close();
  notifications.delete(tag);
}

/**
 * Shows a notification, if the user has allowed that.
 *
 * @param tag It replaces the notification with the same tag, and alerts again.
 * @param show Runs when the user chooses it.
 */
export function notify(
  title: string,
  text: string,
  tag: string,
  show: () => void,
): void {
  if (!("Notification" in window)) return;
  if (Notification.permission !== "granted") return;
  try {
    closeNotification(tag); // not every browser knows `renotify`
    const options = { body: sanitize(text), tag, renotify: true };
    const shown = new Notification(sanitize(title), options);
    notifications.set(tag, shown);
    shown.onclick = () => {
      globalThis.focus();
      show();
    };
  } catch {
    // Phones need a service worker for this. The title of the page counts too.
  }
}

/** Tells what has come: a reconnect may bring hundreds of messages. */
export function tellNews(
  chat: Chat,
  news: readonly Parameters<Watcher["said"]>[],
): void {
  const { current } = chat;
  const heard = news.filter(([one, , calls]) => one === current || calls);
  if (heard.length > MAX_READ_OUT) {
    const counts = [...Map.groupBy(heard, ([one]) => one)]
      .map(([one, { length }]) => `${length} ${titleOf(one, chat.nicks)}`);
    announce(`${heard.length} new messages: ${counts.join(", ")}`);
  } else {
    for (const [one, { from, text }] of heard) {
      const where = one === current ? "" : ` ${placeOf(chat, one)}`;
      announce(
        `${chat.nicks.labelOf(from)}${where}: ${text.slice(0, MAX_TOLD)}`,
      );
    }
  }
  if (chat.attentive) return;
  const last = new Map(
    news.filter(([, , calls]) => calls).map(([one, entry]) => [one, entry]),
  );
  for (const [one, { from, text }] of last) {
    const title = `${chat.nicks.labelOf(from)} ${placeOf(chat, one)}`;
    notifyOf(chat, one, title, text.slice(0, MAX_TOLD));
  }
}

/** Tells what was noted in a conversation about files. */
export function tellNoted(
  chat: Chat,
  conversation: Conversation,
  text: string,
): void {
  if (conversation === chat.current) announce(text);
  else toast(text, true);
  if (chat.attentive) return;
  notifyOf(
    chat,
    conversation,
    `Files ${titleOf(conversation, chat.nicks)}`,
    text,
  );
}

function notifyOf(
  chat: Chat,
  conversation: Conversation,
  title: string,
  text: string,
): void {
  notify(title, text, conversation.target, () => chat.show(conversation));
}

/** The conversation of a message, after the name of its sender. */
function placeOf({ nicks }: Chat, conversation: Conversation): string {
  return conversation.kind === "user"
    ? "(private)"
    : titleOf(conversation, nicks);
}
