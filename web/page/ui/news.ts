/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Three ways to tell a user something: a toast that is seen, words that a
 * screen reader reads, and a notification while another window has the focus.
 * All texts are sanitized here.
 *
 * @module
 */
import { byId, make } from "./dom.ts";
import { line, lines } from "./text.ts";

/** A toast stays so long, in milliseconds. */
const TOAST_MS = 12_000;

/** Toasts that are shown at a time, the newest. */
const MAX_TOASTS = 4;

/** Announcements that stay in the page. */
const MAX_ANNOUNCED = 10;

/** Shows a toast, which a screen reader reads as well. */
export function toast(text: string): void {
  const toasts = byId("toasts");
  if (toasts.lastElementChild?.firstChild?.textContent === line(text)) return;
  if (toasts.childElementCount >= MAX_TOASTS) toasts.firstChild?.remove();
  const shown = make("div", { className: "toast" });
  const close = make("button", { type: "button" }, "✕");
  close.setAttribute("aria-label", "Close");
  shown.append(make("span", {}, line(text)), close);
  close.onclick = () => shown.remove();
  toasts.append(shown);
  setTimeout(() => shown.remove(), TOAST_MS);
}

/** Has a screen reader read `text`, after what it is reading now. */
export function announce(text: string): void {
  const announcer = byId("announcer");
  while (announcer.childElementCount >= MAX_ANNOUNCED) {
    announcer.firstElementChild?.remove();
  }
  announcer.append(make("p", {}, lines(text)));
}

/** Whether the user can still be asked to allow notifications. */
export function canAskToNotify(): boolean {
  const canNotify = "Notification" in window && isSecureContext;
  return canNotify && Notification.permission === "default";
}

/** A notification. */
export interface News {
  readonly text: string;
  /** It replaces the notification with the same tag. */
  readonly tag: string;
  /** Runs when the user chooses it. */
  show(): void;
}

/** Shows a notification, if the user has allowed that. */
export function notify(title: string, { text, tag, show }: News): void {
  if (!("Notification" in window)) return;
  if (Notification.permission !== "granted") return;
  try {
    const shown = new Notification(line(title), { body: line(text), tag });
    shown.onclick = () => {
      globalThis.focus();
      show();
    };
  } catch {
    // Phones need a service worker for this. The title of the page counts too.
  }
}
