// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Three ways to tell a person something: a toast for who looks at the page,
 * words for who hears it, a notification for who is elsewhere. All of it is
 * cleaned here.
 *
 * @module
 */
import { byId, make } from "./dom.js";
import { line, lines } from "./text.js";

/** So long a toast stays, in milliseconds. */
const TOAST_MS = 12_000;

/** So many are shown at a time, the newest. */
const MAX_TOASTS = 4;

/** So many are kept of what was said aloud. */
const MAX_ANNOUNCED = 10;

/** Shows something for a while; it is said aloud as well. @param {string} text */
export function toast(text) {
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

/** Tells who does not see the page, when nothing else is being said. @param {string} text */
export function announce(text) {
  const announcer = byId("announcer");
  while (announcer.childElementCount >= MAX_ANNOUNCED) {
    announcer.firstElementChild?.remove();
  }
  announcer.append(make("p", {}, lines(text)));
}

/** Whether the person can still be asked for notifications. */
export function canAskToNotify() {
  const canNotify = "Notification" in window && isSecureContext;
  return canNotify && Notification.permission === "default";
}

/**
 * Tells who does not look at the page, if that was allowed.
 *
 * @param {string} title
 * @param {object} news
 * @param {string} news.text
 * @param {string} news.tag Takes the place of what has the same.
 * @param {() => void} news.show The person has chosen it.
 */
export function notify(title, { text, tag, show }) {
  if (!("Notification" in window)) return;
  if (Notification.permission !== "granted") return;
  try {
    const shown = new Notification(line(title), { body: line(text), tag });
    shown.onclick = () => {
      globalThis.focus();
      show();
    };
  } catch {
    // Phones want a service worker for this; the title counts there too.
  }
}
