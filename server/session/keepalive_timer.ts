/**
 * Checks all connections once a second: idle clients are sent PING, and clients
 * that stay idle or stop reading are disconnected.
 *
 * The checks are spread over the second. With many connections one check of all
 * would delay the clients that chat, and all that are disconnected in one moment
 * would also reconnect in one.
 *
 * @module
 */
import { ChatError, encode } from "../../protocol.ts";
import type { Context } from "./context.ts";
import type { Session } from "./state.ts";

/** So many checks in a second see each connection once. */
const CHECKS = 10;

/** From one check to the next, in milliseconds. */
export const CHECK_EVERY_MS = 1_000 / CHECKS;

/** A check that is so late was delayed by this computer, in milliseconds. */
const STOOD_STILL_MS = 5_000;

/** See the top of the file. */
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
    const now = this.#context.now();
    const late = now - this.#checkedAt - CHECK_EVERY_MS;
    this.#checkedAt = now;
    if (late >= STOOD_STILL_MS) this.#restartAll(now);
    const moment = this.#checks++ % CHECKS;
    for (const session of this.#context.sessions) {
      if (Math.floor(session.keepalive.phase * CHECKS) === moment) {
        check(session, this.#context);
      }
    }
  }

  #restartAll(now: number): void {
    for (const { connection, keepalive } of this.#context.sessions) {
      connection.heardAt = now;
      keepalive.restart(now);
    }
  }
}

function check(session: Session, context: Context): void {
  const { connection, keepalive, state } = session;
  const todo = keepalive.check(connection, {
    progress: session.progress,
    settings: context.settings,
    now: context.now(),
  });
  if (todo instanceof ChatError) return refuseInTurn(session, context, todo);
  if (todo === undefined || state.type !== "registered") return;
  const { lastId } = context.journal;
  const confirms = state.account && keepalive.isUnconfirmed(lastId);
  if (todo === "confirm" && !confirms) return;
  keepalive.pinged(context.now(), state.caughtUp ? lastId : undefined);
  connection.outbox.answer(PING);
}

/**
 * Refuses with an error that closes. Like a registration that takes time, and
 * many may be due in one moment: clients that chat do not wait for all of them.
 */
function refuseInTurn(
  session: Session,
  { admission }: Context,
  error: ChatError,
): void {
  const turn = admission.pass();
  if (turn) turn.then(() => session.refuse(error));
  else session.refuse(error);
}

const PING = encode("PING");
