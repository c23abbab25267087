/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Texts of users and servers as nodes: sanitized by the rules of the terminal,
 * with links, mentions and the colours of names.
 *
 * @module
 */
import { nameHash, textParts } from "../../../core/text/marks.ts";
import { sanitize } from "../../../core/text/sanitize.ts";
import { make } from "./dom.ts";

/** A name, or another text from outside, on one line. */
export function line(text: string): string {
  return sanitize(text);
}

/** The same, with its line breaks. */
export function lines(text: string): string {
  return sanitize(text, { lines: true });
}

/**
 * A message. Its text stays text; a link shows where it leads.
 *
 * @param me The name whose mentions are marked; empty in own messages.
 */
export function message(text: string, me: string): (Node | string)[] {
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

/** The hue of a name: the same on every page. */
export function hueOf(name: string): number {
  return nameHash(name) % 360;
}

/** A circle with the first letter of a name. */
export function avatar(name: string): HTMLElement {
  const circle = make("span", { className: "avatar" }, line(name).slice(0, 1));
  circle.setAttribute("aria-hidden", "true");
  circle.style.setProperty("--hue", `${hueOf(name)}`);
  return circle;
}
