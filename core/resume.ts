/**
 * Coming in, the first time and again: the one place that registers, and what
 * is asked of the server to take up where a connection broke.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  header,
  type Headers,
  isUserName,
  PROTOCOL,
  type RequestVerb,
} from "../protocol.ts";
import type { Access } from "./sign_in.ts";
import { CONNECT_TIMEOUT_MS } from "../client/trust/address.ts";
import type { Answer, Connection } from "./connection.ts";
import { EXIT, Failure } from "../client/terminal/failure.ts";
import type { Landmark } from "../client/chat/messages.ts";
import { numberOf, timeOf } from "./frames.ts";

/** Proves that we were in before, and says what we have. */
export interface Pass {
  /** What the server gave us when we came in; empty if it gave nothing. */
  readonly token: string;
  /** We have everything for us up to this id. */
  readonly after: number;
}

/**
 * Comes in as `name`, in whatever way `access` has.
 *
 * @param pass What an earlier connection has left, if there was one.
 * @returns The server's REGISTERED. Under another token than that of the pass,
 * the server has forgotten us, and replays nothing.
 * @throws {ChatError} If the server does not let us in.
 * @throws {Failure} If it does not speak our protocol, or does not answer.
 */
export async function comeIn(
  connection: Connection,
  access: Access,
  name: string,
  pass: Pass | undefined,
): Promise<Frame> {
  const headers = pass?.token
    ? { Token: pass.token, After: pass.after }
    : undefined;
  const answer = await inTime(
    "enter",
    connection,
    access.comeIn(connection, name, headers),
  );
  const protocol = header(answer, "protocol") ?? PROTOCOL;
  if (protocol === PROTOCOL && isUserName(answer.args[0] ?? "")) return answer;
  throw new Failure(
    EXIT.protocol,
    `Cannot talk to the server: it speaks ${protocol}, we speak ${PROTOCOL}`,
    { advice: "Use a client of the server's version." },
  );
}

/** Hangs up if the server takes too long for its answer. */
export async function inTime<T>(
  deed: string,
  connection: { close(reason: Failure): void },
  answer: Promise<T>,
): Promise<T> {
  const timer = setTimeout(
    () => connection.close(silent(deed)),
    CONNECT_TIMEOUT_MS,
  );
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}

/** A room we are in. */
export interface Joined {
  /** As the server has it, with `#`. */
  readonly name: string;
  /** What is newer is ours to hear; what is older we have, or never will. */
  since: number;
}

/**
 * Enters `rooms` again.
 *
 * @returns Those that let us in not any more, and why.
 * @throws {ChatError} 108 or 119 if the server cannot let us in just now: that
 * passes, and is no reason to leave the room.
 */
export async function rejoin(
  connection: Connection,
  rooms: readonly Joined[],
): Promise<Map<Joined, ChatError>> {
  const refused = new Map<Joined, ChatError>();
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

const PASSING: ReadonlySet<number> = new Set([108, 119]);

/** The most messages that a server gives for one HISTORY. */
const PAGE = 1_000;

/** Whoever can be asked: a line, or a connection. */
export interface Asked {
  /** Asks, and waits for the answer. */
  request(
    verb: RequestVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<Answer>;
}

/** Which messages of a room. */
export interface Part {
  /** At most so many, the newest of them. Default: what the server likes. */
  readonly most?: number;
  /** Only those with a greater id. */
  readonly after?: number;
  /** Only those with a smaller id. */
  readonly before?: number;
}

/**
 * Messages of a room, oldest first, asked for page by page, backwards. What
 * somebody says in that moment may be among them.
 */
export async function history(
  server: Asked,
  room: string,
  { most, after, before }: Part,
): Promise<Frame[]> {
  const pages: (readonly Frame[])[] = [];
  let wanted = most;
  for (let end = before;;) {
    const limit = wanted === undefined ? undefined : Math.min(wanted, PAGE);
    const headers = { Limit: limit, After: after, Before: end };
    const answer = await server.request("HISTORY", [room], headers);
    pages.unshift(answer.messages);
    const count = numberOf(answer, "count") ?? answer.messages.length;
    if (wanted === undefined || count < limit! || count === 0) break;
    wanted -= count;
    end = lowestId(answer.messages);
    if (wanted <= 0 || end === undefined) break;
  }
  return pages.flat();
}

/** Whether the server still has the message that we remember. */
export async function remembers(
  server: Asked,
  { room, id, at }: Landmark,
): Promise<boolean> {
  const part = { most: 1, after: id - 1, before: id + 1 };
  const [found] = await history(server, room, part);
  return found !== undefined && timeOf(found).getTime() === at;
}

function lowestId(messages: readonly Frame[]): number | undefined {
  const ids = messages.flatMap((frame) => numberOf(frame, "id") ?? []);
  return ids.length > 0 ? ids.reduce((a, b) => Math.min(a, b)) : undefined;
}

function silent(deed: string): Failure {
  const seconds = CONNECT_TIMEOUT_MS / 1_000;
  return new Failure(
    EXIT.protocol,
    `Cannot ${deed}: no answer within ${seconds} seconds`,
    {
      advice: "Is this the address and the port of a parley server?",
      passing: true,
    },
  );
}
