/**
 * Coming in, and coming back: a visit goes on where a connection broke.
 *
 * On each connection we come in; on all but the first we enter our rooms again
 * and fetch what was said meanwhile. A server may have forgotten us since, or
 * have begun anew with other ids: then what we know of it is worth nothing.
 *
 * @module
 */
import { type ChatError, type Frame, header, lookAlike } from "../protocol.ts";
import type { Access } from "./sign_in.ts";
import {
  history,
  type Joined,
  type Pass,
  rejoin,
  remembers,
} from "./resume.ts";
import type { Connection } from "./connection.ts";
import type { Line } from "./reconnecting.ts";
import type { Messages } from "../client/chat/messages.ts";
import { numberOf, sameBytes } from "./frames.ts";

/** So many messages of a room are fetched that were missed, the newest. */
const MAX_MISSED = 10_000;

/** What a {@linkcode Comeback} works on. */
export interface ComebackParts {
  /** To the server. */
  readonly line: Line;
  /** How we come in. */
  readonly access: Access;
  /** What was said. */
  readonly messages: Messages;
  /** See {@linkcode SessionParts.comeIn} of session.ts. */
  comeIn(connection: Connection, pass: Pass | undefined): Promise<Frame>;
  /** Is told of the server's REGISTERED. */
  entered(registered: Frame): void;
  /** Is told of the rooms that let us in no more. */
  shutOut(rooms: readonly Joined[]): void;
  /** Shows a line of our own. */
  note(text: string): void;
  /** Shows what went wrong. */
  explain(error: ChatError): void;
}

/** See the top of the file. */
export class Comeback {
  readonly #parts: ComebackParts;
  #token: string | undefined; // once we were in; may be empty
  #replayedTo = 0; // by the server, but for rooms it may have forgotten
  #forgotten = false; // the visit, by the server, since we were lost

  /** Before the first connection. */
  constructor(parts: ComebackParts) {
    this.#parts = parts;
  }

  /** Whether we were ever in. */
  get wasIn(): boolean {
    return this.#token !== undefined;
  }

  /** Comes in; again, enters the `rooms` and fetches what was missed. */
  async run(connection: Connection, rooms: readonly Joined[]): Promise<void> {
    const { access, messages: { order } } = this.#parts;
    const before = this.#token;
    const pass = before === undefined
      ? undefined
      : { token: before, after: Math.max(order.last, this.#replayedTo) };
    const { owns } = access;
    const registered = await this.#parts.comeIn(connection, pass);
    this.#token = header(registered, "token") ?? "";
    this.#parts.entered(registered);
    if (owns && !access.owns) {
      const { me } = this.#parts.messages;
      this.#parts.note(`${me} has no account here; /signup makes one`);
    }
    const lastId = numberOf(registered, "last-id") ?? 0;
    if (before === undefined) return order.startAfter(lastId);
    const known = before !== "" && this.#token === before;
    await this.#resume(connection, rooms, { known, lastId });
  }

  /** Says that all of that is over. */
  done(): void {
    this.#forgotten = false;
  }

  async #resume(
    connection: Connection,
    rooms: readonly Joined[],
    { known, lastId }: { known: boolean; lastId: number },
  ): Promise<void> {
    if (!known) this.#forgotten = true;
    const { order } = this.#parts.messages;
    if (!this.#forgotten && lastId < order.last) this.#beginAnew(rooms, lastId);
    if (this.#forgotten && await this.#isAnother(connection, lastId)) {
      this.#beginAnew(rooms, 0);
    }
    const refused = await rejoin(connection, rooms);
    this.#parts.shutOut([...refused.keys()]);
    for (const error of refused.values()) this.#parts.explain(error);
    if (known) this.#replayedTo = lastId; // which came before any JOINED
    const entered = rooms.filter((room) => !refused.has(room));
    await this.#catchUp(connection, entered, lastId);
  }

  /** Whether the ids of the server are others than those we know. */
  async #isAnother(connection: Connection, lastId: number): Promise<boolean> {
    const { order, newest } = this.#parts.messages;
    if (lastId < order.last) return true;
    return newest !== undefined && !await remembers(connection, newest);
  }

  #beginAnew(rooms: readonly Joined[], last: number): void {
    const { messages, note } = this.#parts;
    note("The server has begun anew: what was said before is gone there");
    messages.restart(last);
    this.#replayedTo = last;
    for (const room of rooms) room.since = last;
  }

  /**
   * Hears what was said in the rooms while we were away. What the server has
   * replayed is dropped as known: it may have left out what was said between
   * coming in and entering a room, or have forgotten which rooms we were in.
   * If it has forgotten the keys of our messages too, those that are found are
   * not sent again.
   *
   * @param upTo The newest message when we came in.
   */
  async #catchUp(
    connection: Connection,
    rooms: readonly Joined[],
    upTo: number,
  ): Promise<void> {
    const { messages, line, note } = this.#parts;
    const { last } = messages.order;
    await Promise.all(rooms.map(async (room) => {
      const after = Math.max(last, room.since);
      const part = { most: MAX_MISSED, after };
      const missed = await history(connection, room.name, part);
      for (const frame of missed) {
        messages.heard(frame, line.asked);
        const isOurs = frame.args[0] === messages.me;
        if (this.#forgotten && isOurs) this.#settleStored(frame);
      }
      room.since = Math.max(room.since, upTo); // also if we are lost again
      if (missed.length < MAX_MISSED) return;
      note(`More was said in ${room.name} meanwhile; /history shows it`);
    }));
  }

  #settleStored(frame: Frame): void {
    const room = lookAlike(header(frame, "to") ?? "");
    this.#parts.line.settleStored(({ verb, args, body }) =>
      verb === "SEND" && lookAlike(args[0] ?? "") === room &&
      sameBytes(body, frame.body)
    );
  }
}
