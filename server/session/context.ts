/**
 * What sessions share, and what each one knows: types only.
 *
 * @module
 */
import type { Account, Accounts, PendingLogin } from "../accounts/accounts.ts";
import type { Draft } from "../chat/batch.ts";
import type { Journal } from "../journal/journal.ts";
import type { Bans } from "../accounts/bans.ts";
import type { Role, TwoSocketUser, TwoSocketUsers } from "./two_socket.ts";
import type { Clock } from "../net/clock.ts";
import type { Connection } from "../net/connection.ts";
import type { Hub } from "../chat/hub.ts";
import type { User } from "../chat/user.ts";
import type { Debt, Limits, Pace } from "../limits/limits.ts";
import type { Progress } from "../net/slow_consumer.ts";
import type { Admission } from "../net/admission.ts";
import type {
  ResumableSession,
  ResumableSessions,
} from "../accounts/resume_tokens.ts";

/** What all sessions share, their clock among it. */
export interface Context extends Clock {
  /** Who is here. */
  readonly hub: Hub;
  /** Where messages come into being. */
  readonly journal: Journal;
  /** Who may take up where a connection broke. */
  readonly visits: ResumableSessions;
  /** Names that belong to somebody. */
  readonly accounts: Accounts;
  /** Who is let in no more. */
  readonly bans: Bans;
  /** Where those who come in wait for each other. */
  readonly admission: Admission;
  /** Users of the course's protocol. */
  readonly twoSocketUsers: TwoSocketUsers;
  /** How fast people may go, and how many there can be. */
  readonly limits: Limits;
  /** Every connection that is served. */
  readonly sessions: Set<Session>;
  /** What was set at the start. */
  readonly settings: Settings;
  /** Milliseconds that never jump. */
  readonly now: () => number;
  /** See {@linkcode Clock}. */
  readonly after: Clock["after"];
  /** Writes a line of the server's log. */
  readonly log: (line: string) => void;
  /** The same for what may come many times a second: only now and then. */
  readonly logThrottled: (line: string) => void;
}

/** What an operator, or a test, may set. */
export interface Settings {
  /** The server's name and version, for REGISTERED. */
  readonly software: string;
  /** A peer that takes little may have so much unread, in bytes. */
  readonly maxUnreadBytes: number;
  /** Longest body of a registered user, in bytes. */
  readonly maxBodyBytes: number;
  /** How many messages HISTORY gives if it is not asked for a number. */
  readonly history: number;
  /** Whether guests are kept out. */
  readonly requireLogin: boolean;
  /** A peer has so long to register, in milliseconds. */
  readonly registerWithinMs: number;
  /** After so much silence a peer is sent PING, in milliseconds. */
  readonly pingAfterMs: number;
  /** After so much silence a peer is given up, in milliseconds. */
  readonly idleAfterMs: number;
}

/** The state of one peer's visit. */
export interface Session {
  /** Its connection. */
  readonly connection: Connection;
  /** How fast it goes. */
  readonly pace: Pace;
  /** Whether it is one of the connections there may be. */
  counted: boolean;
  /**
   * When it began, by {@linkcode Context.now}; later by as much as it had to
   * wait for the {@linkcode Context.admission}.
   */
  openedAt: number;
  /** It waits there now. */
  inLine: boolean;
  /** When in each second it is looked at; at random from 0 to 1. */
  readonly lookAt: number;
  /** Who it is, after REGISTER; not for classic users. */
  user: User | undefined;
  /** Whose account it is used from, if it is no guest. */
  account: Account | undefined;
  /** A LOGIN that waits for its PROVE. */
  login: PendingLogin | undefined;
  /** The name under which it is about to enter, which the hub keeps for it. */
  reserved: string | undefined;
  /** What may be taken up again; whoever has a user has one. */
  visit: ResumableSession | undefined;
  /** What was missed is queued; from here on, messages come as they arise. */
  caughtUp: boolean;
  /** Which half of a classic user this is, if it is one. */
  classic: { user: TwoSocketUser; role: Role } | undefined;
  /** Errors go out without headers, as classic clients know them. */
  bare: boolean;
  /** Messages of this batch of frames that are still to be stored. */
  drafts: Draft[];
  /** The words of the last draft's head, unless that had a key. */
  draftedWords: readonly string[] | undefined;
  /** When it was last sent a PING. */
  pingedAt: number;
  /** The newest message it has if it answers the PING that is unanswered. */
  pingedId: number | undefined;
  /** The newest message of which it is sure that it has it. */
  confirmedId: number;
  /** What the peer takes of what it is sent. */
  readonly progress: Progress;
  /** Why its requests are refused, and until when, by {@linkcode Context.now}. */
  refusal: { readonly debt: Debt; readonly until: number } | undefined;
  /** Ends its pause, while it is made to wait. */
  wake: (() => void) | undefined;
  /** Since when it has kept the program busy, by {@linkcode Context.now}. */
  turnAt: number;
  /** It is over, and everybody who has to know was told. */
  gone: boolean;
}
