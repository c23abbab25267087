/**
 * What commands are, and what several of them use.
 *
 * @module
 */
import { ChatError, type Frame } from "../../protocol.ts";
import type { Context, Session } from "./context.ts";
import type { User } from "../chat/user.ts";
import { type RateKind } from "../limits/rates.ts";
import { nextTurn, TURN_MS } from "../net/turns.ts";

/** The cost of what takes a long answer, or much work. */
export const DEAR = 10;

/** One thing that may be asked. */
export interface Command {
  /** How many words the start line has after the verb. */
  readonly words: readonly [least: number, most: number];
  /** May be asked before registration. */
  readonly open?: true;
  /** Against which rate it counts; default `requests`. */
  readonly kind?: RateKind;
  /** And how much; default 1. */
  readonly cost?: number;
  /**
   * Does it. What it returns is the answer, if that was not sent by `run`.
   *
   * @throws {ChatError} The answer, if it cannot be done.
   */
  run(
    session: Session,
    context: Context,
    frame: Frame,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** The user of a session that has passed the gate. */
export function userOf(session: Session): User {
  if (!session.user) throw new TypeError("Cannot pass the gate as nobody");
  return session.user;
}

/**
 * Sends frames no faster than they are read, and not all in one turn, until the
 * session is over.
 *
 * @returns How many were sent.
 */
export async function sendAnswers(
  session: Session,
  frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  const { outbox } = session.connection;
  let sent = 0;
  let turnAt = performance.now();
  for await (const frame of frames) {
    if (session.gone) break;
    outbox.answer(frame);
    sent++;
    await outbox.room();
    if (performance.now() - turnAt < TURN_MS) continue;
    await nextTurn();
    turnAt = performance.now();
  }
  return sent;
}

/**
 * The value of a header that there is once; `name` is in lower case.
 *
 * @throws {ChatError} 105 if it is there twice: nobody knows which one counts.
 */
export function single(frame: Frame, name: string): string | undefined {
  let found: string | undefined;
  for (const [key, value] of frame.headers) {
    if (key !== name) continue;
    if (found !== undefined) throw wrong(name, "is there twice");
    found = value;
  }
  return found;
}

/**
 * The value of a header that is a number; `name` is in lower case.
 *
 * @throws {ChatError} 105 if the header is there and not a whole number, or
 * there twice.
 */
export function number(frame: Frame, name: string): number | undefined {
  const value = single(frame, name);
  if (value === undefined) return undefined;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw wrong(name, "is not a whole number");
}

function wrong(name: string, why: string): ChatError {
  const shown = name[0]!.toUpperCase() + name.slice(1); // of "after" and such
  return new ChatError(105, `Cannot do that: ${shown} ${why}`);
}
