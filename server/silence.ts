/**
 * Those who are silent or do not read: they are pinged, and ended when they stay
 * so.
 *
 * @module
 */
import { ChatError, encode } from "../protocol.ts";
import type { Context, Session } from "./context.ts";
import { refuse } from "./session.ts";
import { nextTurn } from "./turns.ts";

/**
 * Pings who is silent, and ends who stays so or does not read; to be called once
 * a second, unless the last call still goes on: where there are many, those who
 * talk do not wait until everybody was looked at.
 */
export async function checkSilence(context: Context): Promise<void> {
  let looks = 0;
  for (const session of context.sessions) {
    checkPeer(session, context);
    if (++looks % LOOKS_IN_TURN === 0) await nextTurn();
  }
}

/** So many are looked at in one turn, which takes 0.2 ms. */
const LOOKS_IN_TURN = 100;

/** Gives everybody all the time again: it was this program that stood still. */
export function forgetSilence({ sessions, now }: Context): void {
  const at = now();
  for (const session of sessions) {
    session.openedAt = session.connection.heardAt = at;
    session.progress.restart(at);
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
  { turnstile }: Context,
  error: ChatError,
): void {
  const turn = turnstile.pass();
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
