/**
 * The server: `deno run -A server.ts`.
 *
 * It listens. Each connection is served in a task of its own, which
 * `server/reception.ts` starts: an iterator of frames in, an outbox out. What the
 * frames mean is in `server/session.ts`, who hears what in `server/hub.ts`, where
 * messages come into being in `server/backbone.ts`, and what the operator can
 * type in `server/console.ts`. This file connects those and stops them again.
 *
 * @module
 */
import { bold, setColorEnabled } from "@std/fmt/colors";
import config from "./deno.json" with { type: "json" };
import { DEFAULT_PORT, MAX_BODY_BYTES } from "./protocol.ts";
import { Accounts } from "./server/accounts.ts";
import type { Deliver, Journal } from "./server/backbone.ts";
import { Bans } from "./server/bans.ts";
import { ACKNOWLEDGE_WITHIN_MS, Classics } from "./server/classic.ts";
import type { Wire } from "./server/connection.ts";
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
import { MemoryJournal } from "./server/memory.ts";
import {
  DEFAULT_HISTORY,
  DEFAULT_KEEP,
  DEFAULT_LOCKOUT_MS,
  EVERYWHERE,
  readOptions,
  USAGE,
} from "./server/options.ts";
import { Reception } from "./server/reception.ts";
import { logJoined } from "./server/requests.ts";
import { Screen } from "./server/screen.ts";
import { checkSilence } from "./server/session.ts";
import { VisitTable } from "./server/visit_table.ts";
import { Visits } from "./server/visits.ts";

/** What {@linkcode startServer} may be told; everything has a default. */
export interface ServerOptions extends Partial<Omit<Settings, "software">> {
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
  /** Unread bytes after which a peer is given up. */
  readonly maxOutboxBytes?: number;
  /** Gets the lines of the log; default: they are printed, with the time. */
  readonly log?: (line: string) => void;
}

/** What the command line may say besides. */
interface RunOptions extends ServerOptions {
  /** Port to serve the page on, if it is to be served. */
  readonly webPort: number | undefined;
}

/** A running server. Dispose to stop it. */
export interface Server extends AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  /** What its operator can do. */
  readonly console: Console;
  /** Serves a peer that came another way, such as a WebSocket. */
  welcome(wire: Wire, from: Deno.NetAddr): void;
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
  const tick = setInterval(() => {
    for (const session of context.sessions) checkSilence(session, context);
    context.hub.tellGathered();
    context.visits.forgetOld(context.now());
    context.journal.tidy();
  }, TICK_MS);
  const { maxOutboxBytes } = options;
  const reception = new Reception(context, { maxOutboxBytes });
  reception.open(listener);
  opened.move();
  return {
    port: listener.addr.port,
    console: new Console(context),
    welcome: (wire, from) => reception.welcome(wire, from),
    async [Symbol.asyncDispose]() {
      clearInterval(tick);
      reception.close();
      context.hub.close(RETRY_AFTER_SECONDS);
      for (const { connection } of context.sessions) {
        connection.end("server closing");
      }
      await reception[Symbol.asyncDispose]();
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
    sessions: new Set(),
    now,
    settings: {
      software: SOFTWARE,
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
  return new SqliteJournal(database, deliver, options.keep ?? DEFAULT_KEEP);
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

/** Runs the server until it is stopped; returns the exit code. */
async function main(args: string[]): Promise<number> {
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

async function run(options: RunOptions): Promise<number> {
  const { promise: stopped, resolve: stop, reject } = Promise
    .withResolvers<void>();
  const signals = onSignals(stop);
  using screen = new Screen();
  const server = start(options, screen);
  if (!server) return 2;
  screen.print(greeting(server.port, options));
  const web = await startPage(server, options);
  if (typeof web === "string") {
    console.error(web);
    await server[Symbol.asyncDispose]();
    return 2;
  }
  if (web) screen.print(web.invitation);
  operate(server, screen, stop).catch(reject);
  await Promise.race([stopped, server.console.stopped]);
  signals[Symbol.dispose](); // from now on, they end us at once
  screen[Symbol.dispose]();
  screen.print("Closing");
  await Promise.all([
    web?.[Symbol.asyncDispose](),
    server[Symbol.asyncDispose](),
  ]);
  return 0;
}

/** Starts the server; undefined if it cannot, which is told. */
function start(options: ServerOptions, screen: Screen): Server | undefined {
  try {
    return startServer({ ...options, log: (line) => screen.log(line) });
  } catch (error) {
    console.error(
      error instanceof DatabaseError
        ? error.message
        : cannotListen(options, error as Error), // it throws no other
    );
    return undefined;
  }
}

/**
 * Serves the page, if that is wanted. Nothing of it is loaded otherwise: it is
 * more than all the rest.
 *
 * @returns A text says why it cannot.
 */
async function startPage(
  { welcome }: Server,
  { hostname = EVERYWHERE, webPort }: RunOptions,
): Promise<AsyncDisposable & { invitation: string } | string | undefined> {
  if (webPort === undefined) return undefined;
  const [{ startWeb }, { invitation }] = await Promise.all([
    import("./web/serve.ts"),
    import("./web/invite.ts"),
  ]);
  try {
    const web = await startWeb({
      hostname,
      port: webPort,
      welcome: (wire, { address }) => welcome(wire, address),
    });
    const text = invitation({
      port: web.port,
      addresses: addressesOf(hostname),
      secure: false,
      draws: Deno.stdout.isTerminal(),
    });
    return Object.assign(web, { invitation: text });
  } catch (error) {
    const where = { hostname, port: webPort, option: "--web-port" };
    return cannotListen(where, error as Error); // it throws no other
  }
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
  { hostname, port, option = "--port" }: ServerOptions & { option?: string },
  error: Error,
): string {
  const what = `Cannot listen on ${hostname} port ${port}`;
  const inUse = error instanceof Deno.errors.AddrInUse ||
    ("code" in error && error.code === "EADDRINUSE");
  if (!inUse) return `${what}: ${error.message}`;
  return `${what}: another program does, perhaps a server you forgot; stop it, or choose another port with ${option}`;
}

/** What people need to type, a line for each address they can reach us at. */
function greeting(
  port: number,
  { hostname = EVERYWHERE, db = IN_MEMORY }: ServerOptions,
): string {
  const option = port === DEFAULT_PORT ? "" : ` --port ${port}`;
  const lines = addressesOf(hostname).map((address) =>
    bold(`  deno run -A client.ts NAME ${address}${option}`)
  );
  return `${SOFTWARE} listens on port ${port}. To come in, type:\n\n${
    lines.join("\n")
  }\n\n${whereKept(db)}\n`;
}

/** Under which addresses others reach what listens on `hostname`. */
function addressesOf(hostname: string): string[] {
  if (![EVERYWHERE, "::"].includes(hostname)) return [hostname];
  return Deno.networkInterfaces()
    .filter(({ family }) => family === "IPv4")
    .map(({ address }) => address);
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
