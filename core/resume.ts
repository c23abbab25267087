/**
 * Registering on a connection, and resuming on it what an earlier one has left.
 *
 * On every connection but the first the rooms are joined again, and the messages
 * that were missed are fetched; see "Reconnecting" in docs/protocol.md. A server
 * may have forgotten the session since, or have restarted with other ids: then
 * what is known of it is worth nothing.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  header,
  isUserName,
  lookAlike,
  MAX_BODY_BYTES,
  PROTOCOL,
} from "../protocol.ts";
import { numberOf, sameBytes } from "./frames.ts";
import { PASSING } from "./net/backoff.ts";
import type { Connection } from "./net/connection.ts";
import { ConnectionError } from "./net/connection_error.ts";
import type { ReconnectingConnection } from "./net/reconnecting.ts";
import type { Order } from "./order.ts";
import { history, type Landmark, remembers } from "./requests.ts";
import type { SignIn } from "./sign_in.ts";

/** How many missed messages of a room are fetched, the newest. */
const MAX_MISSED = 10_000;

/** How long the server may take to register or sign out, in milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

/** A room that we are in. */
export interface JoinedRoom {
  /** As the server has it, with `#`. */
  readonly name: string;
  /** Newer messages are ours to get; older ones we have, or never will. */
  since: number;
}

/** What a {@linkcode Resume} tells. */
export interface ResumeView {
  /** We are registered, the first time or again. */
  registered?(): void;
  /** A room that we were in does not let us in again. */
  expelled(room: JoinedRoom, error: ChatError): void;
  /** The server counts ids anew; `last` is before our time. */
  restarted(last: number): void;
  /** More messages of a room were missed than are shown. */
  missedMore(room: JoinedRoom): void;
  /** The server has forgotten our account. */
  accountLost(): void;
}

/** The session that a {@linkcode Resume} works on; see `session.ts`. */
export interface Resumable {
  /** Where requests of an earlier connection may wait. */
  readonly server: ReconnectingConnection;
  /** Registers again, with the token or the password. */
  readonly signIn: SignIn;
  /** Knows which messages were shown. */
  readonly order: Order;
  /** Is told what the server has forgotten. */
  readonly view: ResumeView;
  /** Our name, as the server has it. */
  me: string;
  /** Longest message that the server takes, in bytes. */
  maxBodyBytes: number;
  /** The rooms that we are in. */
  rooms: readonly JoinedRoom[];
  /** The newest message of any room that was shown. */
  newest: Landmark | undefined;
  /** Takes a message that was missed. */
  take(message: Frame): void;
}

/** See the top of the file. */
export class Resume {
  readonly #session: Resumable;
  #token: string | undefined; // once registered; may be empty
  #replayedTo = 0; // by the server, but for rooms it may have forgotten
  #forgotten = false; // the session, by the server, since the loss

  /** Before the first connection. */
  constructor(session: Resumable) {
    this.#session = session;
  }

  /**
   * Registers on `connection`; after the first one, joins the rooms again and
   * fetches what was missed.
   *
   * @throws {ChatError} If the server refuses, or cannot do it now.
   * @throws {ConnectionError} If the server speaks another protocol, or does not
   * answer.
   */
  async run(connection: Connection): Promise<void> {
    const session = this.#session;
    const { order, signIn, view } = session;
    const before = this.#token;
    const { owned } = signIn;
    const registered = await this.#register(connection);
    this.#token = header(registered, "token") ?? "";
    session.me = registered.args[0] ?? session.me;
    session.maxBodyBytes = numberOf(registered, "max-body") || MAX_BODY_BYTES;
    view.registered?.();
    if (owned && !signIn.owned) view.accountLost();
    const lastId = numberOf(registered, "last-id") ?? 0;
    if (before === undefined) return order.startAfter(lastId);
    const known = before !== "" && this.#token === before;
    await this.#resume(connection, known, lastId);
  }

  /** Everything that was missed is here. */
  done(): void {
    this.#forgotten = false;
  }

  async #register(connection: Connection): Promise<Frame> {
    const { order, signIn, me } = this.#session;
    const after = Math.max(order.last, this.#replayedTo);
    const headers = this.#token ? { Token: this.#token, After: after } : {};
    const answer = await inTime(
      "register",
      connection,
      signIn.register(connection, me, headers),
    );
    const protocol = header(answer, "protocol") ?? PROTOCOL;
    if (protocol === PROTOCOL && isUserName(answer.args[0] ?? "")) {
      return answer;
    }
    throw new ConnectionError(
      "protocol",
      `Cannot talk to the server: it speaks ${protocol}, we speak ${PROTOCOL}`,
      { advice: "Use a client of the server's version." },
    );
  }

  async #resume(
    connection: Connection,
    known: boolean,
    lastId: number,
  ): Promise<void> {
    if (!known) this.#forgotten = true;
    const session = this.#session;
    const { order, newest } = session;
    if (!this.#forgotten) {
      if (lastId < order.last) this.#restart(lastId);
    } else if (
      lastId < order.last || (newest && !await remembers(connection, newest))
    ) {
      this.#restart(0);
    }
    for (const [room, error] of await rejoin(connection, session.rooms)) {
      session.rooms = session.rooms.filter((one) => one !== room);
      session.view.expelled(room, error);
    }
    if (known) this.#replayedTo = lastId; // which came before any JOINED
    await this.#catchUp(connection, lastId);
  }

  /** The server counts ids anew: what we know of the old ones is worth nothing. */
  #restart(last: number): void {
    const { order, rooms, view } = this.#session;
    order.restart(last); // shows what is held of the old ones
    this.#session.newest = undefined;
    view.restarted(last);
    this.#replayedTo = last;
    for (const room of rooms) room.since = last;
  }

  /**
   * Fetches what was sent in the rooms while we were away. What the server has
   * replayed is dropped as known: it may have left out what was sent between
   * registering and joining, or have forgotten which rooms we were in. If it has
   * forgotten the keys of our messages too, those that are found are not sent
   * again.
   *
   * @param upTo The newest message when we registered.
   */
  async #catchUp(connection: Connection, upTo: number): Promise<void> {
    const { me, order, rooms, view } = this.#session;
    const { last } = order;
    await Promise.all(rooms.map(async (room) => {
      const after = Math.max(last, room.since);
      const range = { most: MAX_MISSED, after };
      const missed = await history(connection, room.name, range);
      for (const frame of missed) {
        const isNew = !order.knows(numberOf(frame, "id") ?? 0);
        const isOurs = frame.args[0] === me;
        this.#session.take(frame);
        if (this.#forgotten && isOurs && isNew) this.#settleStored(frame);
      }
      room.since = Math.max(room.since, upTo); // also if we are lost again
      if (missed.length >= MAX_MISSED) view.missedMore(room);
    }));
  }

  #settleStored(frame: Frame): void {
    const room = lookAlike(header(frame, "to") ?? "");
    this.#session.server.settleStored(
      frame,
      ({ verb, args, body }) =>
        verb === "SEND" && lookAlike(args[0] ?? "") === room &&
        sameBytes(body, frame.body),
    );
  }
}

/**
 * Joins `rooms` again.
 *
 * @returns Those that refuse, and why.
 * @throws {ChatError} 108 or 119 if the server cannot do it just now: that
 * passes, and is no reason to leave the room.
 */
async function rejoin(
  connection: Connection,
  rooms: readonly JoinedRoom[],
): Promise<Map<JoinedRoom, ChatError>> {
  const refused = new Map<JoinedRoom, ChatError>();
  await Promise.all(rooms.map(async (room) => {
    try {
      await connection.request("JOIN", [room.name]);
    } catch (error) {
      if (!(error instanceof ChatError) || PASSING.has(error.code)) throw error;
      refused.set(room, error);
    }
  }));
  return refused;
}

/** Closes the connection if the server takes too long for its answer. */
export async function inTime<T>(
  deed: string,
  connection: { close(reason: ConnectionError): void },
  answer: Promise<T>,
): Promise<T> {
  const seconds = ANSWER_TIMEOUT_MS / 1_000;
  const what = `Cannot ${deed}: no answer within ${seconds} seconds`;
  const advice = "Is this the address and the port of a parley server?";
  const error = new ConnectionError("protocol", what, {
    advice,
    passing: true,
  });
  const timer = setTimeout(() => connection.close(error), ANSWER_TIMEOUT_MS);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}
