/**
 * Answers to SENDs that fail; and long answers: what they cost, and how they share
 * the time of the server.
 *
 * A list of 10,000 rooms or a history of 20 MB takes the server milliseconds. So
 * they are made in turns, with all that takes much time: see server/net/turns.ts.
 *
 * @module
 */
import { ChatError, encodeError } from "../../protocol.ts";
import type { Draft } from "../chat/batch.ts";
import type { Pace } from "../limits/pacing.ts";
import type { RestTiming } from "../limits/timing.ts";
import type { Connection } from "../net/connection.ts";
import type { Turns } from "../net/turns.ts";

/**
 * So many bytes of answers count as one that the client sends: they cost less. The
 * longest HISTORY, 64 MB, is within the burst of a connection.
 */
const BYTES_AS_ONE = 2;

/**
 * With more unread bytes than these, a long answer waits: an address has 500
 * connections, and each that reads nothing holds one message of 64 KB.
 */
const UNREAD_BYTES = 32 * 1024;

/**
 * A client that waits for the rest of an answer gets a part of it in this time, in
 * milliseconds, whatever it owes: otherwise it takes the connection for dead.
 */
const MAX_PAUSE_MS = 1_000;

/** What a part of a search that finds nothing counts for, in bytes of answers. */
const SEARCHED_BYTES = 16 * 1024;

/** Queues the answer to a client's own request, and counts its bytes. */
export function giveAnswer(asker: Asker, bytes: Uint8Array): void {
  asker.connection.outbox.answer(bytes);
  count(asker, bytes.length);
}

function count({ connection, pace }: Asker, bytes: number): void {
  // Its last request came about now.
  pace.count("bytes", bytes / BYTES_AS_ONE, connection.idleSince);
}

/** Where answers go, and what they count for. */
interface Asker {
  readonly connection: Connection;
  readonly pace: Pace;
}

/** A user that asks: takes turns with those of other addresses. */
interface UserAsker extends Asker {
  readonly network: string;
}

/** What the answers of all clients share. */
interface Sharing extends Pick<RestTiming, "now" | "after"> {
  readonly turns: Turns;
}

/**
 * Sends frames no faster than the client reads them and its rates allow, and not
 * all in one turn, until the connection ends. An empty frame is a part of a search
 * that found nothing.
 *
 * @returns How many were sent.
 */
export async function sendAnswers(
  asker: UserAsker,
  { turns, ...timing }: Sharing,
  frames: AsyncIterable<Uint8Array>,
): Promise<number> {
  const { connection, network } = asker;
  const { outbox } = connection;
  let sent = 0;
  await turns.enter(network);
  try {
    if (connection.ending !== undefined) return sent;
    for await (const frame of frames) {
      if (connection.ending !== undefined) break;
      if (frame.length > 0) {
        giveAnswer(asker, frame);
        sent++;
      } else count(asker, SEARCHED_BYTES);
      const isUnread = outbox.isOver(UNREAD_BYTES);
      if (!isUnread && !turns.isOver) continue;
      turns.leave();
      await outbox.belowLimit(UNREAD_BYTES);
      if (isUnread) connection.idleSince = timing.now(); // it has read
      await slowDown(asker, timing);
      await turns.enter(network);
    }
  } finally {
    turns.leave();
  }
  return sent;
}

/** Waits within a long answer while the client or its address owes. */
async function slowDown(
  { connection, pace }: Asker,
  timing: Pick<RestTiming, "now" | "after">,
): Promise<void> {
  const at = timing.now();
  const debtMs = Math.max(pace.waitMs(at), pace.addressOwes(at).waitMs);
  if (debtMs === 0) return;
  connection.idleSince = at; // the server waits
  await pace.debts.pause(Math.min(debtMs, MAX_PAUSE_MS), timing);
}

/** Makes an answer that takes long, when it is its time. */
export async function makeAnswer(
  { network }: UserAsker,
  { turns }: Sharing,
  make: () => Uint8Array,
): Promise<Uint8Array> {
  await turns.enter(network);
  try {
    return make();
  } finally {
    turns.leave();
  }
}

/** A list with more lines is made once a second, and not for each request. */
export const LONG_LIST = 1_000;

/** Time for which a long list is sent again, in milliseconds. */
export const LIST_MS = 1_000;

/** A list that is sent again for a while, if it is long. */
export class LongList {
  #bytes: Uint8Array | undefined;
  #madeAt = -Infinity;

  /** The answer; `make` gives a new one, and how many lines it has. */
  at(
    now: number,
    make: () => { bytes: Uint8Array; lines: number },
  ): Uint8Array {
    if (this.#bytes && now - this.#madeAt < LIST_MS) return this.#bytes;
    const { bytes, lines } = make();
    this.#bytes = lines > LONG_LIST ? bytes : undefined;
    this.#madeAt = now;
    return bytes;
  }
}

/** The user of drafts that cannot be stored. */
interface Sender {
  readonly connection: Connection;
  /** See `Registered` in sender.ts. */
  repeated(to: string, key: string | undefined): Uint8Array | undefined;
}

/**
 * Answers drafts that cannot be stored, each with the reason; one that was stored
 * before and is repeated, with SENT.
 */
export function refuse(
  sender: Sender,
  drafts: readonly Draft[],
  error: ChatError,
): void {
  for (const { to, key } of drafts) {
    const sent = sentBefore(sender, to, key);
    const answer = sent ?? encodeError(error, `SEND ${to}`);
    sender.connection.outbox.answer(answer);
  }
}

function sentBefore(
  sender: Sender,
  to: string,
  key: string | undefined,
): Uint8Array | undefined {
  try {
    return sender.repeated(to, key);
  } catch (unreadable) { // the file may be damaged, too
    if (!(unreadable instanceof ChatError)) throw unreadable;
    return undefined;
  }
}
