/**
 * The server: `deno run -A server.ts`.
 *
 * It listens, and only then loads what serves: `server/start.ts`, where the parts
 * of the server are put together. Whoever connects is accepted in
 * `server/net/acceptor.ts`, and served by an iterator of frames in
 * `server/session/session.ts`. What is left is here: the command line, listening, the
 * operator's terminal, and how it ends.
 *
 * @module
 */
import { bold, setColorEnabled } from "@std/fmt/colors";
import config from "./deno.json" with { type: "json" };
import { DEFAULT_PORT } from "./protocol.ts";
import type { Certificate } from "./server/certificate.ts";
import {
  DEFAULT_TLS_PORT,
  EVERYWHERE,
  OPTIONS,
  type Options,
  readOptions,
  USAGE,
} from "./server/options.ts";
import type { TlsListener } from "./server/net/acceptor.ts";
import { Screen } from "./server/operator/screen.ts";
import type { Server } from "./server/start.ts";
import { UsageError } from "./terminal/options.ts";
import { END_SIGNALS } from "./terminal/system.ts";
import { StartError } from "./server/journal/start_error.ts";

const SOFTWARE = `parley ${config.version}`;

/** A burst of so many connections is accepted without a wait. */
const BACKLOG = 4_096;

/** Runs the server until it is stopped; returns the exit code. */
async function main(args: string[]): Promise<number> {
  try {
    return await obey(args);
  } catch (error) {
    const denied = error instanceof Deno.errors.NotCapable;
    if (!denied && !(error instanceof UsageError)) throw error;
    console.error(denied ? `Cannot run: ${error.message}` : error.message);
    return 2;
  }
}

/** Does what the command line says; returns the exit code. */
async function obey(args: string[]): Promise<number> {
  setColorEnabled(Deno.stdout.isTerminal()); // and never if NO_COLOR is set
  const options = await readOptions(args);
  if (typeof options === "object") return await run(options);
  const { helpText } = await import("./terminal/usage.ts");
  console.log(options === "help" ? helpText(USAGE, OPTIONS) : SOFTWARE);
  return 0;
}

async function run(options: Options): Promise<number> {
  const { promise: stopped, resolve: stop, reject } = Promise
    .withResolvers<void>();
  const signals = onSignals(stop);
  await using screen = new Screen();
  await using opened = new AsyncDisposableStack();
  let server: Server;
  try {
    const tcp = options.plain ? listen(options, "--port") : undefined;
    const tls = await openTls(options);
    // Only now: to load this takes longer than all before, and whoever comes
    // meanwhile waits in the backlog.
    const { startServer } = await import("./server/start.ts");
    const log = (line: string) => screen.log(line);
    server = opened.use(
      startServer({ ...options, software: SOFTWARE, tcp, tls, log }),
    );
    screen.print(greeting(server, options, tls));
    await openPage(opened, { server, options, tls, screen });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    console.error(error.message);
    return 2;
  }
  operate(server, screen, stop).catch(reject);
  await Promise.race([stopped, server.console.stopped]);
  signals[Symbol.dispose](); // from now on, they end us at once
  await screen[Symbol.asyncDispose]();
  screen.print("Closing");
  return 0;
}

/**
 * Listens for TCP, on a port that `option` chooses. From now on whoever connects
 * waits to be accepted.
 *
 * @throws {StartError} If that is not possible, and why.
 */
function listen(
  { hostname, port }: { hostname: string; port: number },
  option: string,
): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port, tcpBacklog: BACKLOG });
  } catch (error) {
    throw cannotListen({ hostname, port, option }, error as Error); // no other
  }
}

function cannotListen(
  { hostname, port, option }: {
    hostname: string;
    port: number;
    option: string;
  },
  cause: Error & { code?: unknown }, // which node:http has
): StartError {
  const taken = cause instanceof Deno.errors.AddrInUse ||
    cause.code === "EADDRINUSE";
  const why = taken
    ? `another program does, perhaps a server you forgot; stop it, or choose another port with ${option}`
    : cause.message;
  const what = `Cannot listen on ${hostname} port ${port}`;
  return new StartError(`${what}: ${why}`, { cause });
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
 * @throws {StartError} If that is not possible, and why.
 */
async function openTls(
  { tls, hostname, db }: Options,
): Promise<Tls | undefined> {
  if (!tls) return undefined;
  const { certificateFor } = await import("./server/certificate.ts");
  const { withTls } = await import("./server/net/tls.ts");
  const certificate = await certificateFor({ files: tls.files, db });
  const listener = listen({ hostname, port: tls.port }, "--tls-port");
  return { ...certificate, ...withTls(listener, certificate) };
}

/**
 * Serves the page, if that is wanted, and says where; it ends with `opened`.
 * Nobody else loads what it needs, which is more than all the rest.
 *
 * @throws {StartError} If that is not possible, and why.
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
  const { startWeb } = await import("./web/serve/serve.ts");
  const { invitation } = await import("./web/serve/invite.ts");
  const way = tls ? "TLS" : "TCP";
  const web = await startWeb({
    hostname,
    port: webPort,
    ...(tls ? { tls } : {}),
    welcome: (wire, { address }) => server.welcome(wire, address, way),
  }).catch((error: Error) => {
    const option = "--web-port";
    throw cannotListen({ hostname, port: webPort, option }, error);
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
  { port, tlsPort, file }: Server,
  { hostname, plain }: Options,
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
  }\n\n${tls ? aboutTls(tls, plain) : ""}${whereKept(file)}\n`;
}

/** Under which addresses others reach what listens on `hostname`. */
function addressesOf(hostname: string): string[] {
  if (![EVERYWHERE, "::"].includes(hostname)) return [hostname];
  return Deno.networkInterfaces()
    .filter(({ family }) => family === "IPv4")
    .map(({ address }) => address);
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

function whereKept(file: string | undefined): string {
  return file === undefined
    ? "Everything is kept in memory, and ends with the server"
    : `Messages and accounts are kept in ${Deno.realPathSync(file)}`;
}

/** Calls `stop` on Ctrl-C, or when asked to terminate; disposed, they end us. */
function onSignals(stop: () => void): Disposable {
  const signals = Object.keys(END_SIGNALS) as Deno.Signal[]; // its keys
  for (const name of signals) Deno.addSignalListener(name, stop);
  return {
    [Symbol.dispose]() {
      for (const name of signals) {
        // When a terminal goes away, both the system and the shell send SIGHUP.
        if (name !== "SIGHUP") Deno.removeSignalListener(name, stop);
      }
    },
  };
}

// Not just the exit code: a read of standard input would keep us from ending.
if (import.meta.main) Deno.exit(await main(Deno.args));
