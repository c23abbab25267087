/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Three ways to tell a user something: a toast that is seen, words that a
 * screen reader reads, and a notification while another window has the focus.
 * All texts are sanitized here.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import { byId, make } from "./dom.ts";

/** A toast stays so long, in milliseconds. */
const TOAST_MS = 12_000;

/** Toasts that are shown at a time, the newest. */
const MAX_TOASTS = 4;

/** Announcements that stay in the page. */
const MAX_ANNOUNCED = 10;

/** Shows a toast, which a screen reader reads as well. */
export function toast(text: string): void {
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
  setTimeout(remove, TOAST_MS);
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

/**
 * Shows a notification, if the user has allowed that.
 *
 * @param tag It replaces the notification with the same tag.
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
    const shown = new Notification(sanitize(title), {
      body: sanitize(text),
      tag,
    });
    shown.onclick = () => {
      globalThis.focus();
      show();
    };
  } catch {
    // Phones need a service worker for this. The title of the page counts too.
  }
}
