/**
 * Whether the client of each connection is there: it registers in time, it reads
 * what it is sent, and it breaks its silence with a frame or with a PONG.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import type { Context, Session } from "./session.ts";
import type { Registered } from "./sender.ts";

/** Number of checks in a second; each connection is in one of them. */
const CHECKS = 10;

/** From one check to the next, in milliseconds. */
export const CHECK_EVERY_MS = 1_000 / CHECKS;

/** A check that is so late was delayed by this computer, in milliseconds. */
const STOOD_STILL_MS = 5_000;

/**
 * A connection whose name another client asks for is sent PING if it has been
 * idle for longer than this, in milliseconds: it may be dead.
 */
export const ASK_AFTER_MS = 3_000;

/** If it stays idle for this time after that PING, it is disconnected. */
export const ASKED_FOR_MS = 15_000;

/**
 * Checks all connections once a second: idle clients are sent PING, and clients
 * that stay idle or stop reading are disconnected.
 *
 * The checks are spread over the second. With many connections one check of all
 * would delay the clients that chat, and all that are disconnected in one moment
 * would also reconnect in one.
 */
export class KeepaliveTimer {
  readonly #context: Context;
  #checkedAt: number;
  #checks = 0;

  /** For the sessions of `context`. */
  constructor(context: Context) {
    this.#context = context;
    this.#checkedAt = context.now();
  }

  /** Checks the connections of this moment; every {@linkcode CHECK_EVERY_MS}. */
  check(): void {
    const { admission, sessions } = this.#context;
    const now = this.#context.now();
    const late = now - this.#checkedAt - CHECK_EVERY_MS;
    this.#checkedAt = now;
    if (late >= STOOD_STILL_MS) {
      for (const session of sessions) session.restartTimes(now);
    }
    const moment = this.#checks++ % CHECKS;
    for (const session of sessions) {
      if (Math.floor(session.phase * CHECKS) !== moment) continue;
      const error = check(session, this.#context);
      if (!error) continue;
      // To refuse takes time, as to register does, and many may be due in one
      // moment: clients that chat do not wait for all of them.
      const turn = admission.pass(session.address.network);
      if (turn) turn.then(() => session.refuse(error));
      else session.refuse(error);
    }
  }
}

/** Sends PING if that is due. @returns Why the connection must end. */
function check(session: Session, context: Context): ChatError | undefined {
  const { connection, consumer, state } = session;
  const { maxUnreadBytes, registerWithinMs, idleAfterMs } = context.settings;
  const now = context.now();
  const { outbox } = connection;
  const took = consumer.check(outbox, { maxBytes: maxUnreadBytes, now });
  if (took instanceof ChatError) return took;
  // A client that takes a long answer is there, though nothing is read.
  if (took && outbox.behind) connection.idleSince = now;
  if (state.type === "registered") return checkIdle(state, context);
  // Two-socket clients have no PING.
  if (state.type === "two-socket" && state.user.user) return undefined;
  const limitMs = state.type === "new" ? registerWithinMs : idleAfterMs;
  const openMs = now - session.openedAt;
  return openMs < limitMs ? undefined : idle("no registration", openMs);
}

function checkIdle(
  registered: Registered,
  context: Context,
): ChatError | undefined {
  const { journal, now, settings: { pingAfterMs, idleAfterMs } } = context;
  const { pings, connection: { idleSince } } = registered;
  const { askedAt, pingedAt } = pings;
  const idleMs = now() - idleSince;
  const isDead = askedAt >= idleSince && now() - askedAt >= ASKED_FOR_MS;
  if (isDead || idleMs >= idleAfterMs) {
    return idle("no frame and no PONG", idleMs);
  }
  const pingedMs = now() - pingedAt;
  const isIdle = idleMs >= pingAfterMs && pingedMs > idleMs;
  // If it is not idle: only a PONG says what an account has received.
  const confirms = pingedMs >= pingAfterMs && registered.account &&
    pings.isUnconfirmed(journal.lastId);
  if (isIdle || confirms) pings.ping(context);
  return undefined;
}

function idle(what: string, forMs: number): ChatError {
  const seconds = Math.round(forMs / 1_000);
  return new ChatError(
    116,
    `Cannot keep the connection: ${what} for ${seconds} seconds`,
  );
}
