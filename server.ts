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
import { ageClock } from "./server/age_clock.ts";
import type { Deliver, Journal } from "./server/backbone.ts";
import { Bans } from "./server/bans.ts";
import type { Certificate } from "./server/certificate.ts";
import { ACKNOWLEDGE_WITHIN_MS, Classics } from "./server/classic.ts";
import type { Way, Wire } from "./server/connection.ts";
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
import {
  DEFAULT_HISTORY,
  DEFAULT_KEEP,
  DEFAULT_LOCKOUT_MS,
  DEFAULT_TLS_PORT,
  EVERYWHERE,
  type Options,
  readOptions,
  USAGE,
} from "./server/options.ts";
import { MAX_UNREAD_BYTES } from "./server/progress.ts";
import { rarely } from "./server/rarely.ts";
import {
  cannotListen,
  ListenError,
  listenTcp,
  Reception,
  type TlsListener,
} from "./server/reception.ts";
import { logJoined } from "./server/requests.ts";
import { Screen } from "./server/screen.ts";
import { checkSilence } from "./server/session.ts";
import { Turnstile } from "./server/turnstile.ts";
import { VisitTable } from "./server/visit_table.ts";
import { Visits } from "./server/visits.ts";

/** What {@linkcode startServer} may be told; everything has a default. */
export interface ServerOptions
  extends Partial<Omit<Settings, "software">>, LimitOptions {
  /** Address to listen on; default: every IPv4 address of this computer. */
  readonly hostname?: string;
  /** Port to listen on; 0 takes a free one. Default 9898. */
  readonly port?: number;
  /** Serves TLS too; becomes the server's to close. See server/tls.ts. */
  readonly tls?: TlsListener | undefined;
  /** Whether to serve TCP without TLS. Default: yes. */
  readonly plain?: boolean;
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
  /** Where it listens; the port for TLS if there is no other. */
  readonly port: number;
  /** Where it listens for TLS, if it does. */
  readonly tlsPort: number | undefined;
  /** What its operator can do. */
  readonly console: Console;
  /** Serves a peer that came another way, such as a WebSocket. */
  welcome(wire: Wire, from: Deno.NetAddr, way?: Way): void;
}

const SOFTWARE = `parley ${config.version}`;

/** How often silence is looked for, and crowded rooms are told who came. */
const TICK_MS = 1_000;

/** What clients are told to wait before they come again. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Starts listening, and returns as soon as connections are accepted.
 *
 * @throws {ListenError} If it cannot listen.
 * @throws {DatabaseError} If the file cannot be used.
 */
export function startServer(options: ServerOptions = {}): Server {
  const { db = IN_MEMORY, tls, maxOutboxBytes } = options;
  using opened = new DisposableStack(); // to be closed if the rest fails
  opened.defer(() => tls?.close());
  const tcp = listenWithoutTls(options);
  opened.defer(() => tcp?.close());
  const log = options.log ?? printer();
  const database = opened.use(new Database(db, { log }));
  const context = contextOf(options, { database, log });
  let tickAt = context.now();
  const tick = setInterval(() => {
    const now = context.now();
    checkSilence(context, now - tickAt - TICK_MS);
    tickAt = now;
    context.hub.tellGathered();
    context.visits.forgetOld(now);
    context.limits.tidy(now);
    context.journal.tidy();
    context.accounts.prepare();
  }, TICK_MS);
  setImmediate(() => context.accounts.prepare()); // before anybody talks
  const reception = new Reception(context, { maxOutboxBytes });
  if (tcp) reception.open(tcp);
  if (tls) reception.open(tls, "TLS");
  opened.move();
  return {
    port: tcp?.addr.port ?? tls?.port ?? 0,
    tlsPort: tls?.port,
    console: new Console(context),
    welcome: (wire, from, way) => reception.welcome(wire, from, way),
    async [Symbol.asyncDispose]() {
      clearInterval(tick);
      reception.close();
      context.hub.close(RETRY_AFTER_SECONDS);
      for (const { connection } of context.sessions) {
        connection.end("server closing");
      }
      await context.turnstile[Symbol.asyncDispose]();
      await reception[Symbol.asyncDispose]();
      database.close();
    },
  };
}

/** @throws {ListenError} If it should, and cannot. */
function listenWithoutTls(
  { hostname = EVERYWHERE, port = DEFAULT_PORT, plain = true }: ServerOptions,
): Deno.TcpListener | undefined {
  if (!plain) return undefined;
  return listenTcp({ hostname, port, option: "--port" });
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
    turnstile: new Turnstile({ lastId: () => journal.lastId, now }),
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

async function run(options: Options): Promise<number> {
  const { promise: stopped, resolve: stop, reject } = Promise
    .withResolvers<void>();
  const signals = onSignals(stop);
  using screen = new Screen();
  await using opened = new AsyncDisposableStack();
  let server: Server;
  try {
    const tls = await openTls(options);
    const log = (line: string) => screen.log(line);
    server = opened.use(startServer({ ...options, tls, log }));
    screen.print(greeting(server, options, tls));
    await openPage(opened, { server, options, tls, screen });
  } catch (error) {
    const known = error instanceof DatabaseError ||
      error instanceof ListenError;
    if (!known) throw error;
    console.error(error.message);
    return 2;
  }
  operate(server, screen, stop).catch(reject);
  await Promise.race([stopped, server.console.stopped]);
  signals[Symbol.dispose](); // from now on, they end us at once
  screen[Symbol.dispose]();
  screen.print("Closing");
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

/** A listener for TLS, and the certificate it shows. */
type Tls = TlsListener & Certificate;

/**
 * Listens for TLS, if that is wanted; nobody else loads what it needs.
 *
 * @throws {ListenError} If that is not possible, and why.
 */
async function openTls(
  { tls, hostname, db }: Options,
): Promise<Tls | undefined> {
  if (!tls) return undefined;
  const { certificateFor } = await import("./server/certificate.ts");
  const { listenTls } = await import("./server/tls.ts");
  const certificate = await certificateFor({ files: tls.files, db });
  const listener = listenTls({ ...certificate, hostname, port: tls.port });
  return { ...certificate, ...listener };
}

/**
 * Serves the page, if that is wanted, and says where; it ends with `opened`.
 * Nobody else loads what it needs, which is more than all the rest.
 *
 * @throws {ListenError} If that is not possible, and why.
 */
async function openPage(
  opened: AsyncDisposableStack,
  { server, options: { hostname, webPort }, tls, screen }: {
    server: Server;
    options: Options;
    tls: Tls | undefined;
    screen: Screen;
  },
): Promise<void> {
  if (webPort === undefined) return;
  const { startWeb } = await import("./web/serve.ts");
  const { invitation } = await import("./web/invite.ts");
  const way = tls ? "TLS" : "TCP";
  const web = await startWeb({
    hostname,
    port: webPort,
    ...(tls ? { tls } : {}),
    welcome: (wire, { address }) => server.welcome(wire, address, way),
  }).catch((error: unknown) => {
    throw cannotListen(
      { hostname, port: webPort, option: "--web-port" },
      error,
    );
  });
  opened.use(web);
  screen.print(invitation({
    port: web.port,
    addresses: addressesOf(hostname),
    secure: tls !== undefined,
    draws: Deno.stdout.isTerminal(),
  }));
}

/** What people need to type, a line for each address they can reach us at. */
function greeting(
  { port, tlsPort }: Server,
  { hostname, db, plain }: Options,
  tls: Tls | undefined,
): string {
  const option = tls
    ? ` --tls${portOption(tlsPort, DEFAULT_TLS_PORT)}`
    : portOption(port, DEFAULT_PORT);
  const lines = addressesOf(hostname).map((address) =>
    bold(`  deno run -A client.ts NAME ${address}${option}`)
  );
  const ways = [
    ...(plain ? [`on port ${port}`] : []),
    ...(tls ? [`with TLS on port ${tlsPort}`] : []),
  ];
  return `${SOFTWARE} listens ${ways.join(", and ")}. To come in, type:\n\n${
    lines.join("\n")
  }\n\n${tls ? aboutTls(tls, plain) : ""}${whereKept(db)}\n`;
}

function portOption(port: number | undefined, normal: number): string {
  return port === normal ? "" : ` --port ${port}`;
}

function aboutTls({ fingerprint, note }: Tls, plain: boolean): string {
  const warning = "Without --tls anybody on the network between can read along";
  return `${
    plain ? `${warning}\n` : ""
  }The certificate's SHA-256 fingerprint, which clients show:\n\n${
    bold(`  ${fingerprint}`)
  }\n\n${note}\n`;
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
