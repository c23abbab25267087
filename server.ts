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
import { StartError } from "./server/journal/start_error.ts";
import { usageFault } from "./terminal/options.ts";
import { onEndSignals } from "./terminal/system.ts";

const SOFTWARE = `parley ${config.version}`;

/** Connections that the system holds until the server accepts them. */
const BACKLOG = 4_096;

/** Does what the command line says; returns the exit code. */
async function main(args: string[]): Promise<number> {
  setColorEnabled(Deno.stdout.isTerminal()); // and never if NO_COLOR is set
  try {
    const options = await readOptions(args);
    if (typeof options === "object") await run(options);
    else {
      const { helpText } = await import("./terminal/usage.ts");
      console.log(options === "help" ? helpText(USAGE, OPTIONS) : SOFTWARE);
    }
    return 0;
  } catch (error) {
    const fault = error instanceof StartError
      ? error.message
      : usageFault(error);
    if (fault === undefined) throw error;
    console.error(fault);
    return 2;
  }
}

/**
 * Runs the server until it is stopped.
 *
 * @throws {StartError} Why it cannot start.
 */
async function run(options: Options): Promise<void> {
  const stopping = Promise.withResolvers<void>();
  const stop = () => stopping.resolve();
  const signals = onEndSignals(stop);
  await using screen = new Screen();
  await using opened = new AsyncDisposableStack();
  const { hostname, port } = options;
  const tcp = options.plain
    ? listen({ hostname, port, option: "--port" })
    : undefined;
  const tls = await openTls(options);
  const { startServer } = await import("./server/start.ts");
  const log = (line: string) => screen.log(line);
  const server = opened.use(
    startServer({ ...options, software: SOFTWARE, tcp, tls, log }),
  );
  screen.print(greeting(server, options, tls));
  await openPage(opened, { server, options, tls, screen });
  operate(server, screen, stop).catch(stopping.reject);
  await stopping.promise;
  signals[Symbol.dispose](); // from now on they end the program at once
  await screen[Symbol.asyncDispose]();
  screen.print("Shutting down");
}

/** A port to listen on. */
interface Place {
  readonly hostname: string;
  readonly port: number;
  /** The option for the port. */
  readonly option: string;
}

/** @throws {StartError} Why it cannot. */
function listen({ hostname, port, option }: Place): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port, tcpBacklog: BACKLOG });
  } catch (error) {
    throw cannotListen({ hostname, port, option }, error as Error); // no other
  }
}

function cannotListen(
  { hostname, port, option }: Place,
  cause: Error & { code?: unknown }, // which node:http has
): StartError {
  const taken = cause instanceof Deno.errors.AddrInUse ||
    cause.code === "EADDRINUSE";
  const why = taken
    ? `the port is in use. Choose another with ${option}`
    : `${cause.message}. Choose another with --host or ${option}`;
  const what = `Cannot listen on ${hostname} port ${port}`;
  return new StartError(`${what}: ${why}`, { cause });
}

/** Obeys the operator, line by line, to the end of the input. */
async function operate(
  { context }: Server,
  screen: Screen,
  stop: () => void,
): Promise<void> {
  const { completeCommand, runCommand } = await import(
    "./server/operator/console.ts"
  );
  const desk = { ...context, stop };
  const lines = screen.lines({
    complete: (line) => completeCommand(desk, line),
    interrupt: stop,
  });
  for await (const line of lines) {
    try {
      screen.print(await runCommand(desk, line));
    } catch (bug) {
      console.error("A command failed:", bug);
    }
  }
}

/** A listener for TLS, and its certificate. */
type Tls = TlsListener & Certificate;

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
  const listener = listen({ hostname, port, option: "--tls-port" });
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
  const transport = tls ? "TLS" : "TCP";
  const web = await startWeb({
    hostname,
    port: webPort,
    ...(tls ? { tls } : {}),
    welcome: (wire, { address }) => server.welcome(wire, address, transport),
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

/** The commands that connect, one for each address of this computer. */
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
    ...(tls ? [`on port ${tlsPort} with TLS`] : []),
  ];
  return `${SOFTWARE}\nListening ${ways.join(", and ")}. To connect, run:\n\n${
    lines.join("\n")
  }\n\n${tls ? aboutTls(tls, plain) : ""}${storagePlace(file)}\n`;
}

/** The addresses at which clients reach a listener on `hostname`. */
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
  const warning = "Without --tls, others on the network can read the traffic.";
  return `${
    plain ? `${warning}\n` : ""
  }Certificate fingerprint (compare with the client):\n\n${
    bold(`  ${fingerprint}`)
  }\n\n${note}\n`;
}

function storagePlace(file: string | undefined): string {
  return file === undefined
    ? "Stored in memory; lost when the server stops."
    : `Messages and accounts are stored in ${Deno.realPathSync(file)}`;
}

// A pending read of standard input would keep the program from ending.
if (import.meta.main) Deno.exit(await main(Deno.args));
