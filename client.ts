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
import { abortable } from "@std/async/abortable";
import { Access } from "./client/chat/access.ts";
import { complete } from "./client/chat/completion.ts";
import type { TransferTask } from "./client/chat/file_pipe.ts";
import { Refusals, sendLines } from "./client/chat/pipe.ts";
import { Session, type SessionFiles } from "./client/chat/session.ts";
import { runTypedLines } from "./client/chat/commands.ts";
import type { SharedFolder } from "./client/files/file_source.ts";
import { askGoal, askName, type Goal, refused } from "./client/goal.ts";
import { OPTIONS, type Options, readOptions, USAGE } from "./client/options.ts";
import { connectTcp, dial, isLoopback } from "./client/trust/address.ts";
import {
  KnownServers,
  knownServersPath,
} from "./client/trust/known_servers.ts";
import type { Trust } from "./client/trust/trust.ts";
import { EXIT, Failure, failureOf } from "./client/view/failure.ts";
import { View } from "./client/view/view.ts";
import { errorText } from "./core/net/connection_error.ts";
import { ReconnectingConnection } from "./core/net/reconnecting.ts";
import { inTime } from "./core/resume.ts";
import { sanitize } from "./core/text/sanitize.ts";
import { accountCreated } from "./core/text/sentences.ts";
import config from "./deno.json" with { type: "json" };
import { ChatError, DEFAULT_ROOM, lookAlike } from "./protocol.ts";
import { usageFault } from "./terminal/options.ts";
import { OutputClosed } from "./terminal/output.ts";
import { PlainTerminal } from "./terminal/plain_terminal.ts";
import { RawTerminal } from "./terminal/raw_terminal.ts";
import { columnsNow, onEndSignals } from "./terminal/system.ts";
import type { Terminal } from "./terminal/terminal.ts";

/**
 * Nobody sits before a pipe: so long after its connection was lost, and the
 * server has forgotten us, it ends; in milliseconds.
 */
const PIPE_GIVES_UP_AFTER_MS = 5 * 60_000;

/** How we talk to the user or the pipe. */
interface Setting {
  readonly options: Options;
  /** Whether questions can be asked. */
  readonly asks: boolean;
  /** Whether input lines are sent as they are. */
  readonly piped: boolean;
  readonly terminal: Terminal;
  readonly access: Access;
  readonly view: View;
  /** Undefined until we connect. */
  session?: Session;
}

/** Chats, from the first question to the exit code. */
async function chat(options: Options, stop: AbortController): Promise<number> {
  await using setting = openSetting(options, stop);
  let code: number;
  try {
    // A signal leaves a user at a question: the terminal goes away under it.
    code = await abortable(registerAndChat(setting), stop.signal);
  } finally {
    if (!setting.piped) setting.session?.noteUnsent();
    await setting.session?.direct[Symbol.asyncDispose]();
  }
  stop.signal.throwIfAborted(); // while direct sessions ended
  return code;
}

/**
 * Serves the page, and opens it in the system's browser, until it is stopped.
 * What it needs is loaded only here.
 */
async function chatInBrowser(
  options: Options,
  stop: AbortController,
): Promise<number> {
  const { openBrowser, serveLocally } = await import("./client/gui/local.ts");
  const { pageFiles } = await import("./client/gui/page_session.ts");
  const { TypedServers } = await import("./client/gui/typed_servers.ts");
  const { tls, name, hostname, port } = options;
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
    settings: {
      ...(name === undefined ? {} : { name }),
      ...(hostname === undefined ? {} : { server: hostname }),
      ...(port === undefined ? {} : { port }),
      tls: tls !== undefined,
    },
    dial: (server, port, signal) => servers.dial(server, port, signal),
    files: pageFiles({
      folder: options.downloads,
      shared: await sharedFolder(options.share),
      listens: options.listens,
      hostname: options.directHost,
    }),
  });
  console.log(
    `Open this address in a browser, if none opens: ${page.address}\n` +
      "Ctrl-C ends the chat.",
  );
  await abortable(openBrowser(page.address), stop.signal);
  return await abortable(new Promise<never>(() => {}), stop.signal);
}

/** Asks for a name and a server, registers, and chats until the end. */
async function registerAndChat(setting: Setting): Promise<number> {
  const { access, options, terminal } = setting;
  const goal = await askGoal(options, setting.asks, terminal);
  const trust = await loadTrust(setting);
  let suggestion = "";
  for (;;) {
    if (await access.prepare(goal.name)) {
      try {
        return await runLoops(goal, setting, trust);
      } catch (error) {
        if (!(error instanceof ChatError)) throw error;
        if (setting.session?.server.wasRegistered) {
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

/** Prepares for TLS, if it is wanted: only then its modules are loaded. */
async function loadTrust(
  { asks, options: { tls }, terminal }: Setting,
): Promise<Trust | undefined> {
  if (!tls) return undefined;
  const { Trust } = await import("./client/trust/trust.ts");
  return new Trust({
    ...tls,
    known: new KnownServers(knownServersPath()),
    terminal: asks ? terminal : undefined,
  });
}

/**
 * Runs both loops until one ends.
 *
 * @throws {ChatError} If the server does not register us.
 */
async function runLoops(
  goal: Goal,
  setting: Setting,
  trust: Trust | undefined,
): Promise<number> {
  const { access, options, terminal, view, piped, asks } = setting;
  const { transfer } = options;
  const refusals = new Refusals();
  using server = new ReconnectingConnection({
    dial: (signal) =>
      trust?.dial(goal, signal) ?? dial(goal, signal, connectTcp),
    ...(asks ? {} : { giveUpAfterMs: PIPE_GIVES_UP_AFTER_MS }),
  });
  const session = new Session({
    server,
    terminal,
    view,
    name: goal.name,
    access,
    echo: !piped, // a pipe knows what it said
    direct: {
      listens: options.listens && !piped && transfer?.kind !== "send",
      hostname: options.directHost,
      files: await filesOf(setting),
    },
    ...(piped ? { refused: refusals.add } : {}),
  });
  setting.session = session;
  const reading = session.run(); // the read loop
  const writing = speak(session, goal, setting, refusals);
  try {
    // The other loop ends with the connection, or waits for a line in vain.
    await Promise.race([reading, writing]);
    if (transfer) await writing; // which knows whether all arrived
  } catch (error) {
    if (piped) refusals.tellLost(server.parked);
    throw error;
  } finally {
    session.chat.order.flush();
  }
  return refusals.count > 0 ? EXIT.failed : EXIT.ok;
}

/** The write loop: sends what is typed, once we are registered, and signs out. */
async function speak(
  session: Session,
  goal: Goal,
  { access, asks, options, piped, terminal }: Setting,
  refusals: Refusals,
): Promise<void> {
  const { server } = session;
  const { room = DEFAULT_ROOM, transfer } = options;
  const signsUp = access.signIn.way === "signup";
  await session.present;
  let isDone = true;
  if (transfer) {
    const { runTransfer } = await import("./client/chat/file_pipe.ts");
    isDone = await runTransfer(session, transfer);
  } else if (piped) {
    await session.join(room);
    await sendLines(session, room, refusals);
  } else {
    session.note(`Welcome, ${session.name}. Type /help for commands.`);
    if (signsUp) session.note(accountCreated(session.name));
    if (asks && !options.tls && !isLoopback(goal.hostname)) {
      session.note(NOT_ENCRYPTED);
    }
    const chooses = goal.named && options.room === undefined;
    const first = chooses ? "/rooms" : `/join ${room}`;
    await runTypedLines(session, terminal, first);
  }
  await inTime("sign out", server, session.logout());
  if (!isDone) throw new Failure(EXIT.failed, ""); // the user was told why
}

const NOT_ENCRYPTED =
  "Connection not encrypted; others on the network can read it. Use --tls.";

/** Where files go, what others may get, and how transfers are shown. */
async function filesOf(
  { options: { downloads, share, transfer }, terminal }: Setting,
): Promise<SessionFiles> {
  const draws = terminal.kind === "raw" ||
    (transfer !== undefined && Deno.stderr.isTerminal());
  return {
    folder: downloads,
    shared: await sharedFolder(share),
    draw: draws ? (rows) => terminal.status(rows) : undefined,
    columns: columnsNow,
    accepts: transfer && ((name) => takesFrom(transfer, name)),
  };
}

/** Whether a transfer takes what `name` sends, without a question. */
function takesFrom(transfer: TransferTask, name: string): boolean {
  if (transfer.kind !== "receive") return false;
  const { user } = transfer;
  return user === undefined || lookAlike(user) === lookAlike(name);
}

/** @throws {Failure} If it is no folder. */
async function sharedFolder(
  path: string | undefined,
): Promise<SharedFolder | undefined> {
  if (path === undefined) return undefined;
  const { SharedFolder } = await import("./client/files/file_source.ts");
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
  const closed = (error: OutputClosed) => stop.abort(error);
  const aside = { sink: Deno.stderr, draws: Deno.stderr.isTerminal() };
  const terminal = plain
    ? new PlainTerminal(closed, transfers ? aside : undefined)
    : new RawTerminal({
      complete: (line) => complete(setting.session, line),
      interrupt: () => stop.abort(new Failure(EXIT.interrupted, "")),
      closed,
    });
  const { way, passwordFile } = options;
  const asker = input ? terminal : undefined;
  const setting: Setting & AsyncDisposable = {
    options,
    access: new Access({ way, passwordFile, terminal: asker }),
    asks: input,
    piped: !input && !options.plain && !transfers,
    terminal,
    view: new View({ plain, colors, columns: () => terminal.columns }),
    [Symbol.asyncDispose]: () => terminal[Symbol.asyncDispose](),
  };
  return setting;
}

/** Says why we end, if there is something to say, and gives the exit code. */
function report(error: unknown): number {
  if (error instanceof OutputClosed) return EXIT.ok; // as with `| head`
  const fault = usageFault(error);
  if (fault !== undefined) {
    console.error(fault);
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
      const stop = new AbortController();
      using _signals = onEndSignals((exitCode) =>
        stop.abort(new Failure(exitCode, ""))
      );
      const run = options.gui ? chatInBrowser : chat;
      return await run(options, stop);
    }
    const { helpText } = await import("./terminal/usage.ts");
    const help = options === "help";
    console.log(help ? helpText(USAGE, OPTIONS) : `parley ${config.version}`);
    return EXIT.ok;
  } catch (error) {
    return report(failureOf(error));
  }
}

if (import.meta.main) {
  Deno.exit(await main(Deno.args));
}
