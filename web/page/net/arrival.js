// @ts-check
/**
 * Coming in, the first time and again: taking up what an earlier connection has
 * left, by the rules of "Coming back" in docs/protocol.md, as client/chat/session.ts
 * does.
 *
 * @module
 */
import { numberOf, textOf } from "../../../core/frames.ts";
import {
  ChatError,
  header,
  isUserName,
  lookAlike,
  PROTOCOL,
} from "../../../protocol.ts";
import { Lost } from "./connection.js";
import { fetchHistory, remembers } from "./history.js";

/** @import { Frame } from "../../../protocol.ts" */
/** @import { Account } from "./account.js" */
/** @import { Answer, Connection } from "./connection.js" */
/** @import { Conversation } from "../model/conversation.ts" */
/** @import { Landmark } from "./history.js" */
/** @import { Line } from "./line.js" */

/** So many messages of a room are fetched that were missed, the newest. */
const MAX_MISSED = 10_000;

/**
 * @typedef {object} Host Whose arrival it is.
 * @property {string} me
 * @property {Account} account
 * @property {readonly Conversation[]} conversations
 * @property {(registered: Answer) => void} entered
 * @property {(room: Conversation, frame: Frame) => void} hear
 * @property {(room: Conversation, error: ChatError) => void} refused The room
 * lets us in no more.
 */

/** What is to be known to come back. */
export class Arrival {
  #host;
  #line;
  /** @type {string | undefined} */
  #token; // once we were in; may be empty
  #after = 0; // we have everything for us up to this id
  #replayedTo = 0; // by the server, but for rooms it may have forgotten
  #heardTo = 0; // what came by itself
  #seen = 0; // the greatest id of all, ours too
  /** @type {Landmark | undefined} */
  #landmark;
  #forgotten = false; // the visit, by the server, since we were lost

  /** @param {Host} host @param {Line} line */
  constructor(host, line) {
    this.#host = host;
    this.#line = line;
  }

  /** Whether we were ever in. */
  get wasIn() {
    return this.#token !== undefined;
  }

  /** The greatest id of all. */
  get seen() {
    return this.#seen;
  }

  /** Notes what came by itself: such ids rise. @param {number} id */
  heard(id) {
    this.#heardTo = Math.max(this.#heardTo, id);
    if (this.#line.isIn) this.#after = Math.max(this.#after, id);
  }

  /** Notes that a message exists. @param {Conversation} conversation @param {{ id: number, at: Date }} message */
  saw({ kind, target }, { id, at }) {
    this.#seen = Math.max(this.#seen, id);
    if (kind !== "room" || id < (this.#landmark?.id ?? 0)) return;
    this.#landmark = { room: target, id, at: at.getTime() };
  }

  /**
   * Comes in; again, enters the rooms and fetches what was missed.
   *
   * @param {Connection} connection
   */
  async arrive(connection) {
    const host = this.#host;
    const before = this.#token;
    const after = Math.max(this.#after, this.#replayedTo);
    const pass = before ? { Token: before, After: after } : {};
    const registered = await host.account.comeIn(connection, host.me, pass);
    checkServer(registered);
    host.entered(registered);
    this.#token = header(registered, "token") ?? "";
    const lastId = numberOf(registered, "last-id") ?? 0;
    if (before === undefined) return this.#startAfter(lastId);
    const known = before !== "" && this.#token === before;
    if (!known) this.#forgotten = true;
    if (!this.#forgotten && lastId < this.#seen) this.#beginAnew(lastId);
    if (this.#forgotten && await this.#isAnother(connection, lastId)) {
      this.#beginAnew(0);
    }
    const rooms = host.conversations.filter(({ kind }) => kind === "room");
    await Promise.all(rooms.map((room) => this.#rejoin(connection, room)));
    if (known) this.#replayedTo = lastId; // which came before any JOINED
    await Promise.all(
      rooms.map((room) => this.#catchUp(connection, room, lastId)),
    );
  }

  /** All is there that was missed. */
  arrived() {
    this.#after = Math.max(this.#after, this.#replayedTo, this.#heardTo);
    this.#forgotten = false;
  }

  /** @param {number} lastId */
  #startAfter(lastId) {
    this.#after = lastId;
    this.#replayedTo = lastId;
    this.#heardTo = lastId;
    this.#seen = lastId;
  }

  /** Whether its ids are others than those we know. @param {Connection} connection @param {number} lastId */
  async #isAnother(connection, lastId) {
    if (lastId < this.#seen) return true;
    return this.#landmark !== undefined &&
      !await remembers(connection, this.#landmark);
  }

  /** @param {number} last */
  #beginAnew(last) {
    this.#startAfter(last);
    this.#landmark = undefined;
    for (const conversation of this.#host.conversations) {
      conversation.restart(last);
      if (conversation.entries.length > 0) conversation.note("error", ANEW);
    }
  }

  /** @param {Connection} connection @param {Conversation} room */
  async #rejoin(connection, room) {
    try {
      const joined = await connection.request("JOIN", [room.target]);
      room.members = numberOf(joined, "members") ?? room.members;
    } catch (error) {
      // That it cannot be stored passes, and is no reason to leave.
      if (!(error instanceof ChatError) || error.code === 119) throw error;
      this.#host.refused(room, error);
    }
  }

  /**
   * Hears what was said in a room while we were away. If the server has
   * forgotten the keys of our messages, those that are found are not sent
   * again.
   *
   * @param {Connection} connection
   * @param {Conversation} room
   * @param {number} upTo The newest message when we came in.
   */
  async #catchUp(connection, room, upTo) {
    if (!this.#host.conversations.includes(room)) return;
    const after = Math.max(this.#after, room.since);
    const part = { most: MAX_MISSED, after };
    const missed = await fetchHistory(connection, room.target, part);
    for (const frame of missed) {
      const isNew = !room.knows(numberOf(frame, "id") ?? 0);
      const isOurs = frame.args[0] === this.#host.me;
      if (isNew && isOurs && this.#forgotten) this.#settleStored(frame);
      this.#host.hear(room, frame);
    }
    room.since = Math.max(room.since, upTo); // also if we are lost again
  }

  /** @param {Frame} frame */
  #settleStored(frame) {
    const room = lookAlike(header(frame, "to") ?? "");
    const said = textOf(frame);
    const stored = this.#line.takeStored(({ verb, args, body }) =>
      verb === "SEND" && lookAlike(args[0] ?? "") === room &&
      body !== undefined && textOf({ body }) === said
    );
    stored?.resolve({ ...frame, messages: [] }); // it has the id and the time
  }
}

/** @param {Answer} registered @throws {Lost} If it does not speak our protocol. */
function checkServer(registered) {
  const protocol = header(registered, "protocol") ?? PROTOCOL;
  if (protocol === PROTOCOL && isUserName(registered.args[0] ?? "")) return;
  const what = "Cannot talk to the server";
  throw new Lost(`${what}: it speaks ${protocol}, we ${PROTOCOL}`, false);
}

const ANEW = "The server has begun anew: what was said before is gone there";
