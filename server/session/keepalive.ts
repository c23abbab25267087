/**
 * Those who are silent or do not read: they are pinged, and ended when they stay
 * so.
 *
 * Everybody is looked at once a second, but not all in the same moment: where
 * there are many, those who talk would wait for it, and for all who are ended in
 * that moment and come again in the next.
 *
 * @module
 */
import { ChatError, encode } from "../../protocol.ts";
import type { Context, Session } from "./context.ts";
import { refuse } from "./session.ts";

/** So many looks in a second see everybody once. */
const LOOKS = 10;

/** From one look to the next, in milliseconds. */
export const LOOK_EVERY_MS = 1_000 / LOOKS;

/** A look that comes so late was held up, and not by a peer; in milliseconds. */
const STOOD_STILL_MS = 5_000;

/** See the top of the file. */
export class Silence {
  readonly #context: Context;
  #lookedAt: number;
  #looks = 0;

  /** The first look is still to come. */
  constructor(context: Context) {
    this.#context = context;
    this.#lookedAt = context.now();
  }

  /** Sees to those whose turn it is; every {@linkcode LOOK_EVERY_MS}. */
  look(): void {
    const now = this.#context.now();
    const late = now - this.#lookedAt - LOOK_EVERY_MS;
    this.#lookedAt = now;
    if (late >= STOOD_STILL_MS) this.#forgetSilence();
    const share = this.#looks++ % LOOKS;
    for (const session of this.#context.sessions) {
      if (Math.floor(session.lookAt * LOOKS) === share) {
        checkPeer(session, this.#context);
      }
    }
  }

  /** Gives everybody all the time again: this program stood still. */
  #forgetSilence(): void {
    for (const session of this.#context.sessions) {
      session.openedAt = session.connection.heardAt = this.#lookedAt;
      session.progress.restart(this.#lookedAt);
    }
  }
}

function checkPeer(session: Session, context: Context): void {
  const { connection, user, classic, openedAt, inLine } = session;
  const { registerWithinMs, pingAfterMs, idleAfterMs } = context.settings;
  const now = context.now();
  const { outbox } = connection;
  const look = { maxBytes: context.settings.maxUnreadBytes, now };
  const took = session.progress.look(outbox, look);
  if (took instanceof ChatError) return refuseInTurn(session, context, took);
  // Who takes a long answer is there, though we do not read meanwhile.
  if (took && outbox.behind) connection.heardAt = now;
  const silence = now - connection.heardAt;
  if (!user) {
    if (inLine) return; // it waits for us
    if (classic?.user.user) return; // the course's protocol has no PING
    if (now - openedAt < (classic ? idleAfterMs : registerWithinMs)) return;
    refuseInTurn(session, context, idle("no registration", now - openedAt));
  } else if (silence >= idleAfterMs) {
    refuseInTurn(session, context, idle("no frame and no PONG", silence));
  } else if (silence >= pingAfterMs && session.pingedAt < connection.heardAt) {
    ping(session, context);
  } else if (now - session.pingedAt >= pingAfterMs) {
    // It is not silent, but only a PONG says what an account has received.
    if (hasUnconfirmed(session, context)) ping(session, context);
  }
}

/**
 * Says `error`, which ends it: like coming in, that takes its time, and many may
 * have to go in one moment. Those who talk do not wait for all of them.
 */
function refuseInTurn(
  session: Session,
  { admission }: Context,
  error: ChatError,
): void {
  const turn = admission.pass();
  if (turn) turn.then(() => refuse(session, error));
  else refuse(session, error);
}

function hasUnconfirmed(session: Session, { journal }: Context): boolean {
  const { account, pingedId, confirmedId } = session;
  return account !== undefined && pingedId === undefined &&
    journal.lastId > confirmedId;
}

function ping(session: Session, { journal, now }: Context): void {
  session.pingedAt = now();
  if (session.caughtUp) session.pingedId ??= journal.lastId;
  session.connection.outbox.answer(PING);
}

const PING = encode("PING");

function idle(what: string, forMs: number): ChatError {
  const seconds = Math.round(forMs / 1_000);
  return new ChatError(
    116,
    `Cannot keep the connection: ${what} for ${seconds} seconds`,
  );
}
