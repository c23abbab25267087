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
import { Lazy } from "../core/lazy.ts";
import type { PortListener } from "../platform/listen.ts";
import { encode, MAX_BODY_BYTES } from "../protocol.ts";
import { IN_MEMORY } from "./journal/journal.ts";
import {
  CLOCK,
  type Clock,
  nextTurn,
  openTurns,
  throttledLog,
} from "./net/clock.ts";
import type { Transport, Wire } from "./net/connection.ts";
import { follow } from "./chat/devices/follow.ts";
import type { Alternates, Context, Settings } from "./session/session.ts";
import type { Database } from "./journal/database.ts";
import { Hub } from "./chat/hub.ts";
import { unlessNotStored } from "./chat/not_stored.ts";
import { onlyModerators } from "./chat/refusals.ts";
import { ROOM_LIMITS } from "./chat/room_shares.ts";
import type { ShareLimits } from "./chat/shares.ts";
import { type LimitOptions, Limits } from "./limits/limits.ts";
import { type StoredRate, storedRate } from "./limits/stored.ts";
import { MAX_JOURNAL_BYTES, MemoryJournal } from "./journal/memory_journal.ts";
import {
  DEFAULT_HISTORY,
  DEFAULT_RATES,
  hasShares,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  MAX_UNREAD_BYTES,
  rateOf,
} from "./limits/rates.ts";
import { LongList } from "./session/answers.ts";
import { LOG_LINES, LogLines } from "./session/log_lines.ts";
import { Acceptor, type TlsListener } from "./net/acceptor.ts";
import { MAX_OUTBOX_BYTES } from "./net/outbox.ts";
import { Admission } from "./net/admission.ts";
import { Turns } from "./net/turns.ts";
import { ResumableSessions, SESSION_LIMITS } from "./accounts/resume_tokens.ts";
import { type LazyParts, lazyParts } from "./lazy_parts.ts";
import type { Cluster } from "./join.ts";
import type { Storage } from "./storage.ts";
import { tlsLimits } from "./tls_limits.ts";

/** Options of {@linkcode startServer}; everything has a default. */
export interface ServerOptions extends Partial<Settings>, LimitOptions {
  /** Where clients connect; the server closes it. */
  readonly tcp?: PortListener | undefined;
  /** The same with TLS; see server/net/tls.ts. */
  readonly tls?: TlsListener | undefined;
  /** The file, which the server closes; default: all is lost when it stops. */
  readonly storage?: Storage | undefined;
  /** The other servers of the chat; default: there are none. */
  readonly cluster?: Cluster | undefined;
  /** How much is kept in memory without a file; default 64 MiB. */
  readonly keep?: { readonly bytes?: number | undefined };
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
  /** The other servers of the chat, if there are any. */
  readonly alternates?: Alternates | undefined;
  /** What rates, waits and last words are measured by; tests give their own. */
  readonly clock?: Clock;
  /** Gets the lines of the log; default: they are printed. */
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
  /**
   * Resolves when clients that connected are served.
   *
   * @throws {StartError} If the file cannot be read.
   */
  readonly ready: Promise<void>;
  /** What the operator's commands work on. */
  readonly context: Context;
  /** Copies the database to a new file; returns what the operator is told. */
  backup(to: string): Promise<string>;
  /** Serves a client that connects in another way, such as a WebSocket. */
  welcome(wire: Wire, from: Deno.NetAddr, transport?: Transport): void;
}

/** How often crowded rooms are told of joins, and old messages are deleted. */
const TICK_MS = 1_000;

/** Tables that are read before the first session, if they have rows, and the parts. */
const READ_AT_START = [
  ["accounts", "accounts"],
  ["bans", "bans"],
  ["mutes", "mutes"],
  ["moderators", "moderators"],
  ["private_rooms", "privateRooms"],
  ["room_settings", "roomSettings"],
  ["read_marks", "readMarks"],
  ["nicks", "nicks"],
] as const;

/** The answer to an operator who wants a copy without `--db`. */
const NOTHING_STORED =
  "Cannot back up: the server stores everything in memory. " +
  "Start it with --db FILE.";

/** Time that clients are told to wait before they reconnect. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Serves all clients that connect, from now on.
 *
 * @throws {StartError} If the file cannot be used.
 */
export function startServer(options: ServerOptions = {}): Server {
  const { storage, tcp, tls, log = console.log } = options;
  using opened = new DisposableStack(); // to be closed if the rest fails
  opened.defer(() => tls?.close());
  opened.defer(() => tcp?.close());
  if (storage) opened.use(storage);
  const memory = new Lazy(() => openInMemory(log));
  const database = async () => storage?.database ?? await memory.load();
  const { now } = options.clock ?? CLOCK;
  const { rates = DEFAULT_RATES } = options;
  const logRate = hasShares(rates) ? LOG_LINES : rateOf(Infinity);
  const logLines = new LogLines(log, now, logRate);
  let context: Context;
  try {
    context = createContext(options, { database, log, logLines });
  } catch (error) {
    throw storage ? storage.explained(error) : error;
  }
  const ticking = startTicking(context, { log, logLines });
  const telling = options.alternates?.onChange(() => tellAlternates(context));
  const turns = openTurns();
  const sessions = loadSessions(context, options);
  const ready = sessions.then(() => {});
  ready.catch(() => {}); // its caller is told
  const acceptor = openAcceptor(options, context, sessions);
  opened.move();
  return {
    port: tcp?.addr.port ?? tls?.port ?? 0,
    tlsPort: tls?.port,
    file: storage?.file,
    ready,
    context,
    backup: async (to) => await storage?.backup(to) ?? NOTHING_STORED,
    welcome: (wire, from, transport) => acceptor.welcome(wire, from, transport),
    async [Symbol.asyncDispose]() {
      clearInterval(ticking);
      telling?.[Symbol.dispose]();
      acceptor.close();
      const served = await sessions.catch(() => undefined);
      clearInterval(served?.checking);
      context.hub.close(RETRY_AFTER_SECONDS);
      for (const { connection } of context.sessions) {
        connection.end("server closing");
      }
      await context.admission[Symbol.asyncDispose]();
      context.turns[Symbol.dispose]();
      await context.floods?.[Symbol.asyncDispose]();
      await acceptor[Symbol.asyncDispose]();
      (await turns)[Symbol.dispose]();
      await options.cluster?.[Symbol.asyncDispose]();
      storage?.[Symbol.dispose]();
      memory.loaded?.close();
    },
  };
}

/** Serves what connects to the ports of the options when `sessions` are loaded. */
function openAcceptor(
  { tcp, tls, ...options }: ServerOptions,
  context: Context,
  sessions: ReturnType<typeof loadSessions>,
): Acceptor {
  const acceptor = new Acceptor({
    serve: async (connection) => {
      const served = await sessions.catch(() => undefined);
      if (served) await served.serve(connection, context);
      else await connection[Symbol.asyncDispose](); // `ready` says why
    },
    admit: (network) => context.admission.pass(network),
    maxWaitingPerAddress: options.maxConnectionsPerAddress ??
      MAX_CONNECTIONS_PER_ADDRESS,
    maxWaiting: options.maxConnections ?? MAX_CONNECTIONS,
    clock: context,
    // A room that wakes up must not end its readers: see slow_consumer.ts.
    maxOutboxBytes: options.maxOutboxBytes ??
      Math.max(MAX_OUTBOX_BYTES, 8 * context.settings.maxUnreadBytes),
  });
  if (tcp) acceptor.open(tcp);
  if (tls) {
    tls.limit(tlsLimits(context));
    acceptor.open(tls, "TLS");
  }
  return acceptor;
}

/** Tidies regularly, until it is cleared. */
function startTicking(
  context: Context,
  { log, logLines }: { log: (line: string) => void; logLines: LogLines },
) {
  return setInterval(() => {
    context.hub.presence.tellGathered();
    context.hub.shares.tidy();
    context.resumables.forgetOld(context.now());
    const used = context.limits.toBeTold(context.now());
    if (used.length > 0) tellUsedShares(used, log);
    context.limits.tidy(context.now());
    logLines.tidy();
    context.journal.tidy();
    context.accounts.loaded?.prepare();
  }, TICK_MS);
}

/** Tells all users of the other servers, with the whole list. */
function tellAlternates({ alternates, hub }: Context): void {
  const notice = encode("NOTICE", ["set"], { Alternate: alternates?.texts });
  for (const { peer } of hub.users()) peer.notify(notice);
}

/** All users of such an address are refused, and the operator can end that. */
async function tellUsedShares(
  used: ReturnType<Context["limits"]["toBeTold"]>,
  log: (line: string) => void,
): Promise<void> {
  const { timeText } = await import("../core/net/connection_error.ts");
  for (const { network, what, leftMs } of used) {
    log(
      `${network} has used up its share of ${what}. A part comes back in ` +
        `${timeText(leftMs)}. To give it all, type: unblock ${network}`,
    );
  }
}

/**
 * Loads what only sessions need, and checks them regularly until `checking` is
 * cleared. Clients that connect meanwhile wait; the operator does not. What was
 * stored in the tables of `READ_AT_START` is read before the first session.
 */
async function loadSessions(
  context: Context,
  { storage, cluster, maxConnections = MAX_CONNECTIONS, log = console.log }:
    ServerOptions,
) {
  const { serve } = await import("./session/serve.ts");
  const { CHECK_EVERY_MS, KeepaliveTimer } = await import(
    "./session/keepalive.ts"
  );
  try {
    for (const [table, part] of READ_AT_START) {
      // The log can have entries about what this server has none of yet.
      if (cluster || storage?.has(table)) await context[part].load();
    }
  } catch (error) {
    throw storage!.explained(error); // it has the tables
  }
  await cluster?.start(context, maxConnections);
  for (const name of await appoint(context)) {
    const { reservedWord } = await import("./chat/names/reserved_names.ts");
    const what = reservedWord(name) === undefined
      ? " yet: the user who creates it is a moderator"
      : ", and can have none: the name is reserved. Choose another name";
    log(`${name} has no account${what}`);
  }
  setImmediate(() => context.accounts.loaded?.prepare()); // before the first chat
  const keepalive = new KeepaliveTimer(context);
  const checking = setInterval(() => keepalive.check(), CHECK_EVERY_MS);
  return { serve, checking };
}

/** Makes those moderators that `--moderator` names; returns names without account. */
async function appoint(
  { accounts, moderators, settings }: Context,
): Promise<readonly string[]> {
  if (settings.moderators.length === 0) return [];
  await accounts.load();
  return await (await moderators.load()).appoint(settings.moderators);
}

async function openInMemory(log: (line: string) => void): Promise<Database> {
  const { Database } = await import("./journal/database.ts");
  return new Database(IN_MEMORY, log);
}

function createContext(
  options: ServerOptions,
  { database, log, logLines }: {
    database: () => Promise<Database>;
    log: (line: string) => void;
    logLines: LogLines;
  },
): Context {
  const { clock = CLOCK, rates = DEFAULT_RATES, storage } = options;
  const { now, after } = clock;
  const isLimited = hasShares(rates);
  const logLine = logLines.log.bind(logLines);
  const parts = lazyParts({
    ...{ clock, database, isLimited, log: logLine },
    ...{ entries: storage?.entries, context: () => context },
    ...{ lockoutMs: options.lockoutMs, cluster: options.cluster },
    acknowledgeWithinMs: options.acknowledgeWithinMs,
  });
  const hub = createHub(parts, logLine, options);
  const shared = storage?.shared;
  const journal = storage?.journal ??
    new MemoryJournal({ maxBytes: options.keep?.bytes });
  journal.connect(hub, hub.shares);
  const context: Context = {
    cluster: options.cluster,
    hub,
    journal,
    ...parts,
    admission: new Admission(() => journal.lastId, clock),
    log: logLine,
    resumables: new ResumableSessions(storage?.resumables, {
      ...shared && {
        server: shared.server,
        isUp: (server) => shared.isUp(server),
      },
      now: now(),
      limits: sharedIf(isLimited, SESSION_LIMITS),
      moved: (name, rooms) => follow(context, name, rooms),
      goesOn: (name) => {
        const user = hub.userNamed(name);
        if (user && !user.peer.devices) hub.elsewhere?.moves(user);
      },
    }),
    limits: new Limits({ ...options, stored: storedRateOf(options) }),
    floods: storage?.floods,
    turns: new Turns({ now, after: CLOCK.after }, nextTurn),
    roomList: new LongList(),
    alternates: options.alternates,
    sessions: new Set(),
    async moderate({ user: { name }, remote, pace }, line) {
      const { moderate } = await import("./operator/console.ts");
      const count = (bytes: number) => pace.countStored(1, bytes, now());
      return await moderate(context, { name, remote, log, count }, line);
    },
    now,
    after,
    logThrottled: throttledLog(log, now),
    settings: { ...DEFAULT_SETTINGS, ...options },
  };
  return context;
}

function createHub(
  { accounts, bans, mutes, moderators, roomSettings }: LazyParts,
  log: (line: string, remote: string) => void,
  { rates = DEFAULT_RATES, allBy = "all" }: ServerOptions,
): Hub {
  const isLimited = hasShares(rates);
  return new Hub({
    muting: {
      entered: (name, remote) => mutes.loaded?.entered(name, remote),
      reason: (name, remote) => mutes.loaded?.reason(name, remote),
      newcomer: (name) => {
        mutes.loaded?.newcomer(name);
        roomSettings.loaded?.newcomer(name);
      },
    },
    roomRules: {
      named: (name) => roomSettings.loaded?.of(name)?.room,
      isQuiet: (room) => roomSettings.loaded?.of(room)?.quiet ?? false,
      check: (user, room) => roomSettings.loaded?.check(user, room),
      checkAll: allBy === "all" ? undefined : ({ name, peer: { kind } }) => {
        const isFree = kind === "account" &&
          moderators.loaded?.isModerator(name);
        if (!isFree) throw onlyModerators();
      },
      ended: (room) =>
        void roomSettings.loaded?.end(room).catch(unlessNotStored),
    },
    owned: (name) => accounts.loaded?.named(name)?.name,
    similar: (name) => accounts.loaded?.similar(name),
    refusal: (value) => bans.loaded?.refusal({ kind: "name", value }),
    log,
    roomLimits: sharedIf(isLimited, ROOM_LIMITS),
    ...(isLimited ? {} : { changesAtOnce: Infinity }),
  });
}

/** Limits; without a share, which is one of the limits of an address. */
function sharedIf(isLimited: boolean, limits: ShareLimits): ShareLimits {
  return isLimited ? limits : { ...limits, perAddress: Infinity };
}

const DEFAULT_SETTINGS: Settings = {
  software: "parley",
  maxUnreadBytes: MAX_UNREAD_BYTES,
  maxBodyBytes: MAX_BODY_BYTES,
  history: DEFAULT_HISTORY,
  requireLogin: false,
  moderators: [],
  allBy: "all",
  registerWithinMs: 10_000,
  pingAfterMs: 30_000,
  idleAfterMs: 90_000,
};

/** How much one address may store; undefined without a limit. */
function storedRateOf(
  { keep, rates = DEFAULT_RATES, storage }: ServerOptions,
): StoredRate | undefined {
  if (!hasShares(rates)) return undefined;
  if (storage) return storedRate({ ...storage.keep, where: "file" });
  const { bytes = MAX_JOURNAL_BYTES } = keep ?? {};
  return storedRate({ bytes, messages: Infinity, where: "memory" });
}
