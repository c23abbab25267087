// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What people say, as nodes: cleaned by the rules of the terminal, with links
 * that lead to the web alone, our name marked, and a colour for each name.
 *
 * @module
 */
import { nameHash, textParts } from "../../../core/text/marks.ts";
import { sanitize } from "../../../core/text/sanitize.ts";
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
 * A message. Its text stays text; a link shows where it leads.
 *
 * @param {string} text
 * @param {string} me Whose name is marked; empty in one's own messages.
 * @returns {(Node | string)[]}
 */
export function message(text, me) {
  return textParts(lines(text), me).map((part) => {
    switch (part.kind) {
      case "text":
        return part.text;
      case "mention":
        return make("mark", {}, part.text);
      case "link":
        return make("a", {
          href: part.href,
          target: "_blank",
          rel: "noopener noreferrer nofollow",
        }, part.text);
    }
  });
}

/** The hue of a name: the same on every page. @param {string} name */
export function hueOf(name) {
  return nameHash(name) % 360;
}

/** A circle with the first letter of a name. @param {string} name */
export function avatar(name) {
  const circle = make("span", { className: "avatar" }, line(name).slice(0, 1));
  circle.setAttribute("aria-hidden", "true");
  circle.style.setProperty("--hue", `${hueOf(name)}`);
  return circle;
}
