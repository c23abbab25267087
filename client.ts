/**
 * The chat client for terminals and pipes.
 *
 *     deno run -A client.ts alice 127.0.0.1
 *
 * Two loops run side by side: one reads frames and shows them, the other reads
 * typed lines and runs them. The first ends when the server has sent BYE or has
 * disconnected, the second at the end of the input; either ends the program.
 *
 * core/ reconnects and matches answers with requests, client/chat knows what
 * frames mean and runs commands, client/view formats, and terminal/ draws.
 *
 * @module
 */
import { connectTcp, dial, isLoopback } from "./client/trust/address.ts";
import { inTime } from "./core/resume.ts";
import { Access } from "./client/chat/access.ts";
import { sanitize } from "./core/text/sanitize.ts";
import { runLine } from "./client/chat/commands.ts";
import { complete } from "./client/chat/completion.ts";
import type { Stream } from "./core/net/stream.ts";
import { errorText } from "./core/net/connection_error.ts";
import { EXIT, Failure, failureOf } from "./client/view/failure.ts";
import type { SharedFolder } from "./client/files/shared_folder.ts";
import {
  KnownServers,
  knownServersPath,
} from "./client/trust/known_servers.ts";
import { ReconnectingConnection } from "./core/net/reconnecting.ts";
import { takesFrom, type Transfer } from "./client/chat/transfer.ts";
import { askGoal, askName, type Goal } from "./client/goal.ts";
import { OPTIONS, type Options, readOptions, USAGE } from "./client/options.ts";
import { OutputClosed } from "./terminal/output.ts";
import { Refusals, sendLines } from "./client/chat/pipe.ts";
import { refused } from "./client/chat/refused.ts";
import { PlainTerminal } from "./terminal/plain_terminal.ts";
import { RawTerminal } from "./terminal/raw_terminal.ts";
import { columnsNow, END_SIGNALS } from "./terminal/system.ts";
import { Session, type SessionParts } from "./client/chat/session.ts";
import type { Terminal } from "./terminal/terminal.ts";
import type { Trust } from "./client/trust/trust.ts";
import { runTypedLines } from "./client/chat/typed.ts";
import { View } from "./client/view/view.ts";
import { ChatError, DEFAULT_ROOM } from "./protocol.ts";
import { UsageError } from "./terminal/options.ts";
import type { LocalOptions } from "./client/gui/local.ts";
import config from "./deno.json" with { type: "json" };

/**
 * Nobody sits before a pipe: so long after its connection was lost, and the
 * server has forgotten us, it ends; in milliseconds.
 */
const PIPE_GIVES_UP_AFTER_MS = 5 * 60_000;

/** How we talk to the person or the pipe. */
interface Setting {
  readonly options: Options;
  /** Whether questions can be asked. */
  readonly asks: boolean;
  /** Whether input lines are sent as they are. */
  readonly piped: boolean;
  readonly terminal: Terminal;
  readonly access: Access;
  readonly view: View;
  /** Who the server has to be, if it is to be encrypted. */
  trust?: Trust;
  /** The visit, once it has begun. */
  session?: Session;
}

/** One run of the program, from the first question to the exit code. */
async function chat(options: Options): Promise<number> {
  const stop = new AbortController();
  using _signals = stopOnSignals(stop);
  await using setting = openSetting(options, stop);
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stop.signal.addEventListener("abort", () => reject(stop.signal.reason));
  // Who is still at a question when the signal comes is left there: the
  // terminal goes away under the visit, and then the program.
  let code: number;
  try {
    code = await Promise.race([visit(setting), stopped]);
  } finally {
    await setting.session?.direct[Symbol.asyncDispose]();
  }
  stop.signal.throwIfAborted(); // while we took leave
  return code;
}

/**
 * The page in the system's browser, until it is stopped. What it needs is
 * loaded only here.
 */
async function chatInBrowser(options: Options): Promise<number> {
  const { openBrowser, serveLocally } = await import("./client/gui/local.ts");
  const { pageFiles } = await import("./client/gui/page_session.ts");
  const { TypedServers } = await import("./client/gui/typed_servers.ts");
  const stop = new AbortController();
  using _signals = stopOnSignals(stop);
  const { tls, downloads, share, listens, directHost } = options;
  const asks = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const servers = new TypedServers({
    tls,
    known: new KnownServers(tls && knownServersPath()),
    terminal: asks
      ? new PlainTerminal((error) => stop.abort(error))
      : undefined,
    complain: console.error,
  });
  await using page = await serveLocally({
    settings: pageSettings(options),
    dial: (server, port, signal) => servers.dial(server, port, signal),
    files: pageFiles({
      folder: downloads,
      shared: share === undefined ? undefined : await sharedFolder(share),
      listens,
      hostname: directHost,
    }),
  });
  console.log(`The chat is at ${page.address}\nCtrl-C ends it.`);
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stop.signal.addEventListener("abort", () => reject(stop.signal.reason));
  const opening = openBrowser(page.address).then((opened) => {
    if (!opened) console.log("Open this address in a browser.");
    return stopped;
  });
  return await Promise.race([opening, stopped]);
}

/** What the page need not ask. */
function pageSettings(
  { name, hostname, port, tls }: Options,
): LocalOptions["settings"] {
  return {
    ...(name === undefined ? {} : { name }),
    ...(hostname === undefined ? {} : { server: hostname }),
    ...(port === undefined ? {} : { port }),
    tls: tls !== undefined,
  };
}

/** Finds out whom to be and where, comes in, and stays until the end. */
async function visit(setting: Setting): Promise<number> {
  const { access, options, terminal } = setting;
  const goal = await askGoal(options, setting.asks, terminal);
  await loadTrust(setting);
  let suggestion = "";
  for (;;) {
    if (await access.prepare(goal.name)) {
      try {
        return await attend(goal, setting);
      } catch (error) {
        if (!(error instanceof ChatError)) throw error;
        if (setting.session?.chat.wasRegistered) {
          throw refused(error, goal, options);
        }
        suggestion = sanitize(`${error.headers["suggestion"] ?? ""}`);
        if (await access.overcome(error)) continue;
        const isOfName = error.code === 100 || error.code === 104;
        if (!goal.named || !isOfName) throw refused(error, goal, options);
        terminal.print(
          setting.view.format({ kind: "error", text: errorText(error) }),
        );
      }
    } else if (!goal.named) {
      throw new Failure(EXIT.refused, "No password was entered");
    }
    goal.name = await askName(terminal, suggestion);
  }
}

/**
 * Runs both loops until one ends.
 *
 * @throws {ChatError} If the server does not let us in.
 */
async function attend(goal: Goal, setting: Setting): Promise<number> {
  const { access, options, terminal, view, piped, asks } = setting;
  const refusals = new Refusals();
  using server = new ReconnectingConnection({
    dial: (signal) => connect(goal, setting, signal),
    ...(asks ? {} : { giveUpAfterMs: PIPE_GIVES_UP_AFTER_MS }),
  });
  const session = new Session({
    server,
    terminal,
    view,
    name: goal.name,
    access,
    echo: !piped, // a pipe knows what it said
    listens: options.listens && !piped && options.transfer?.kind !== "send",
    directHost: options.directHost,
    files: await filesOf(setting),
    takesFiles: options.transfer &&
      ((name) => takesFrom(options.transfer, name)),
    ...(piped ? { refused: refusals.add } : {}),
  });
  setting.session = session;
  const reading = session.run(); // the read loop
  const writing = speak(session, goal, setting, refusals);
  try {
    // The loser ends with the line, or waits for a line nobody will type.
    await Promise.race([reading, writing]);
    if (options.transfer) await writing; // which knows whether all arrived
  } catch (error) {
    if (piped) refusals.tellLost(server.parked);
    throw error;
  } finally {
    session.chat.order.flush();
  }
  return refusals.count > 0 ? EXIT.failed : EXIT.ok;
}

/** Connects; with TLS, to the right server alone. */
async function connect(
  goal: Goal,
  { trust }: Setting,
  signal: AbortSignal,
): Promise<Stream> {
  if (trust) return await trust.dial(goal, signal);
  return await dial(goal, signal, connectTcp);
}

/** Prepares for TLS; nobody else loads what that needs. */
async function loadTrust(setting: Setting): Promise<void> {
  const { asks, options: { tls }, terminal } = setting;
  if (!tls) return;
  const { Trust } = await import("./client/trust/trust.ts");
  setting.trust = new Trust({
    ...tls,
    known: new KnownServers(knownServersPath()),
    terminal: asks ? terminal : undefined,
  });
}

/** The write loop: says what is typed, once we are in, and takes leave. */
async function speak(
  session: Session,
  goal: Goal,
  { asks, options, piped, terminal }: Setting,
  refusals: Refusals,
): Promise<void> {
  const { server } = session;
  await session.present;
  if (options.transfer) return await transferFiles(session, options.transfer);
  const room = options.room ?? DEFAULT_ROOM;
  if (piped) {
    await session.join(room);
    await sendLines(server, Deno.stdin.readable, refusals.numbers, {
      room,
      maxBytes: session.chat.maxBodyBytes,
      refuse: refusals.tell,
    });
  } else {
    session.note(`Welcome, ${session.name}. Type /help for commands.`);
    if (asks && !options.tls && !isLoopback(goal.hostname)) {
      session.note(NOT_ENCRYPTED);
    }
    const chooses = goal.named && options.room === undefined;
    await runLine(session, chooses ? "/rooms" : `/join ${room}`);
    session.prompt();
    await runTypedLines(session, terminal);
  }
  await inTime("sign out", server, session.logout());
}

const NOT_ENCRYPTED =
  "Connection not encrypted; others on the network can read it. Use --tls.";

/** Sends or receives files, and takes leave. */
async function transferFiles(
  session: Session,
  transfer: Transfer,
): Promise<void> {
  const { runTransfer } = await import("./client/chat/file_pipe.ts");
  const arrived = await runTransfer(session, transfer);
  await inTime("sign out", session.server, session.logout());
  if (!arrived) throw new Failure(EXIT.failed, ""); // why, was told
}

/** Where files go, what others may get, and how transfers are shown. */
async function filesOf(
  { options, terminal }: Setting,
): Promise<NonNullable<SessionParts["files"]>> {
  const { downloads, share, transfer } = options;
  const draws = terminal.kind === "raw" ||
    (transfer !== undefined && Deno.stderr.isTerminal());
  return {
    folder: downloads,
    shared: share === undefined ? undefined : await sharedFolder(share),
    draw: draws ? (rows) => terminal.status(rows) : undefined,
    columns: columnsNow,
    accepts: ({ peer }) => takesFrom(transfer, peer),
  };
}

/** @throws {Failure} If it is no folder. */
async function sharedFolder(path: string): Promise<SharedFolder> {
  const { SharedFolder } = await import("./client/files/shared_folder.ts");
  const { FileFailure } = await import("./client/files/records.ts");
  try {
    return await SharedFolder.open(path);
  } catch (error) {
    if (!(error instanceof FileFailure)) throw error;
    throw new Failure(EXIT.usage, error.message, { cause: error });
  }
}

/** The terminal, if there is one, and how things are to look on it. */
function openSetting(
  options: Options,
  stop: AbortController,
): Setting & AsyncDisposable {
  const [input, output] = [Deno.stdin.isTerminal(), Deno.stdout.isTerminal()];
  const dumb = Deno.env.get("TERM") === "dumb";
  const transfers = options.transfer !== undefined;
  const plain = options.plain || dumb || !input || !output || transfers;
  const colors = options.color === "always" ||
    (options.color === "auto" && !plain && !Deno.env.get("NO_COLOR"));
  const setting: { session?: Session } = {};
  const closed = (error: OutputClosed) => stop.abort(error);
  const aside = { sink: Deno.stderr, draws: Deno.stderr.isTerminal() };
  const terminal = transfers
    ? new PlainTerminal(closed, aside)
    : plain
    ? new PlainTerminal(closed)
    : new RawTerminal({
      complete: (line) =>
        setting.session
          ? complete(setting.session, line)
          : Promise.resolve([[], line]),
      interrupt: () => stop.abort(new Failure(EXIT.interrupted, "")),
      closed,
    });
  const { way, passwordFile } = options;
  const asker = input ? terminal : undefined;
  return Object.assign(setting, {
    options,
    access: new Access({ way, passwordFile, terminal: asker }),
    asks: input,
    piped: !input && !options.plain && !transfers,
    terminal,
    view: new View({ plain, colors, columns: () => terminal.columns }),
    [Symbol.asyncDispose]: () => terminal[Symbol.asyncDispose](),
  });
}

/** Ends the visit, with the terminal given back, when we are asked to stop. */
function stopOnSignals(stop: AbortController): Disposable {
  const listeners = Object.entries(END_SIGNALS).map(([name, number]) => {
    // Exit codes as shells have them.
    const listener = () => stop.abort(new Failure(128 + number, ""));
    const signal = name as Deno.Signal; // the cast: a key of END_SIGNALS
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return { [Symbol.dispose]: () => listeners.forEach((remove) => remove()) };
}

/** Says why we end, if there is something to say, and gives the exit code. */
function report(error: unknown): number {
  if (error instanceof OutputClosed) return EXIT.ok; // as with `| head`
  if (error instanceof Deno.errors.NotCapable) {
    console.error(`Cannot run: ${error.message}`);
    return EXIT.usage;
  }
  if (error instanceof UsageError) {
    console.error(error.message);
    return EXIT.usage;
  }
  if (!(error instanceof Failure)) throw error;
  const lines = [error.message, error.advice].filter((line) => line !== "");
  for (const line of lines) console.error(sanitize(line));
  return error.exitCode;
}

async function main(args: string[]): Promise<number> {
  try {
    const options = await readOptions(args);
    if (typeof options === "object") {
      return await (options.gui ? chatInBrowser(options) : chat(options));
    }
    const { helpText } = await import("./terminal/usage.ts");
    console.log(
      options === "help"
        ? helpText(USAGE, OPTIONS)
        : `parley ${config.version}`,
    );
    return EXIT.ok;
  } catch (error) {
    return report(failureOf(error));
  }
}

if (import.meta.main) {
  Deno.exit(await main(Deno.args));
}
