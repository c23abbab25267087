// @ts-check
/**
 * What the page is told by the program that serves it. This is what
 * `server.ts --web` serves; `client.ts --gui` serves its own in its place.
 *
 * @module
 */

/**
 * @typedef {object} Settings
 * @property {boolean} local Whether the page asks for a server: a program on
 * this computer carries its frames there.
 * @property {string} [name] Whom to be, if that was said already.
 * @property {string} [server] Where to, if that was said already.
 * @property {number} [port]
 * @property {boolean} [tls] Whether that program talks TLS with the server.
 */

/** @type {Settings} */
export const settings = { local: false };
