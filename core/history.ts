/**
 * Older messages of a room, asked for page by page.
 *
 * @module
 */
import type { Frame } from "../protocol.ts";
import { numberOf, timeOf } from "./frames.ts";
import type { Requester } from "./net/connection.ts";

/** The most messages that a server gives for one HISTORY. */
const PAGE = 1_000;

/** Which messages of a room. */
export interface HistoryRange {
  /** At most so many, the newest of them. Default: the server's default. */
  readonly most?: number;
  /** Only those with a greater id. */
  readonly after?: number;
  /** Only those with a smaller id. */
  readonly before?: number;
}

/** By what a message of a room is recognized. */
export interface Landmark {
  /** With `#`. */
  readonly room: string;
  /** Unlike all others, as long as the server does not count anew. */
  readonly id: number;
  /** When it was sent, in milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Messages of a room, oldest first; the pages are requested backwards. A message
 * that is sent meanwhile may be among them.
 */
export async function history(
  server: Requester,
  room: string,
  { most, after, before }: HistoryRange = {},
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

/** Whether the server still has the message `landmark`. */
export async function remembers(
  server: Requester,
  { room, id, at }: Landmark,
): Promise<boolean> {
  const range = { most: 1, after: id - 1, before: id + 1 };
  const [found] = await history(server, room, range);
  return found !== undefined && timeOf(found).getTime() === at;
}

function lowestId(messages: readonly Frame[]): number | undefined {
  const ids = messages.flatMap((frame) => numberOf(frame, "id") ?? []);
  return ids.length > 0 ? ids.reduce((a, b) => Math.min(a, b)) : undefined;
}
