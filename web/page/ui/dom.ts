/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Making elements. Everything that is shown is set as text or as a property, and
 * never parsed as markup. So no message can be more than text.
 *
 * @module
 */

/** Makes an element with properties and children. */
export function make<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  properties: Partial<Omit<HTMLElementTagNameMap[T], "style">> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[T] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** The element of the page with this id. */
export function byId(id: string): HTMLElement;
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T;
export function byId(id: string, kind = HTMLElement): HTMLElement {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new TypeError(`Cannot find #${id} in the page`);
}

/**
 * Makes `parent` have these children, in this order. A child that stays is not
 * touched, so it keeps focus, selection and place.
 */
export function arrange(parent: Element, children: readonly Node[]): void {
  const wanted = new Set(children);
  for (const child of [...parent.childNodes]) {
    if (!wanted.has(child)) child.remove();
  }
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
}
