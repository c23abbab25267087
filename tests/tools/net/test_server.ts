/**
 * A server on a free port that keeps its log: the full one, the small one of
 * examples/, over TCP or over WebSockets.
 *
 * @module
 */
import { serve } from "../../../examples/server.ts";
import {
  type Server,
  type ServerOptions,
  startServer,
} from "../../../server/start.ts";
import type { Cluster } from "../../../server/join.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import { openStorage, type StorageOptions } from "../../../server/storage.ts";
import { pageMeter } from "../../../server/page_meter.ts";
import { startWeb, type Web } from "../../../web/serve/serve.ts";
import { consoleOf } from "../operator.ts";
import { AddressConn } from "./address_conn.ts";
import { SocketConn } from "./socket_conn.ts";
import { within } from "./within.ts";

/** What a test speaks over; a `Deno.TcpConn` is one. */
export type Conn = Pick<
  Deno.Conn<Deno.NetAddr>,
  "read" | "write" | "closeWrite" | "close" | "localAddr"
>;

/** Whether servers are those of examples/. */
let small = false;

/** From now on, the tests of this file run against the small server. */
export function useSmallServer(): void {
  small = true;
}

/** A test of what server.ts can do, and the server of examples/ cannot. */
export function fullServerTest(
  name: string,
  fn: () => Promise<void>,
  skipped: (test: Deno.TestDefinition) => Deno.TestDefinition = (test) => test,
): void {
  if (!small) Deno.test(skipped({ name, fn }));
}

/** A server that is about to be started as one of a cluster. */
export interface Member {
  /** The log, and the other servers. */
  readonly shared: Cluster;
  /** Resolves when the others have what it has; rejects if they differ. */
  check(): Promise<void>;
  /** Is called when it has ended. */
  left(): Promise<void>;
}

let members: { take(db: string | undefined): Member } | undefined;

/** From now on, each server of the tests of this file is one of a cluster. */
export function useMembers(those: typeof members): void {
  members = those;
}

let overWebSockets = false;

/** From now on, the tests of this file run over WebSockets and not over TCP. */
export function useWebSockets(): void {
  overWebSockets = true;
}

/** Whether a peer can end its direction and still hear: over TCP alone. */
export function canHalfClose(): boolean {
  return !overWebSockets;
}

/** Where servers serve their WebSockets, by their ports. */
const webs = new Map<number, Web>();

/** A server on a free port, and the lines of its log. */
export interface TestServer extends Server {
  /** What its operator can type. */
  readonly console: ReturnType<typeof consoleOf>;
  /** What was logged so far. */
  readonly log: readonly string[];
  /** Resolves with the first line that has `part` in it. */
  logged(part: string): Promise<string>;
  /**
   * Resolves when only `count` of the accepted connections are left; no connection
   * that began before one of them may still be under way.
   */
  onlyConnected(count: number): Promise<void>;
}

/** Listens on this computer alone, on a free port unless told otherwise. */
export function listenHere(port = 0): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port, tcpBacklog: 4_096 });
}

/**
 * A port for a server that starts later, or restarts: below those that the system
 * gives to programs that ask for any port, so that no program gets it meanwhile.
 */
export function lastingPort(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      listenHere(port).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** The server of examples/, which has no console and no web client. */
function startSmallServer(
  options: ServerOptions & Required<Pick<ServerOptions, "tcp">>,
): Server {
  const { log } = options;
  const tcp = options.tcp as Deno.TcpListener; // tests listen with Deno.listen
  const served = serve(tcp, log);
  const cannot = (): never => {
    throw new TypeError("The small server cannot do that: fullServerTest");
  };
  return {
    port: tcp.addr.port,
    file: undefined,
    tlsPort: undefined,
    ready: Promise.resolve(),
    get context() {
      return cannot();
    },
    backup: cannot,
    welcome: cannot,
    async [Symbol.asyncDispose]() {
      tcp.close();
      await served;
    },
  };
}

/** Options of {@linkcode startTestServer}. */
export type TestOptions =
  & Omit<ServerOptions, "keep">
  & Pick<StorageOptions, "keep">
  & {
    /** The database file; default: none. */
    readonly db?: string;
  };

/**
 * Clients of tests answer no PING, and on a busy machine a test leaves them alone for
 * longer than clients may be. A test that is about these times gives its own, or a
 * clock that it turns.
 */
export const UNHURRIED = {
  registerWithinMs: 3_600_000,
  pingAfterMs: 3_600_000,
  idleAfterMs: 3_600_000,
};

/** Starts a server that prints nothing. */
export function startTestServer(
  { db, keep, ...options }: TestOptions = {},
): TestServer {
  const log: string[] = [];
  const waiting = new Set<() => void>();
  const start = small ? startSmallServer : startServer;
  const told = {
    log: (line: string) => {
      log.push(line);
      for (const look of waiting) look();
    },
    ...(options.clock ? {} : UNHURRIED),
    ...options,
    ...(keep ? { keep } : {}),
  };
  const member = small ? undefined : members?.take(db);
  const shared = member?.shared;
  const file = db ?? (member ? IN_MEMORY : undefined);
  const server = start({
    software: "parley 1.2.3",
    alternates: shared?.alternates,
    ...told,
    storage: file === undefined
      ? undefined
      : openStorage({ db: file, shared, ...told }),
    cluster: shared,
    tcp: options.tcp ?? listenHere(),
  });
  const until = async <T>(
    look: () => T | undefined,
    what: string,
  ): Promise<T> => {
    const { promise, resolve } = Promise.withResolvers<T>();
    const lookAgain = () => {
      const found = look();
      if (found !== undefined) resolve(found);
    };
    waiting.add(lookAgain);
    lookAgain();
    try {
      return await within(promise, () => `${what} in ${log.join("\n")}`);
    } finally {
      waiting.delete(lookAgain);
    }
  };
  const web = overWebSockets ? serveWebSockets(server) : undefined;
  if (web) webs.set(server.port, web);
  return {
    port: server.port,
    file: server.file,
    tlsPort: server.tlsPort,
    ready: server.ready,
    get context() {
      return server.context;
    },
    console: consoleOf(server),
    backup: server.backup,
    welcome: server.welcome,
    async [Symbol.asyncDispose]() {
      webs.delete(server.port);
      (await web)?.[Symbol.dispose]();
      await member?.check();
      await server[Symbol.asyncDispose]();
      await member?.left();
    },
    log,
    logged: (part) =>
      until(() => log.find((line) => line.includes(part)), `"${part}"`),
    async onlyConnected(count) {
      const connected = () =>
        log.filter((line) => COME.test(line)).length -
        log.filter((line) => GONE.test(line)).length;
      const are = () => connected() === count || undefined;
      await until(are, `${count} connected`);
    },
  };
}

/** What the log says of who comes, and of who goes. */
const COME = /^<[^>]+> connected/;
const GONE = /^<[^>]+>(?: [^ ]+)? disconnected: /;

/** Serves the page, and WebSockets into the same sessions. */
export function serveWebSockets(
  { context, welcome }: Server,
  names: readonly string[] = [],
): Web {
  return startWeb({
    hostname: "127.0.0.1",
    port: 0,
    names,
    others: () => context.alternates?.list() ?? [],
    meter: pageMeter(context),
    welcome: (wire, { address }) => welcome(wire, address),
  });
}

/**
 * Connects to a server, as the tests of this file do; over TCP from another
 * address of this computer, if that is given.
 */
export async function dial(port: number, from?: string): Promise<Conn> {
  if (from !== undefined) return await AddressConn.connect(port, from);
  const web = webs.get(port);
  if (web) return await SocketConn.connect(web.port);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay();
  return conn;
}
