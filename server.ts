/**
 * The server: `deno run -A server.ts`.
 *
 * It listens, and serves each connection in a task of its own: an iterator of
 * frames in, an outbox out. What the frames mean is in `server/session.ts`, who
 * hears what in `server/hub.ts`, where messages come into being in
 * `server/backbone.ts`, and what the operator can type in `server/console.ts`.
 * This file connects those and stops them again.
 *
 * @module
 */
import { bold, setColorEnabled } from "@std/fmt/colors";
import config from "./deno.json" with { type: "json" };
import { DEFAULT_PORT, MAX_BODY_BYTES } from "./protocol.ts";
import { Accounts } from "./server/accounts.ts";
import { ageClock } from "./server/age_clock.ts";
import type { Deliver, Journal } from "./server/backbone.ts";
import { Bans } from "./server/bans.ts";
import { ACKNOWLEDGE_WITHIN_MS, Classics } from "./server/classic.ts";
import { Connection } from "./server/connection.ts";
import { Console } from "./server/console.ts";
import type { Context, Settings } from "./server/context.ts";
import {
  Database,
  DatabaseError,
  explained,
  IN_MEMORY,
} from "./server/database.ts";
import { type Keep, SqliteJournal } from "./server/embedded.ts";
import { Hub } from "./server/hub.ts";
import { type LimitOptions, Limits } from "./server/limits.ts";
import { MemoryJournal } from "./server/memory.ts";
import { MAX_OUTBOX_BYTES } from "./server/outbox.ts";
import {
  DEFAULT_HISTORY,
  DEFAULT_KEEP,
  DEFAULT_LOCKOUT_MS,
  EVERYWHERE,
  readOptions,
  USAGE,
} from "./server/options.ts";
import { MAX_UNREAD_BYTES } from "./server/progress.ts";
import { rarely } from "./server/rarely.ts";
import { logJoined } from "./server/requests.ts";
import { Screen } from "./server/screen.ts";
import { checkSilence, serve } from "./server/session.ts";
import { TaskGroup } from "./server/tasks.ts";
import { VisitTable } from "./server/visit_table.ts";
import { Visits } from "./server/visits.ts";

/** What {@linkcode startServer} may be told; everything has a default. */
export interface ServerOptions
  extends Partial<Omit<Settings, "software">>, LimitOptions {
  /** Address to listen on; default: every IPv4 address of this computer. */
  readonly hostname?: string;
  /** Port to listen on; 0 takes a free one. Default 9898. */
  readonly port?: number;
  /** The database file; default: none, everything ends with the server. */
  readonly db?: string;
  /** How much of what is said a file keeps; default: a million, 30 days. */
  readonly keep?: Keep;
  /**
   * How long wrong passwords lock an account, in milliseconds; Infinity until
   * the operator lifts it. Default 15 minutes.
   */
  readonly lockoutMs?: number;
  /** A classic receiver has so long to acknowledge, in milliseconds. */
  readonly acknowledgeWithinMs?: number;
  /**
   * Unread bytes after which a peer is given up at once; default: eight times
   * `maxUnreadBytes`, and 8 MiB at least.
   */
  readonly maxOutboxBytes?: number;
  /** Gets the lines of the log; default: they are printed, with the time. */
  readonly log?: (line: string) => void;
}

/** A running server. Dispose to stop it. */
export interface Server extends AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  /** What its operator can do. */
  readonly console: Console;
}

const SOFTWARE = `parley ${config.version}`;

/** A burst of so many connections is accepted without a wait. */
const BACKLOG = 4_096;

/** How often silence is looked for, and crowded rooms are told who came. */
const TICK_MS = 1_000;

/** What clients are told to wait before they come again. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Starts listening, and returns as soon as connections are accepted.
 *
 * @throws {Deno.errors.AddrInUse} And whatever else `Deno.listen` throws.
 * @throws {DatabaseError} If the file cannot be used.
 */
export function startServer(options: ServerOptions = {}): Server {
  const { hostname = EVERYWHERE, port = DEFAULT_PORT, db = IN_MEMORY } =
    options;
  using opened = new DisposableStack(); // to be closed if the rest fails
  const listener = opened.use(
    Deno.listen({ hostname, port, tcpBacklog: BACKLOG }),
  );
  const log = options.log ?? printer();
  const database = opened.use(new Database(db, { log }));
  const context = contextOf(options, { database, log });
  const stopping = new AbortController();
  let tickAt = context.now();
  const tick = setInterval(() => {
    const now = context.now();
    checkSilence(context, now - tickAt - TICK_MS);
    tickAt = now;
    context.hub.tellGathered();
    context.visits.forgetOld(now);
    context.limits.tidy(now);
    context.journal.tidy();
  }, TICK_MS);
  const done = acceptAll(listener, context, options, stopping.signal);
  opened.move();
  return {
    port: listener.addr.port,
    console: new Console(context),
    async [Symbol.asyncDispose]() {
      clearInterval(tick);
      stopping.abort();
      listener.close();
      context.hub.close(RETRY_AFTER_SECONDS);
      for (const { connection } of context.sessions) {
        connection.end("server closing");
      }
      await done;
      database.close();
    },
  };
}

/** @throws {DatabaseError} If what is in the database cannot be read. */
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
  const accounts = new Accounts(database, { lockoutMs });
  const bans = new Bans(database);
  const hub = new Hub(
    (name) => accounts.named(name)?.name,
    (value) => bans.refusal({ kind: "name", value }),
  );
  const journal = createJournal(options, { database, hub });
  const now = () => performance.now();
  const { acknowledgeWithinMs = ACKNOWLEDGE_WITHIN_MS } = options;
  const classics = new Classics({
    hub,
    journal,
    acknowledgeWithinMs,
    entered: (user) => {
      for (const room of user.rooms.keys()) logJoined(user, room.name, { log });
    },
  });
  return {
    hub,
    journal,
    accounts,
    bans,
    classics,
    log,
    visits: isStored(options)
      ? new Visits({ store: new VisitTable(database), now: now() })
      : new Visits(),
    limits: new Limits(options),
    sessions: new Set(),
    now,
    logRarely: rarely(log, now),
    settings: {
      software: SOFTWARE,
      maxUnreadBytes: options.maxUnreadBytes ?? MAX_UNREAD_BYTES,
      maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
      history: options.history ?? DEFAULT_HISTORY,
      requireLogin: options.requireLogin ?? false,
      registerWithinMs: options.registerWithinMs ?? 10_000,
      pingAfterMs: options.pingAfterMs ?? 30_000,
      idleAfterMs: options.idleAfterMs ?? 90_000,
    },
  };
}

function createJournal(
  options: ServerOptions,
  { database, hub }: { database: Database; hub: Hub },
): Journal {
  const deliver: Deliver = (run, bytes) => hub.deliver(run, bytes);
  if (!isStored(options)) return new MemoryJournal(deliver);
  const { keep = DEFAULT_KEEP } = options;
  return new SqliteJournal(database, deliver, { ...keep, ageNow: ageClock() });
}

/** Whether what is said outlives the server. */
function isStored({ db = IN_MEMORY }: ServerOptions): boolean {
  return db !== IN_MEMORY;
}

/** Prints the lines of a log. */
function printer(): (line: string) => void {
  const screen = new Screen();
  return (line) => screen.log(line);
}

/** Serves until `signal` aborts, and returns when every session has ended. */
async function acceptAll(
  listener: Deno.TcpListener,
  context: Context,
  { maxOutboxBytes = outboxBytes(context.settings) }: ServerOptions,
  signal: AbortSignal,
): Promise<void> {
  const sessions = new TaskGroup((bug) => {
    console.error("A session failed:", bug);
  });
  const log = rarely(console.error, context.now);
  for await (const conn of accepted(listener, log, signal)) {
    if (signal.aborted || !sendsAtOnce(conn)) {
      conn.close();
      continue;
    }
    const connection = new Connection(conn, {
      remote: addressOf(conn.remoteAddr),
      now: context.now(),
      maxOutboxBytes,
    });
    sessions.add(serve(connection, context));
  }
  await sessions.idle();
}

/** What is more than that no reader is waited for to take. */
function outboxBytes({ maxUnreadBytes }: Settings): number {
  return Math.max(MAX_OUTBOX_BYTES, 8 * maxUnreadBytes);
}

/** Turns Nagle's algorithm off: what is to be joined, the outbox joins. */
function sendsAtOnce(conn: Deno.TcpConn): boolean {
  try {
    conn.setNoDelay();
    return true;
  } catch {
    return false; // it was gone before we looked, to which some systems object
  }
}

const ACCEPT_RETRY_MS = 1_000;

/** Accepts until `signal` aborts. To be out of descriptors is no reason to end. */
async function* accepted(
  listener: Deno.TcpListener,
  log: (line: string) => void,
  signal: AbortSignal,
): AsyncGenerator<Deno.TcpConn, void, void> {
  while (!signal.aborted) {
    try {
      yield await listener.accept();
    } catch (error) {
      if (signal.aborted) return; // closed by us: `accept` was interrupted
      if (isGoneBefore(error)) continue;
      // The cast: it throws nothing else.
      log(`Cannot accept a connection: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
    }
  }
}

/** Whether somebody hung up before we accepted: then nobody has to wait. */
function isGoneBefore(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset;
}

/** An address as it is shown: an IPv4 peer of an IPv6 socket is just IPv4. */
function addressOf({ hostname, port }: Deno.NetAddr): string {
  const host = hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Runs the server until it is stopped; returns the exit code. */
async function main(args: string[]): Promise<number> {
  try {
    return await obey(args);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    console.error(`Cannot run: ${error.message}`);
    return 2;
  }
}

/** Does what the command line says; returns the exit code. */
async function obey(args: string[]): Promise<number> {
  setColorEnabled(Deno.stdout.isTerminal()); // and never if NO_COLOR is set
  const options = readOptions(args);
  if (typeof options === "string") {
    console.error(options);
    return 2;
  }
  if (options.help) console.log(USAGE);
  else if (options.version) console.log(SOFTWARE);
  else return await run(options);
  return 0;
}

async function run(options: ServerOptions): Promise<number> {
  const { promise: stopped, resolve: stop, reject } = Promise
    .withResolvers<void>();
  const signals = onSignals(stop);
  using screen = new Screen();
  let server: Server;
  try {
    server = startServer({ ...options, log: (line) => screen.log(line) });
  } catch (error) {
    console.error(
      error instanceof DatabaseError
        ? error.message
        : cannotListen(options, error as Error), // it throws no other
    );
    return 2;
  }
  screen.print(greeting(server.port, options));
  operate(server, screen, stop).catch(reject);
  await Promise.race([stopped, server.console.stopped]);
  signals[Symbol.dispose](); // from now on, they end us at once
  screen[Symbol.dispose]();
  screen.print("Closing");
  await server[Symbol.asyncDispose]();
  return 0;
}

/** Does what the operator types, line by line, as long as there is any. */
async function operate(
  { console: desk }: Server,
  screen: Screen,
  interrupt: () => void,
): Promise<void> {
  const editing = {
    hint: "help shows what can be typed here",
    complete: (line: string) => desk.complete(line),
    interrupt,
  };
  for await (const line of screen.lines(editing)) {
    try {
      screen.print(await desk.run(line));
    } catch (bug) {
      console.error("A command failed:", bug);
    }
  }
}

function cannotListen(
  { hostname, port }: ServerOptions,
  error: Error,
): string {
  const what = `Cannot listen on ${hostname} port ${port}`;
  if (error instanceof Deno.errors.AddrInUse) {
    return `${what}: another program does, perhaps a server you forgot; stop it, or choose another port with --port`;
  }
  return `${what}: ${error.message}`;
}

/** What people need to type, a line for each address they can reach us at. */
function greeting(
  port: number,
  { hostname = EVERYWHERE, db = IN_MEMORY }: ServerOptions,
): string {
  const everywhere = [EVERYWHERE, "::"].includes(hostname);
  const addresses = everywhere
    ? Deno.networkInterfaces()
      .filter(({ family }) => family === "IPv4")
      .map(({ address }) => address)
    : [hostname];
  const option = port === DEFAULT_PORT ? "" : ` --port ${port}`;
  const lines = addresses.map((address) =>
    bold(`  deno run -A client.ts NAME ${address}${option}`)
  );
  return `${SOFTWARE} listens on port ${port}. To come in, type:\n\n${
    lines.join("\n")
  }\n\n${whereKept(db)}\n`;
}

function whereKept(db: string): string {
  return db === IN_MEMORY
    ? "Everything is kept in memory, and ends with the server"
    : `Messages and accounts are kept in ${Deno.realPathSync(db)}`;
}

/** Calls `stop` on Ctrl-C, or when asked to terminate; disposed, they end us. */
function onSignals(stop: () => void): Disposable {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const name of signals) Deno.addSignalListener(name, stop);
  return {
    [Symbol.dispose]() {
      for (const name of signals) Deno.removeSignalListener(name, stop);
    },
  };
}

// Not just the exit code: a read of standard input would keep us from ending.
if (import.meta.main) Deno.exit(await main(Deno.args));
