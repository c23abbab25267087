/**
 * What commands work with: the session, the context that all sessions share, and
 * the form of a command itself. A session has a state, which is one of three.
 *
 *     New → Registered       REGISTER, SIGNUP, or LOGIN and PROVE
 *     New → TwoSocket        REGISTER TOSEND or REGISTER TORECV
 *
 * @module
 */
import {
  ChatError,
  encode,
  encodeError,
  ERRORS,
  type Frame,
  startLine,
} from "../../protocol.ts";
import type { Accounts, PendingLogin } from "../accounts/accounts.ts";
import type { Address, LimitedConnection, Limits } from "../limits/limits.ts";
import type { Pace } from "../limits/pacing.ts";
import type { Connection } from "../net/connection.ts";
import {
  Keepalive,
  type KeepaliveSettings,
  type Progress,
} from "./keepalive.ts";
import type { Registered, SessionParts } from "./sender.ts";
import type { Role, TwoSocketUser, TwoSocketUsers } from "./two_socket.ts";
import type { Bans } from "../accounts/bans.ts";
import type { ResumableSessions } from "../accounts/resume_tokens.ts";
import type { Hub } from "../chat/hub.ts";
import type { Journal } from "../journal/journal.ts";
import type { Admission } from "../net/admission.ts";
import { type Clock, nextTurn } from "../net/clock.ts";
import { type RateKind, TURN_MS } from "../limits/rates.ts";

/** A session that has no user. */
export interface New {
  readonly type: "new";
  /** A LOGIN that waits for its PROVE. */
  login?: PendingLogin | undefined;
  /** The name that the hub has reserved for it. */
  reserved?: string | undefined;
  /** Its last REGISTER was that of a two-socket client. */
  isTwoSocket?: boolean;
}

/** One of the two sockets of a user. */
export interface TwoSocket {
  readonly type: "two-socket";
  readonly user: TwoSocketUser;
  readonly role: Role;
}

/** What a session is. */
export type State = New | Registered | TwoSocket;

/** See the top of the file. */
export class Session implements SessionParts {
  readonly connection: Connection;
  readonly pace: Pace;
  /** What it shares with all connections of its address. */
  readonly address: Address;
  readonly keepalive: Keepalive;
  state: State = { type: "new" };
  /** Whether it counts as one of the connections that the limits allow. */
  admitted = false;

  /** A new one; `now` is in milliseconds that never jump. */
  constructor(
    connection: Connection,
    { address, pace }: LimitedConnection,
    now: number,
  ) {
    this.connection = connection;
    this.address = address;
    this.pace = pace;
    this.keepalive = new Keepalive(now);
  }

  /** The name of its user, who is registered or has one of two sockets. */
  get name(): string | undefined {
    return this.state.type === "new" ? undefined : this.state.user.name;
  }

  /** For {@linkcode Keepalive.check}. */
  get progress(): Progress {
    const { state } = this;
    if (state.type !== "two-socket") return state.type;
    return state.user.user ? "two-socket" : "completing";
  }

  /** Answers `frame`, if there is one, with `error`; ends if that closes. */
  refuse(error: ChatError, frame?: Frame): void {
    const { connection, state } = this;
    // Two-socket clients compare the whole frame, and know no headers.
    const bare = state.type === "two-socket" ||
      state.type === "new" && state.isTwoSocket;
    const answer = bare
      ? encode("ERROR", [`${error.code}`, ERRORS[error.code]])
      : encodeError(error, frame && startLine(frame));
    if (error.closes) connection.end(error, answer);
    else connection.outbox.answer(answer);
  }
}

/** What all sessions share. */
export interface Context extends Clock {
  /** Users and rooms. */
  readonly hub: Hub;
  /** Messages, which it hands on to the hub. */
  readonly journal: Journal;
  readonly resumables: ResumableSessions;
  readonly accounts: Accounts;
  readonly bans: Bans;
  /** Where connections that register wait for each other. */
  readonly admission: Admission;
  /** Users of the course's protocol. */
  readonly twoSocketUsers: TwoSocketUsers;
  readonly limits: Limits;
  /** The sessions of all open connections. */
  readonly sessions: Set<Session>;
  readonly settings: Settings;
  /** Writes a line of the server's log. */
  readonly log: (line: string) => void;
  /** The same for a line that could come many times a second. */
  readonly logThrottled: (line: string) => void;
}

/** What an operator, or a test, can set. */
export interface Settings extends KeepaliveSettings {
  /** The server's name and version, for REGISTERED. */
  readonly software: string;
  /** Longest body of a registered user, in bytes. */
  readonly maxBodyBytes: number;
  /** How many messages HISTORY gives without a Limit. */
  readonly history: number;
  /** Whether guests are refused. */
  readonly requireLogin: boolean;
}

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
  now: () => number,
  frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  const { outbox } = connection;
  let sent = 0;
  let turnAt = now();
  for await (const frame of frames) {
    if (connection.ending !== undefined) break;
    outbox.answer(frame);
    sent++;
    await outbox.belowLimit();
    if (now() - turnAt < TURN_MS) continue;
    await nextTurn();
    turnAt = now();
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
