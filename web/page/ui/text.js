// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What people say, as nodes: cleaned by the rules of the terminal, with links
 * that lead to the web alone, our name marked, and a colour for each name.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import { mentions } from "../model/chat.js";
import { make } from "./dom.js";

/** A name, or other words of somebody else, on one line. @param {string} text */
export function line(text) {
  return sanitize(text);
}

/** The same, with its line breaks. @param {string} text */
export function lines(text) {
  return sanitize(text, { lines: true });
}

/**
 * A message. What is in it stays text: only what begins with `http` becomes a
 * link, and shows where it leads.
 *
 * @param {string} text
 * @param {string} me Whose name is marked; empty in one's own messages.
 * @returns {(Node | string)[]}
 */
export function message(text, me) {
  return split(lines(text), LINK).flatMap((part, index) =>
    index % 2 === 0 ? marked(part, me) : [link(part)]
  );
}

/** The hue of a name: always the same, on every screen. @param {string} name */
export function hueOf(name) {
  let hash = 0x811c9dc5; // FNV-1a
  for (const char of name.toLowerCase()) {
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  return hash % 360;
}

/** A circle with the first letter of a name. @param {string} name */
export function avatar(name) {
  const circle = make("span", { className: "avatar" }, line(name).slice(0, 1));
  circle.setAttribute("aria-hidden", "true");
  circle.style.setProperty("--hue", `${hueOf(name)}`);
  return circle;
}

/** @param {string} text @param {string} me @returns {(Node | string)[]} */
function marked(text, me) {
  if (me === "") return [text];
  const pattern = new RegExp(`(${mentions(me).source})`, "gi");
  return split(text, pattern).map((part, index) =>
    index % 2 === 0 ? part : make("mark", {}, part)
  );
}

/** @param {string} address */
function link(address) {
  if (!URL.canParse(address)) return address;
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol)) return address;
  return make("a", {
    href: url.href,
    target: "_blank",
    rel: "noopener noreferrer nofollow",
  }, address);
}

/** The parts of `text`; those with odd indexes are what `pattern` has found. @param {string} text @param {RegExp} pattern */
function split(text, pattern) {
  return text.split(pattern).map((part) => part ?? "");
}

/** An address, without the punctuation that follows it. */
const LINK = /(\bhttps?:\/\/[^\s<>"'`]*[^\s<>"'`.,:;!?)\]}])/gi;
