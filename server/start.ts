/**
 * Puts the parts of a server together, and stops them again.
 *
 * What frames mean is in server/session/serve.ts, who receives a message in
 * server/chat/hub.ts, where messages get their ids in server/journal/journal.ts,
 * how connections are accepted in server/net/acceptor.ts, and what the operator
 * can type in server/operator/console.ts.
 *
 * @module
 */
import { MAX_BODY_BYTES } from "../protocol.ts";
import { Accounts } from "./accounts/accounts.ts";
import type { Journal } from "./journal/journal.ts";
import { Bans } from "./accounts/bans.ts";
import { ACKNOWLEDGE_WITHIN_MS, TwoSocketUsers } from "./session/two_socket.ts";
import {
  CLOCK,
  type Clock,
  nextTurn,
  openTurns,
  throttledLog,
} from "./net/clock.ts";
import type { Transport, Wire } from "./net/connection.ts";
import type { Context, Settings } from "./session/session.ts";
import { Database } from "./journal/database.ts";
import { explained, IN_MEMORY } from "./journal/database_file.ts";
import type { Keep } from "./journal/retention.ts";
import { ageClock, SqliteJournal } from "./journal/sqlite_journal.ts";
import { Hub } from "./chat/hub.ts";
import { logJoined, type User } from "./chat/user.ts";
import { type LimitOptions, Limits } from "./limits/limits.ts";
import { MemoryJournal } from "./journal/memory_journal.ts";
import {
  DEFAULT_HISTORY,
  DEFAULT_KEEP,
  DEFAULT_LOCKOUT_MS,
  MAX_UNREAD_BYTES,
} from "./limits/rates.ts";
import { Acceptor, type TlsListener } from "./net/acceptor.ts";
import { MAX_OUTBOX_BYTES } from "./net/outbox.ts";
import { Screen } from "./operator/screen.ts";
import { Admission } from "./net/admission.ts";
import {
  ResumableSessions,
  ResumableSessionTable,
} from "./accounts/resume_tokens.ts";

/** Options of {@linkcode startServer}; everything has a default. */
export interface ServerOptions extends Partial<Settings>, LimitOptions {
  /** Where clients connect; the server closes it. */
  readonly tcp?: Deno.TcpListener | undefined;
  /** The same with TLS; see server/net/tls.ts. */
  readonly tls?: TlsListener | undefined;
  /** The database file; default: none, all is lost when the server stops. */
  readonly db?: string;
  /** How many messages a file keeps; default: a million, for 30 days. */
  readonly keep?: Keep;
  /**
   * How long wrong passwords lock an account, in milliseconds; Infinity until
   * the operator lifts it. Default 15 minutes.
   */
  readonly lockoutMs?: number;
  /** A two-socket client must acknowledge in this time, in milliseconds. */
  readonly acknowledgeWithinMs?: number;
  /**
   * Limit of unread bytes, over which a connection ends at once; default: eight
   * times `maxUnreadBytes`, and 8 MiB at least.
   */
  readonly maxOutboxBytes?: number;
  /** What rates, waits and last words are measured by; tests give their own. */
  readonly clock?: Clock;
  /** Gets the lines of the log; default: they are printed, with the time. */
  readonly log?: (line: string) => void;
}

/** A running server. Dispose to stop it. */
export interface Server extends AsyncDisposable {
  /** Where it listens; the port for TLS if there is no other. */
  readonly port: number;
  /** Where it listens for TLS, if it does. */
  readonly tlsPort: number | undefined;
  /** The database file; undefined if there is none. */
  readonly file: string | undefined;
  /** What the operator's commands work on. */
  readonly context: Context;
  /** Serves a client that connects in another way, such as a WebSocket. */
  welcome(wire: Wire, from: Deno.NetAddr, transport?: Transport): void;
}

/** How often crowded rooms are told of joins, and old messages are deleted. */
const TICK_MS = 1_000;

/** Time that clients are told to wait before they reconnect. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Serves all clients that connect, from now on.
 *
 * @throws {StartError} If the file cannot be used.
 */
export function startServer(options: ServerOptions = {}): Server {
  const { db = IN_MEMORY, tcp, tls, maxOutboxBytes } = options;
  using opened = new DisposableStack(); // to be closed if the rest fails
  opened.defer(() => tls?.close());
  opened.defer(() => tcp?.close());
  const log = options.log ?? printer();
  const database = opened.use(new Database(db, log));
  const context = contextOf(options, { database, log });
  const ticking = startTicking(context);
  const turns = openTurns();
  const sessions = loadSessions(context);
  setImmediate(() => context.accounts.prepare()); // before the first chat
  const acceptor = new Acceptor({
    serve: async (connection) => (await sessions).serve(connection, context),
    admit: () => context.admission.pass(),
    clock: context,
    maxOutboxBytes: maxOutboxBytes ?? outboxBytes(context.settings),
  });
  if (tcp) acceptor.open(tcp);
  if (tls) acceptor.open(tls, "TLS");
  opened.move();
  return {
    port: tcp?.addr.port ?? tls?.port ?? 0,
    tlsPort: tls?.port,
    file: isStored(options) ? db : undefined,
    context,
    welcome: (wire, from, transport) => acceptor.welcome(wire, from, transport),
    async [Symbol.asyncDispose]() {
      clearInterval(ticking);
      acceptor.close();
      clearInterval((await sessions).checking);
      context.hub.close(RETRY_AFTER_SECONDS);
      for (const { connection } of context.sessions) {
        connection.end("server closing");
      }
      await context.admission[Symbol.asyncDispose]();
      await acceptor[Symbol.asyncDispose]();
      (await turns)[Symbol.dispose]();
      database.close();
    },
  };
}

/** Tidies regularly, until it is cleared. */
function startTicking(context: Context) {
  return setInterval(() => {
    context.hub.tellGathered();
    context.resumables.forgetOld(context.now());
    context.limits.tidy(context.now());
    context.journal.tidy();
    context.accounts.prepare();
  }, TICK_MS);
}

/**
 * Loads what only sessions need, and checks them regularly until `checking` is
 * cleared. Clients that connect meanwhile wait; the operator does not.
 */
async function loadSessions(context: Context) {
  const { serve } = await import("./session/serve.ts");
  const { CHECK_EVERY_MS, KeepaliveTimer } = await import(
    "./session/lifecycle.ts"
  );
  const keepalive = new KeepaliveTimer(context);
  const checking = setInterval(() => keepalive.check(), CHECK_EVERY_MS);
  return { serve, checking };
}

/** @throws {StartError} If what is in the database cannot be read. */
function contextOf(
  options: ServerOptions,
  parts: { database: Database; log: (line: string) => void },
): Context {
  try {
    return createContext(options, parts);
  } catch (error) {
    throw explained(options.db ?? IN_MEMORY, error);
  }
}

function createContext(
  options: ServerOptions,
  { database, log }: { database: Database; log: (line: string) => void },
): Context {
  const { lockoutMs = DEFAULT_LOCKOUT_MS } = options;
  const accounts = new Accounts(database, lockoutMs);
  const bans = new Bans(database);
  const hub = new Hub({
    owned: (name) => accounts.named(name)?.name,
    refusal: (value) => bans.refusal({ kind: "name", value }),
  });
  const journal = createJournal(options, database);
  journal.connect(hub);
  const { clock = CLOCK } = options;
  const { now, after } = clock;
  const { acknowledgeWithinMs = ACKNOWLEDGE_WITHIN_MS } = options;
  const entered = (user: User) => {
    for (const room of user.rooms.keys()) logJoined(user, room.name, { log });
  };
  return {
    hub,
    journal,
    accounts,
    bans,
    twoSocketUsers: new TwoSocketUsers({
      hub,
      journal,
      acknowledgeWithinMs,
      after,
      entered,
    }),
    admission: new Admission(() => journal.lastId, clock),
    log,
    resumables: isStored(options)
      ? new ResumableSessions(new ResumableSessionTable(database), now())
      : new ResumableSessions(),
    limits: new Limits(options),
    sessions: new Set(),
    now,
    after,
    logThrottled: throttledLog(log, now),
    settings: { ...DEFAULT_SETTINGS, ...options },
  };
}

/** A room that wakes up must not end its readers: see slow_consumer.ts. */
function outboxBytes({ maxUnreadBytes }: Settings): number {
  return Math.max(MAX_OUTBOX_BYTES, 8 * maxUnreadBytes);
}

const DEFAULT_SETTINGS: Settings = {
  software: "parley",
  maxUnreadBytes: MAX_UNREAD_BYTES,
  maxBodyBytes: MAX_BODY_BYTES,
  history: DEFAULT_HISTORY,
  requireLogin: false,
  registerWithinMs: 10_000,
  pingAfterMs: 30_000,
  idleAfterMs: 90_000,
};

function createJournal(options: ServerOptions, database: Database): Journal {
  if (!isStored(options)) return new MemoryJournal();
  const { keep = DEFAULT_KEEP } = options;
  const ageNow = ageClock();
  return new SqliteJournal(database, { ...keep, ageNow, nextTurn });
}

/** Whether messages survive a restart. */
function isStored({ db = IN_MEMORY }: ServerOptions): boolean {
  return db !== IN_MEMORY;
}

/** Prints the lines of the log. */
function printer(): (line: string) => void {
  const screen = new Screen();
  return (line) => screen.log(line);
}
