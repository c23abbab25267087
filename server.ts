/**
 * The server: `deno run -A server.ts`.
 *
 * It listens first and then loads `server/start.ts`, which puts the parts of the
 * server together: loading takes longer than all the rest, and clients that
 * connect meanwhile wait in the backlog. This file has the command line,
 * listening, the operator's terminal, and the end.
 *
 * @module
 */
import { bold, setColorEnabled } from "@std/fmt/colors";
import config from "./deno.json" with { type: "json" };
import { DEFAULT_PORT } from "./protocol.ts";
import type { PortListener } from "./platform/listen.ts";
import type { Certificate } from "./server/certificate.ts";
import {
  DEFAULT_TLS_PORT,
  OPTIONS,
  type Options,
  readOptions,
  usage,
} from "./server/options.ts";
import type { RenewableListener } from "./server/net/tls.ts";
import { Screen } from "./server/operator/screen.ts";
import { IN_MEMORY } from "./server/journal/journal.ts";
import type { Cluster } from "./server/join.ts";
import type { Server } from "./server/start.ts";
import type { Storage } from "./server/storage.ts";
import { StartError } from "./server/journal/start_error.ts";
import { errorsWritten, printError, queueErrors } from "./terminal/errors.ts";
import { usageFault } from "./terminal/options.ts";
import {
  backlogOf,
  onEndSignals,
  onHangUp,
  ownsPorts,
  secondHost,
  SYSTEM,
} from "./platform/system.ts";
import type { Web } from "./web/serve/serve.ts";

const SOFTWARE = `parley ${config.version}`;

/** Connections that the system holds until the server accepts them. */
const BACKLOG = 4_096;

/** Does what the command line says; returns the exit code. */
async function main(args: string[]): Promise<number> {
  queueErrors();
  setColorEnabled(Deno.stdout.isTerminal()); // and never if NO_COLOR is set
  try {
    const options = await readOptions(args);
    if (typeof options === "object") await run(options);
    else {
      const { helpText } = await import("./terminal/usage.ts");
      const { commandFor } = await import("./platform/program.ts");
      const help = helpText(usage(commandFor("server")), OPTIONS);
      console.log(options === "help" ? help : SOFTWARE);
    }
    return 0;
  } catch (error) {
    const fault = error instanceof StartError
      ? error.message
      : usageFault(error);
    if (fault === undefined) throw error;
    await printError(fault);
    return error instanceof StartError ? error.exitCode : 2;
  } finally {
    await errorsWritten();
  }
}

/**
 * Runs the server until it is stopped.
 *
 * @throws {StartError} Why it cannot start.
 */
async function run(options: Options): Promise<void> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  const signals = onEndSignals(() => stop());
  let renew = () => {}; // also: the terminal is gone, and the server goes on
  onHangUp(() => renew());
  await using screen = new Screen();
  await using opened = new AsyncDisposableStack();
  const { hostname, port } = options;
  const tcp = options.plain
    ? await listen({ hostname, port, option: "--port" })
    : undefined;
  const tls = await openTls(options);
  await checkWebPort(options); // now: the page is loaded after the greeting
  const log = (line: string) => screen.log(line);
  let isServing = false; // before, the log is held back
  const tell = (line: string) => isServing ? log(line) : screen.print(line);
  const cluster = await openCluster(options, { log: tell, stopped });
  if (cluster) opened.use(cluster);
  const storage = await openFile(options, log, cluster);
  const { startServer } = await import("./server/start.ts");
  const server = opened.use(
    startServer({
      ...{ ...options, software: SOFTWARE, storage, cluster, tcp, tls, log },
      alternates: cluster?.alternates,
    }),
  );
  await server.ready;
  const { addressesOf } = await import("./platform/addresses.ts");
  const addresses = addressesOf(hostname);
  const hint = await aboutSystem(hostname);
  const { commandFor } = await import("./platform/program.ts");
  const client = commandFor("client");
  screen.print(greeting(server, { client, addresses, hint, options, tls }));
  if (server.file) await warnOfSync(server.file, screen);
  const web = await openPage(opened, {
    ...{ addresses, server, options, tls, screen },
  });
  const announce = (now: Pick<Certificate, "fingerprint"> | undefined) =>
    cluster?.announce({
      ports: {
        tcp: options.plain ? server.port : undefined,
        ...{ tls: server.tlsPort, [tls ? "https" : "http"]: web?.port },
      },
      ...{ addresses, fingerprint: now?.fingerprint, names: options.webNames },
    });
  announce(tls);
  isServing = true;
  screen.startLog();
  renew = () =>
    takeUp(options, { users: [tls, web, { renew: announce }], log });
  operate(server, screen, stop).catch((bug) => {
    console.error("The console failed:", bug);
  });
  const failure = await Promise.race([stopped, cluster?.failed ?? stopped]);
  signals[Symbol.dispose](); // from now on they end the program at once
  await screen[Symbol.asyncDispose]();
  screen.print("Shutting down");
  if (failure) throw failure;
}

/**
 * Connects to the other servers of the chat, if there are others; only then the
 * modules for it are loaded.
 *
 * @throws {StartError} Why it cannot.
 */
async function openCluster(
  { db, keep, nats }: Options,
  { log, stopped }: { log: (line: string) => void; stopped: Promise<void> },
): Promise<Cluster | undefined> {
  if (!nats) return undefined;
  const { joinCluster } = await import("./server/join.ts");
  const stopping = new AbortController();
  const why = new StartError("Stopped while the server waited for NATS");
  stopped.then(() => stopping.abort(why));
  return await joinCluster({ ...nats, db, keep, log, signal: stopping.signal });
}

/**
 * Opens the database file, if there is one.
 *
 * @throws {StartError} Why it cannot be used.
 */
async function openFile(
  { db, keep }: Options,
  log: (line: string) => void,
  cluster: Cluster | undefined,
): Promise<Storage | undefined> {
  if (db === IN_MEMORY && !cluster) return undefined;
  const { openStorage } = await import("./server/storage.ts");
  return openStorage({ db, keep, log, shared: cluster });
}

/**
 * Takes up the files of `--cert` and `--key`, which were perhaps renewed, for new
 * connections. If they cannot be used, the certificate before stays.
 */
async function takeUp(
  { tls, db }: Options,
  { users, log }: {
    users: readonly ({ renew(now: Certificate): void } | undefined)[];
    log: (line: string) => void;
  },
): Promise<void> {
  const files = tls?.files;
  if (!files) return;
  const { certificateFor } = await import("./server/certificate.ts");
  try {
    const certificate = await certificateFor({ files, db });
    for (const user of users) user?.renew(certificate);
    log(
      `Certificate read again from ${files.cert}: ${certificate.fingerprint}`,
    );
  } catch (error) {
    log(`${(error as Error).message}. The certificate before stays in use.`);
  }
}

/** A port to listen on. */
interface Place {
  readonly hostname: string;
  readonly port: number;
  /** The option for the port. */
  readonly option: string;
}

/** @throws {StartError} Why it cannot. */
async function listen(place: Place): Promise<PortListener> {
  const { hostname, port } = place;
  const address = { hostname, port, tcpBacklog: backlogOf(BACKLOG) };
  try {
    if (ownsPorts(hostname)) return Deno.listen(address);
    const { listenAlone } = await import("./platform/listen.ts");
    return await listenAlone(address);
  } catch (error) {
    throw await cannotListen(place, error as Error); // no other
  }
}

/** @throws {StartError} If the port of the web client cannot be used. */
async function checkWebPort(
  { hostname, webPort: port }: Options,
): Promise<void> {
  if (!port) return;
  const listener = await listen({ hostname, port, option: "--web-port" });
  listener.close();
}

async function cannotListen(
  { hostname, port, option }: Place,
  cause: Error,
): Promise<StartError> {
  const { listenTrouble } = await import("./platform/network_advice.ts");
  const { errorCode } = await import("./platform/system_error.ts");
  const options = { system: SYSTEM, host: "--host", port: option };
  const why = listenTrouble(errorCode(cause), options) ??
    `${cause.message}. Choose another with --host or ${option}`;
  const what = `Cannot listen on ${hostname} port ${port}`;
  return new StartError(`${what}: ${why}`, { cause });
}

/** Obeys the operator, line by line, to the end of the input. */
async function operate(
  { context, backup }: Server,
  screen: Screen,
  stop: () => void,
): Promise<void> {
  const loadConsole = () => import("./server/operator/console.ts");
  const desk = { ...context, stop, backup };
  const lines = screen.lines({
    complete: async (line) => (await loadConsole()).completeCommand(desk, line),
    interrupt: stop,
  });
  for await (const line of lines) {
    try {
      const { runCommand } = await loadConsole();
      screen.print(await runCommand(desk, line));
    } catch (bug) {
      console.error("A command failed:", bug);
    }
  }
}

/** A listener for TLS, and its certificate. */
type Tls = RenewableListener & Certificate;

/**
 * Listens for TLS if `--tls` asks for it; only then its modules are loaded.
 *
 * @throws {StartError} Why it cannot.
 */
async function openTls(
  { tls, hostname, db }: Options,
): Promise<Tls | undefined> {
  if (!tls) return undefined;
  const { certificateFor } = await import("./server/certificate.ts");
  const { withTls } = await import("./server/net/tls.ts");
  const certificate = await certificateFor({ files: tls.files, db });
  const { port } = tls;
  const listener = await listen({ hostname, port, option: "--tls-port" });
  return { ...certificate, ...withTls(listener, certificate) };
}

/**
 * Serves the web client if `--web` asks for it, until `opened` is disposed, and
 * prints its address. Its modules are more than all others, and loaded only here.
 *
 * @throws {StartError} Why it cannot.
 */
async function openPage(
  opened: AsyncDisposableStack,
  {
    addresses,
    server,
    options: { hostname, webPort, webNames, requireLogin, ...limits },
    tls,
    screen,
  }: {
    addresses: readonly string[];
    server: Server;
    options: Options;
    tls: Tls | undefined;
    screen: Screen;
  },
): Promise<Web | undefined> {
  if (webPort === undefined) return undefined;
  const { startWeb } = await import("./web/serve/serve.ts");
  const { callerLimits, pageMeter } = await import("./server/page_meter.ts");
  const { ownNames } = await import("./platform/host_names.ts");
  const { invitation } = await import("./web/serve/invite.ts");
  const secure = tls !== undefined;
  const transport = secure ? "TLS" : "TCP";
  const open = () =>
    startWeb({
      hostname,
      alsoOn: secondHost(hostname),
      port: webPort,
      names: [...ownNames(hostname), ...webNames],
      others: () => server.context.alternates?.list() ?? [],
      ...(tls ? { tls } : {}),
      meter: pageMeter(server.context),
      callers: callerLimits(limits),
      welcome: (wire, { address }) => server.welcome(wire, address, transport),
    });
  const web = await Promise.try(open).catch(async (error: Error) => {
    const option = "--web-port";
    throw await cannotListen({ hostname, port: webPort, option }, error);
  });
  opened.use(web);
  server.context.page = { port: web.port, secure };
  screen.print(invitation({
    port: web.port,
    addresses,
    secure,
    requireLogin,
    draws: Deno.stdout.isTerminal(),
  }));
  return web;
}

/** The commands that connect, one for each address of this computer. */
function greeting(
  { port, tlsPort, file }: Server,
  { client, addresses, hint, options: { plain }, tls }: {
    client: string;
    addresses: readonly string[];
    hint: string;
    options: Options;
    tls: Tls | undefined;
  },
): string {
  const option = tls
    ? ` --tls${portOption(tlsPort, DEFAULT_TLS_PORT)}`
    : portOption(port, DEFAULT_PORT);
  const lines = addresses.map((address) =>
    bold(`  ${client} NAME ${address}${option}`)
  );
  if (addresses.at(-1)?.includes("%")) lines.push("", ABOUT_INTERFACES);
  const ways = [
    ...(plain ? [`on port ${port}`] : []),
    ...(tls ? [`on port ${tlsPort} with TLS`] : []),
  ];
  return `${SOFTWARE}\nListening ${ways.join(", and ")}. To connect, run:\n\n${
    lines.join("\n")
  }\n\n${hint}${tls ? aboutTls(tls, plain) : ""}${storagePlace(file)}\n`;
}

const ABOUT_INTERFACES =
  "After %, users write the network interface of their own computer.";

function portOption(port: number | undefined, normal: number): string {
  return port === normal ? "" : ` --port ${port}`;
}

function aboutTls({ fingerprint, note }: Tls, plain: boolean): string {
  const warning = "Without --tls, others on the network can read the traffic.";
  return `${
    plain ? `${warning}\n` : ""
  }Certificate fingerprint (compare with the client):\n\n${
    bold(`  ${fingerprint}`)
  }\n\n${note}\n`;
}

/** What the operator should know about this system; or nothing. */
async function aboutSystem(hostname: string): Promise<string> {
  const { systemInterfaces } = await import("./platform/addresses.ts");
  const { listenHint } = await import("./platform/network_advice.ts");
  const permission = { name: "sys", kind: "osRelease" } as const;
  const hint = listenHint({
    hostname,
    system: SYSTEM,
    interfaces: systemInterfaces,
    release: () =>
      Deno.permissions.querySync(permission).state === "granted"
        ? Deno.osRelease()
        : "", // and do not ask
  });
  return hint === undefined ? "" : `${hint}\n\n`;
}

function storagePlace(file: string | undefined): string {
  return file === undefined
    ? "Stored in memory; lost when the server stops."
    : `Messages and accounts are stored in ${Deno.realPathSync(file)}`;
}

/** Prints a warning if another program copies the folder of the database. */
async function warnOfSync(file: string, screen: Screen): Promise<void> {
  const { syncService } = await import("./platform/synced_folder.ts");
  const service = syncService(Deno.realPathSync(file));
  if (service === undefined) return;
  screen.print(
    `Warning: ${service} synchronizes the folder of this file, which can damage ` +
      "the file. Choose another folder with --db.\n",
  );
}

// A pending read of standard input would keep the program from ending.
if (import.meta.main) Deno.exit(await main(Deno.args));
