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
  PROTOCOL,
} from "../protocol.ts";
import { numberOf, sameBytes } from "./frames.ts";
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

/** What a {@linkcode Resume} works on. */
export interface ResumeParts {
  /** Where requests of an earlier connection may wait. */
  readonly server: ReconnectingConnection;
  /** Registers again, with the token or the password. */
  readonly signIn: SignIn;
  /** Knows which messages were shown. */
  readonly order: Order;
  /** Gets the server's REGISTERED. */
  registered(answer: Frame): void;
  /** Gets a message that was missed. */
  missed(message: Frame): void;
  /** Gets a room that does not let us in again. */
  expelled(room: JoinedRoom, error: ChatError): void;
  /** Is told that the server counts ids anew; `last` is before our time. */
  restarted(last: number): void;
  /** Is told that more messages of a room were missed than are fetched. */
  missedMore(room: JoinedRoom): void;
  /** Is told that the server has forgotten our account. */
  accountLost(): void;
}

/** What was left when the last connection ended. */
export interface Left {
  /** Our name. */
  readonly me: string;
  /** The rooms that we are in. */
  readonly rooms: readonly JoinedRoom[];
  /** The newest message of any room that was shown. */
  readonly newest: Landmark | undefined;
}

/** See the top of the file. */
export class Resume {
  readonly #parts: ResumeParts;
  #token: string | undefined; // once registered; may be empty
  #replayedTo = 0; // by the server, but for rooms it may have forgotten
  #forgotten = false; // the session, by the server, since the loss

  /** Before the first connection. */
  constructor(parts: ResumeParts) {
    this.#parts = parts;
  }

  /** Whether we were ever registered. */
  get wasRegistered(): boolean {
    return this.#token !== undefined;
  }

  /**
   * Registers on `connection`; after the first one, joins the rooms again and
   * fetches what was missed.
   *
   * @throws {ChatError} If the server refuses, or cannot do it now.
   * @throws {ConnectionError} If the server speaks another protocol, or does not
   * answer.
   */
  async run(connection: Connection, left: Left): Promise<void> {
    const { order, signIn } = this.#parts;
    const before = this.#token;
    const { owned } = signIn;
    const registered = await this.#register(connection, left.me);
    this.#token = header(registered, "token") ?? "";
    this.#parts.registered(registered);
    if (owned && !signIn.owned) this.#parts.accountLost();
    const lastId = numberOf(registered, "last-id") ?? 0;
    if (before === undefined) return order.startAfter(lastId);
    const known = before !== "" && this.#token === before;
    await this.#resume(connection, left, { known, lastId });
  }

  /** Everything that was missed is here. */
  done(): void {
    this.#forgotten = false;
  }

  async #register(connection: Connection, name: string): Promise<Frame> {
    const { order, signIn } = this.#parts;
    const after = Math.max(order.last, this.#replayedTo);
    const headers = this.#token ? { Token: this.#token, After: after } : {};
    const answer = await inTime(
      "register",
      connection,
      signIn.register(connection, name, headers),
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
    left: Left,
    { known, lastId }: { known: boolean; lastId: number },
  ): Promise<void> {
    if (!known) this.#forgotten = true;
    const { order } = this.#parts;
    if (!this.#forgotten) {
      if (lastId < order.last) this.#restart(left, lastId);
    } else if (
      lastId < order.last ||
      (left.newest && !await remembers(connection, left.newest))
    ) {
      this.#restart(left, 0);
    }
    const refused = await rejoin(connection, left.rooms);
    const rooms = left.rooms.filter((room) => !refused.has(room));
    for (const [room, error] of refused) this.#parts.expelled(room, error);
    if (known) this.#replayedTo = lastId; // which came before any JOINED
    await this.#catchUp(connection, { ...left, rooms }, lastId);
  }

  /** The server counts ids anew: what we know of the old ones is worth nothing. */
  #restart({ rooms }: Left, last: number): void {
    this.#parts.order.restart(last); // shows what is held of the old ones
    this.#parts.restarted(last);
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
  async #catchUp(
    connection: Connection,
    { me, rooms }: Left,
    upTo: number,
  ): Promise<void> {
    const { order } = this.#parts;
    const { last } = order;
    await Promise.all(rooms.map(async (room) => {
      const after = Math.max(last, room.since);
      const range = { most: MAX_MISSED, after };
      const missed = await history(connection, room.name, range);
      for (const frame of missed) {
        const isNew = !order.knows(numberOf(frame, "id") ?? 0);
        const isOurs = frame.args[0] === me;
        this.#parts.missed(frame);
        if (this.#forgotten && isOurs && isNew) this.#settleStored(frame);
      }
      room.since = Math.max(room.since, upTo); // also if we are lost again
      if (missed.length >= MAX_MISSED) this.#parts.missedMore(room);
    }));
  }

  #settleStored(frame: Frame): void {
    const room = lookAlike(header(frame, "to") ?? "");
    this.#parts.server.settleStored(
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

/** A rate limit, and a full disk. */
const PASSING: ReadonlySet<number> = new Set([108, 119]);

/** Closes the connection if the server takes too long for its answer. */
export async function inTime<T>(
  deed: string,
  connection: { close(reason: ConnectionError): void },
  answer: Promise<T>,
): Promise<T> {
  const timer = setTimeout(
    () => connection.close(noAnswer(deed)),
    ANSWER_TIMEOUT_MS,
  );
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}

function noAnswer(deed: string): ConnectionError {
  const seconds = ANSWER_TIMEOUT_MS / 1_000;
  return new ConnectionError(
    "protocol",
    `Cannot ${deed}: no answer within ${seconds} seconds`,
    {
      advice: "Is this the address and the port of a parley server?",
      passing: true,
    },
  );
}
