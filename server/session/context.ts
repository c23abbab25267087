/**
 * What all sessions of a server share: types only.
 *
 * @module
 */
import type { Accounts } from "../accounts/accounts.ts";
import type { Bans } from "../accounts/bans.ts";
import type { ResumableSessions } from "../accounts/resume_tokens.ts";
import type { Hub } from "../chat/hub.ts";
import type { Journal } from "../journal/journal.ts";
import type { Limits } from "../limits/limits.ts";
import type { Admission } from "../net/admission.ts";
import type { Clock } from "../net/clock.ts";
import type { KeepaliveSettings } from "./keepalive.ts";
import type { Session } from "./state.ts";
import type { TwoSocketUsers } from "./two_socket.ts";

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
