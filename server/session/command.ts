/**
 * What a command is: a row of the table in requests.ts; and what several
 * commands use.
 *
 * @module
 */
import { ChatError, type Frame } from "../../protocol.ts";
import { type RateKind, TURN_MS } from "../limits/rates.ts";
import type { Connection } from "../net/connection.ts";
import { nextTurn } from "../net/turns.ts";
import type { Context } from "./context.ts";
import type { Registered } from "./registered.ts";
import type { Session } from "./state.ts";

/** The cost of a command with a long answer, or much work. */
export const EXPENSIVE = 10;

/** What `run` gives: the answer, if it was not sent by `run` itself. */
export type Answer =
  | Uint8Array
  | undefined
  | Promise<Uint8Array | undefined>;

/** What all commands have. */
interface Row {
  /** How many words follow the verb. */
  readonly words: readonly [least: number, most: number];
  /** The rate against which it counts; default `requests`. */
  readonly kind?: RateKind;
  /** And how much; default 1. */
  readonly cost?: number;
  /** It keeps or ends a connection: the debt of an address does not refuse it. */
  readonly always?: true;
}

/** A command that needs no registration. */
export interface OpenCommand extends Row {
  readonly open: true;
  /** @throws {ChatError} The answer, if it cannot be done. */
  run(session: Session, context: Context, frame: Frame): Answer;
}

/** A command of a registered user. */
export interface UserCommand extends Row {
  readonly open?: false;
  /**
   * `run` only makes a draft, which is answered when all drafts are stored. All
   * other commands wait for that before they run.
   */
  readonly drafts?: true;
  /** @throws {ChatError} The answer, if it cannot be done. */
  run(user: Registered, context: Context, frame: Frame): Answer;
  /** The answer if `run` throws `error`; it may throw that again. */
  refused?(
    user: Registered,
    context: Context,
    refusal: { readonly frame: Frame; readonly error: ChatError },
  ): Uint8Array;
}

/** One command. */
export type Command = OpenCommand | UserCommand;

/**
 * Sends frames no faster than the client reads them, and not all in one turn,
 * until the connection ends.
 *
 * @returns How many were sent.
 */
export async function sendAnswers(
  connection: Connection,
  frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  const { outbox } = connection;
  let sent = 0;
  let turnAt = performance.now();
  for await (const frame of frames) {
    if (connection.ending !== undefined) break;
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
 * The value of a header that is there once; `name` is in lower case.
 *
 * @throws {ChatError} 105 if it is there twice: which one counts is unclear.
 */
export function single(frame: Frame, name: string): string | undefined {
  const [value, again] = frame.headers.filter(([key]) => key === name);
  if (again) throw malformed(name, "is there twice");
  return value?.[1];
}

/**
 * The value of a header that is a number; `name` is in lower case.
 *
 * @throws {ChatError} 105 if it is not a whole number, or there twice.
 */
export function number(frame: Frame, name: string): number | undefined {
  const value = single(frame, name);
  if (value === undefined) return undefined;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw malformed(name, "is not a whole number");
}

function malformed(name: string, why: string): ChatError {
  const shown = name[0]!.toUpperCase() + name.slice(1); // none is empty
  return new ChatError(105, `Cannot do that: ${shown} ${why}`);
}
