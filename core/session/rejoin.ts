/**
 * How a session registers; and what it does on every connection but the first: it
 * joins its rooms again, and fetches what was sent there meanwhile. See "Reconnecting" in
 * docs/protocol.md.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  header,
  isUserName,
  PROTOCOL,
} from "../../protocol.ts";
import { PASSING } from "../net/backoff.ts";
import { type Connection, inTime } from "../net/connection.ts";
import { ConnectionError } from "../net/connection_error.ts";
import { history, MAX_HISTORY_BYTES } from "../requests.ts";
import type { JoinedRoom } from "../session_view.ts";
import type { SignIn } from "../sign_in.ts";

/** How many missed messages of a room are fetched, the newest. */
const MAX_MISSED = 10_000;

/** Whose session it is, and what is known of it. */
export interface Known {
  /** Our name. */
  readonly name: string;
  /** Undefined or empty if there is none. */
  readonly token: string | undefined;
  /** Of the server, whose ids we know. */
  readonly journal: string | undefined;
  /** Everything up to this id is here. */
  readonly after: number;
}

/**
 * Registers on a connection. @returns The server's REGISTERED.
 *
 * @throws {ChatError} If the server refuses.
 * @throws {ConnectionError} If the server speaks another protocol, or does not
 * answer.
 */
export async function register(
  connection: Connection,
  signIn: SignIn,
  { name, token, journal, after }: Known,
): Promise<Frame> {
  const headers = token ? { Token: token, After: after, Journal: journal } : {};
  const registering = signIn.register(connection, name, headers);
  const answer = await inTime("register", connection, registering);
  const protocol = header(answer, "protocol") ?? PROTOCOL;
  if (protocol === PROTOCOL && isUserName(answer.args[0] ?? "")) return answer;
  throw new ConnectionError(
    "protocol",
    `Cannot talk to the server: it speaks ${protocol}, we speak ${PROTOCOL}`,
    { advice: "Use a client of the server's version." },
  );
}

/**
 * Joins the rooms again; `expelled` is told of those that refuse. An owner of an
 * account does not join those that another device has left.
 *
 * @throws {ChatError} 108 or 119 if the server cannot do it just now: that
 * passes, and is no reason to leave the room.
 */
export async function rejoin(
  connection: Connection,
  rooms: readonly JoinedRoom[],
  { isOwner, expelled }: {
    readonly isOwner: boolean;
    expelled(room: JoinedRoom, error: ChatError): void;
  },
): Promise<void> {
  const headers = isOwner ? { Again: "yes" } : {};
  await Promise.all(rooms.map((room) => {
    const joining = connection.request("JOIN", [room.name], headers);
    return unlessRefused(joining, (why) => expelled(room, why));
  }));
}

/** What `answer` resolves to; undefined once `refused` is told of a refusal that stays. */
async function unlessRefused<T>(
  answer: Promise<T>,
  refused: (why: ChatError) => void,
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ChatError) || PASSING.has(error.code)) throw error;
    refused(error);
    return undefined;
  }
}

/** What {@linkcode catchUp} is told, and tells. */
export interface Missing {
  /** The last message that was shown. */
  readonly last: number;
  /** The newest message when we registered. */
  readonly upTo: number;
  /** Takes a message; those that are known are among them. */
  take(frame: Frame): void;
  /** More was missed than is fetched. */
  missedMore(room: JoinedRoom): void;
  /** A room can be read no more: we were taken out just now. */
  expelled(room: JoinedRoom, error: ChatError): void;
}

/**
 * Fetches what was sent in the rooms while we were away. What the server has
 * replayed is dropped as known: it may have left out what was sent between
 * registering and joining, or have forgotten which rooms we were in.
 */
export async function catchUp(
  connection: Connection,
  rooms: readonly JoinedRoom[],
  { last, upTo, take, missedMore, expelled }: Missing,
): Promise<void> {
  await Promise.all(rooms.map(async (room) => {
    const after = Math.max(last, room.since, room.fetchedTo ?? 0);
    const range = { most: MAX_MISSED, after };
    const reading = history(connection, room.name, range);
    const missed = await unlessRefused(reading, (why) => expelled(room, why));
    if (!missed) return;
    let bytes = 0;
    for (const frame of missed) {
      bytes += frame.body.length;
      take(frame);
    }
    room.fetchedTo = upTo; // also if we are lost again
    if (missed.length >= MAX_MISSED || bytes >= MAX_HISTORY_BYTES) {
      missedMore(room);
    }
  }));
}
