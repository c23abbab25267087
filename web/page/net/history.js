// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What was said before: asked for page by page, as core/resume.ts does.
 *
 * @module
 */
import { numberOf, timeOf } from "../../../core/frames.ts";

/** @import { Frame, Headers, RequestVerb } from "../../../protocol.ts" */
/** @import { Answer } from "./connection.js" */

/** The most messages that a server gives for one HISTORY. */
const PAGE = 1_000;

/**
 * @typedef {object} Asked Whoever can be asked: a line, or a connection.
 * @property {(verb: RequestVerb, args: readonly string[], headers: Headers) => Promise<Answer>} request
 */

/** @typedef {{ room: string, id: number, at: number }} Landmark By what a message is known again. */

/**
 * Messages of a room, oldest first.
 *
 * @param {Asked} asked
 * @param {string} room
 * @param {{ most: number, after?: number, before?: number }} part At most so
 * many, the newest, of those with ids between the two.
 * @returns {Promise<Frame[]>}
 */
export async function fetchHistory(asked, room, { most, after, before }) {
  /** @type {(readonly Frame[])[]} */
  const pages = [];
  for (let wanted = most, end = before; wanted > 0;) {
    const limit = Math.min(wanted, PAGE);
    const headers = { Limit: limit, After: after, Before: end };
    const { messages } = await asked.request("HISTORY", [room], headers);
    pages.unshift(messages);
    wanted -= messages.length;
    const [first] = messages;
    end = first && numberOf(first, "id");
    if (messages.length < limit || end === undefined) break;
  }
  return pages.flat();
}

/**
 * Whether the server still has a message that we remember.
 *
 * @param {Asked} asked
 * @param {Landmark} landmark
 */
export async function remembers(asked, { room, id, at }) {
  const part = { most: 1, after: id - 1, before: id + 1 };
  const [found] = await fetchHistory(asked, room, part);
  return found !== undefined && timeOf(found).getTime() === at;
}
