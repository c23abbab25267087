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
  isPrivateName,
  isRoomName,
  startLine,
} from "../../protocol.ts";
import type { Lazy } from "../../core/lazy.ts";
import type { OtherServer } from "../../core/net/alternates.ts";
import type { Accounts, PendingLogin } from "../accounts/accounts.ts";
import type { Address, LimitedConnection, Limits } from "../limits/limits.ts";
import type { Pace } from "../limits/pacing.ts";
import type { Connection } from "../net/connection.ts";
import { SlowConsumerDetector } from "../net/slow_consumer.ts";
import type { Registered } from "./sender.ts";
import type {
  Role,
  TwoSocketUser,
  TwoSocketUsers,
} from "./two_socket/users.ts";
import type { Bans } from "../accounts/bans.ts";
import type { Nicks } from "../accounts/names/nicks.ts";
import type { Moderators } from "../accounts/moderators.ts";
import type { Mutes } from "../accounts/mutes.ts";
import type { AllRoomSettings } from "../accounts/room_settings.ts";
import type { PrivateRooms } from "../accounts/private_rooms.ts";
import type { ResumableSessions } from "../accounts/resume_tokens.ts";
import type { Hub } from "../chat/hub.ts";
import { noSuchRoom } from "../chat/refusals.ts";
import type { Journal } from "../journal/journal.ts";
import type { Admission } from "../net/admission.ts";
import type { Clock } from "../net/clock.ts";
import type { Page } from "../net/http_answer.ts";
import type { Turns } from "../net/turns.ts";
import type { RateKind } from "../limits/rates.ts";
import type { LongList } from "./answers.ts";
import type { ReadMarks } from "./devices/read_marks.ts";
import type { Floods } from "../net/floods.ts";

/** A session that has no user. */
export interface New {
  readonly type: "new";
  /** A LOGIN that waits for its PROVE. */
  login?: PendingLogin | undefined;
  /** The name that the hub has reserved for it. */
  reserved?: string | undefined;
  /** Why it could not register or sign in, the last time. */
  refusal?: ChatError;
  /** Its last REGISTER was that of a two-socket client. */
  isTwoSocket?: boolean;
  /** The program of the client, as it says. */
  client?: string | undefined;
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
export class Session {
  readonly connection: Connection;
  readonly pace: Pace;
  /** What it shares with all connections of its address. */
  readonly address: Address;
  /** When in each second it is checked: from 0 to 1, at random. */
  readonly phase: number = Math.random();
  /** Finds out whether the client reads. */
  readonly consumer: SlowConsumerDetector;
  /** Since when it could register; Infinity while it waits for the server. */
  openedAt: number;
  state: State = { type: "new" };
  /** Whether it counts as one of the connections that the limits allow. */
  admitted = false;
  /** Gives its user's name up, on all servers of the chat. */
  claim: Disposable | undefined;

  /** A new one; `now` is in milliseconds that never jump. */
  constructor(
    connection: Connection,
    { address, pace }: LimitedConnection,
    now: number,
  ) {
    this.connection = connection;
    this.address = address;
    this.pace = pace;
    this.consumer = new SlowConsumerDetector(now);
    this.openedAt = now;
  }

  /** The name of its user, who is registered or has one of two sockets. */
  get name(): string | undefined {
    return this.state.type === "new" ? undefined : this.state.user.name;
  }

  /** Whether it goes over TLS: no third party can read it. */
  get isSecure(): boolean {
    return this.connection.transport === "TLS";
  }

  /** Whether its connection is over, or about to be. */
  get hasEnded(): boolean {
    return this.connection.ending !== undefined;
  }

  /** Waits for the server, which does not count as the client's time. */
  async wait(turn: Promise<void>, now: () => number): Promise<void> {
    const openMs = now() - this.openedAt;
    this.openedAt = Infinity;
    await turn;
    this.openedAt = now() - openMs;
  }

  /** Gives the client all its time again: the server itself stood still. */
  restartTimes(now: number): void {
    this.connection.idleSince = now;
    this.openedAt = Math.max(this.openedAt, now);
    this.consumer.restart(now);
  }

  /** Answers `frame`, if there is one, with `error`; ends if that closes. */
  refuse(error: ChatError, frame?: Frame): void {
    const { connection, pace, state } = this;
    if (state.type === "two-socket" && frame) { // which was taken for a message
      pace.count("requests", 1, connection.idleSince);
    }
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

/** A server that has one chat with others; see server/join.ts. */
export interface Together {
  /** The other servers that are there. */
  readonly others: ClusterState["others"];
  /** Those that serve users, by the log: also one that is not heard yet. */
  readonly open: readonly string[];
  /**
   * Resolves when this server knows all that any of them has stored before: who
   * comes from another server has left what was stored there.
   *
   * @throws {ChatError} 119 if the servers cannot agree now.
   * @throws {UndecidedError} The same, of a server that does not answer.
   */
  caughtUp(): Promise<void>;
  /**
   * Claims a name for a user of this server alone; one who owns it `takesOver`
   * from other servers, and one who has an account shares it with the other
   * devices. Dispose to give it up. `lost` is called when its owner
   * has signed in on another server.
   *
   * @throws {ChatError} 104 if another server has a user of that name, or of one
   * that looks like it; 119 if the servers cannot agree now.
   * @throws {UndecidedError} If that is not known.
   */
  claim(
    name: string,
    options: {
      readonly takesOver: boolean;
      readonly isShared?: boolean;
      lost(): void;
    },
  ): Promise<Disposable>;
  /**
   * Has a server disconnect a user or a network; resolves with the number of
   * connections, or with undefined if it does not answer.
   */
  kick(
    server: string,
    target: string,
    reason: string,
  ): Promise<number | undefined>;
  /**
   * Has a server ask the client that has a name whether it is there; a client of
   * `network` wants the name. If it is not there: in how many seconds the name is
   * free at latest.
   */
  askHolder(
    server: string,
    name: string,
    network: string,
  ): Promise<number | undefined>;
  /** For the operator. */
  state(): ClusterState;
}

/** How several servers of one chat are. */
export interface ClusterState {
  /** The name of this server. */
  readonly server: string;
  /** The version of NATS, and whether this server is connected to it. */
  readonly nats: string;
  readonly isConnected: boolean;
  /** Whether the others know this server. */
  readonly isOpen: boolean;
  /** Whether the log takes entries. */
  readonly takesEntries: boolean;
  /** How far this server has applied the log, and what of it is missing. */
  readonly sequence: number;
  readonly hash: string;
  readonly lag: number;
  /** Messages in the log that do not count. */
  readonly refused: number;
  /** Entries of this server since its start: see server/cluster/log/writer.ts. */
  readonly written: {
    readonly stored: number;
    readonly refused: number;
    readonly resent: number;
    readonly longestMs: number;
  };
  /** The log in NATS. */
  readonly stream: {
    readonly last: number;
    readonly leader: string | undefined;
    readonly replicas: ReadonlyMap<string, boolean>;
  };
  /** The other servers. */
  readonly others: readonly {
    readonly server: string;
    readonly sequence: number;
    readonly lag: number;
    /** Undefined if it is not known yet. */
    readonly agrees: boolean | undefined;
    readonly heardMs: number;
    readonly addresses: readonly string[];
  }[];
}

/** What all sessions share. */
export interface Context extends Clock {
  /** The other servers of the chat; undefined if this one is alone. */
  readonly cluster?: Together | undefined;
  /** Users and rooms. */
  readonly hub: Hub;
  /** Messages, which it hands on to the hub. */
  readonly journal: Journal;
  readonly resumables: ResumableSessions;
  /** Loaded if there are any, as are bans, mutes, moderators, and what is set of rooms. */
  readonly accounts: Lazy<Accounts>;
  readonly bans: Lazy<Bans>;
  readonly mutes: Lazy<Mutes>;
  readonly moderators: Lazy<Moderators>;
  readonly roomSettings: Lazy<AllRoomSettings>;
  readonly privateRooms: Lazy<PrivateRooms>;
  readonly nicks: Lazy<Nicks>;
  readonly readMarks: Lazy<ReadMarks>;
  /** Where connections that register wait for each other. */
  readonly admission: Admission;
  /** Users of the course's protocol. */
  readonly twoSocketUsers: Lazy<TwoSocketUsers>;
  readonly limits: Limits;
  /** Where floods wait to be stored; undefined without a file. */
  readonly floods: Floods | undefined;
  /** Where clients over their share of time wait, and what takes long. */
  readonly turns: Turns;
  /** The answer to ROOMS. */
  readonly roomList: LongList;
  /** The sessions of all open connections. */
  readonly sessions: Set<Session>;
  readonly settings: Settings;
  /**
   * Obeys a line that a moderator, who is known to be one, gives as a command of
   * the operator; returns the answer.
   *
   * @throws {ChatError} 122 if only the operator may do that.
   */
  moderate(by: Registered, line: string): Promise<string>;
  /** Undefined for a server alone. */
  readonly alternates?: Alternates | undefined;
  /** Where the web client is; set when it is served. */
  page?: Page;
  /** Writes a line of the log about the client at `remote`. */
  readonly log: (line: string, remote: string) => void;
  /** The same for a line that could come many times a second. */
  readonly logThrottled: (line: string) => void;
}

/** The other servers of the chat, of which clients are told. */
export interface Alternates {
  /** All of them, up to eight. */
  list(): readonly OtherServer[];
  /** The same as clients are told of them: a value of `Alternate` each. */
  readonly texts: readonly string[];
  /** Runs `changed` after a change, and not more often than clients are to be told. */
  onChange(changed: () => void): Disposable;
}

/** What an operator, or a test, can set. */
export interface Settings {
  /** The server's name and version, for REGISTERED. */
  readonly software: string;
  /** Longest body of a registered user, in bytes. */
  readonly maxBodyBytes: number;
  /** How many messages HISTORY gives without a Limit. */
  readonly history: number;
  /** Whether guests are refused. */
  readonly requireLogin: boolean;
  /** Names whose accounts are those of moderators, from their sign-up or the start. */
  readonly moderators: readonly string[];
  /** Who can send to `ALL`. */
  readonly allBy: "all" | "moderators";
  /** A client must register within this time, in milliseconds. */
  readonly registerWithinMs: number;
  /** An idle client is sent PING after this time, in milliseconds. */
  readonly pingAfterMs: number;
  /** An idle client is disconnected after this time, in milliseconds. */
  readonly idleAfterMs: number;
  /** Limit of unread bytes of a slow consumer. */
  readonly maxUnreadBytes: number;
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
  /** @throws {ChatError} The answer, if it cannot be done. */
  run(user: Registered, context: Context, frame: Frame): Answer;
}

/** One command. */
export type Command = OpenCommand | UserCommand;

/**
 * The value of a header that is there once; `name` is in lower case.
 *
 * @throws {ChatError} 105 if it is there twice: which one counts is unclear.
 */
export function single(frame: Frame, name: string): string | undefined {
  const [value, again] = frame.headers.filter(([key]) => key === name);
  if (again) throw malformed(`${capitalized(name)} is there twice`);
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
  throw malformed(`${capitalized(name)} is not a whole number`);
}

function capitalized(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1); // none is empty
}

/** The error for a request whose headers are wrong. */
export function malformed(why: string): ChatError {
  return new ChatError(105, `Cannot do that: ${why}`);
}

/** The error for a request with `count` words after its verb. */
export function wrongWords(
  verb: string,
  count: number,
  [least, most]: Row["words"],
): ChatError {
  const wanted = most === Infinity
    ? `at least ${least}`
    : least === most
    ? `${least}`
    : `${least} to ${most}`;
  return malformed(`${count} words after ${verb} instead of ${wanted}`);
}

/**
 * The name of a room as it is known, if the user may know it.
 *
 * @throws {ChatError} 109 for a private room of which the user is no member, and
 * alike if there is none.
 */
export function visible(
  { account }: Registered,
  { privateRooms }: Context,
  word: string,
  deed: string,
): string {
  if (!isRoomName(word) || !isPrivateName(word)) return word;
  const room = account && privateRooms.loaded?.find(word, account);
  if (!room) throw noSuchRoom(word, deed);
  return room.name;
}
