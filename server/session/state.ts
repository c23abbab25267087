/**
 * What one session knows: the parts that it always has, and its state, which is
 * one of three.
 *
 *     New → Registered       REGISTER, SIGNUP, or LOGIN and PROVE
 *     New → TwoSocket        REGISTER TOSEND or REGISTER TORECV
 *
 * @module
 */
import {
  type ChatError,
  encode,
  encodeError,
  ERRORS,
  type Frame,
  startLine,
} from "../../protocol.ts";
import type { PendingLogin } from "../accounts/accounts.ts";
import type { Address, LimitedConnection } from "../limits/limits.ts";
import type { Pace } from "../limits/pacing.ts";
import type { Connection } from "../net/connection.ts";
import { Keepalive, type Progress } from "./keepalive.ts";
import type { Registered, SessionParts } from "./registered.ts";
import type { Role, TwoSocketUser } from "./two_socket.ts";

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
