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
import { Access, checkLogin } from "./client/chat/access.ts";
import { complete } from "./client/chat/completion.ts";
import { Refusals, sendLines } from "./client/chat/pipe.ts";
import { Session } from "./client/chat/session.ts";
import { runTypedLines } from "./client/chat/commands.ts";
import { IgnoredUsers } from "./client/chat/ignored_users.ts";
import type { DirectSettings } from "./client/direct/direct.ts";
import type { SharedFolder } from "./client/files/file_source.ts";
import { askGoal, askName, type Goal, refused } from "./client/goal.ts";
import {
  examples,
  OPTIONS,
  type Options,
  readOptions,
  usage,
} from "./client/options.ts";
import { connectTcp, dial, endpointText } from "./client/trust/address.ts";
import {
  KnownServers,
  knownServersPath,
  serverText,
} from "./client/trust/known_servers.ts";
import { settingsPath } from "./client/trust/settings_file.ts";
import type { Trust } from "./client/trust/trust.ts";
import {
  EXIT,
  EXIT_HELP,
  Failure,
  failureOf,
  systemReason,
} from "./client/view/failure.ts";
import { tell, View } from "./client/view/view.ts";
import type { Place } from "./core/net/alternates.ts";
import { inTime } from "./core/net/connection.ts";
import { errorText } from "./core/net/connection_error.ts";
import { ReconnectingConnection } from "./core/net/reconnecting.ts";
import type { Stream } from "./core/net/stream.ts";
import { sanitize } from "./core/text/sanitize.ts";
import { isLoopback } from "./core/net/ip_address.ts";
import { accountCreated } from "./core/text/sentences.ts";
import config from "./deno.json" with { type: "json" };
import { ChatError, DEFAULT_ROOM, lookAlike } from "./protocol.ts";
import { usageFault } from "./terminal/options.ts";
import { errorsWritten, printError, queueErrors } from "./terminal/errors.ts";
import { openTerminal, streamsNow } from "./terminal/open.ts";
import { Output, OutputClosed } from "./terminal/output.ts";
import {
  columnsNow,
  HUNG_UP,
  onEndSignals,
  onHangUp,
} from "./platform/system.ts";
import type { PlainOptions } from "./terminal/plain_terminal.ts";
import type { Terminal } from "./terminal/terminal.ts";

/**
 * Nobody sits before a pipe: so long after its connection was lost, and the
 * server has forgotten us, it ends; in milliseconds.
 */
const PIPE_GIVES_UP_AFTER_MS = 5 * 60_000;

/** How we talk to the user or the pipe. */
interface Setting {
  readonly options: Options;
  /** Whether input lines are sent as they are. */
  readonly piped: boolean;
  readonly terminal: Terminal;
  readonly access: Access;
  readonly view: View;
  /** What of a pipe was not sent. */
  readonly refusals: Refusals;
  /** Standard output, for the next program. */
  readonly results: Output;
  /** Undefined until we connect. */
  session?: Session;
}

/** Chats, from the first question to the exit code. */
async function chat(options: Options, stop: AbortController): Promise<number> {
  await using setting = await openSetting(options, stop);
  let code: number;
  try {
    // A signal leaves a user at a question: the terminal goes away under it.
    code = await abortable(registerAndChat(setting), stop.signal);
  } finally {
    if (setting.piped) setting.refusals.tellOthers();
    else {
      const { typed } = setting.terminal;
      setting.session?.noteUnsent(stop.signal.aborted ? "" : typed);
    }
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
  const { openBrowser } = await import("./client/gui/browser.ts");
  const { serveLocally } = await import("./client/gui/local.ts");
  const { pageFiles } = await import("./client/gui/page_session.ts");
  const { TypedServers } = await import("./client/gui/typed_servers.ts");
  const { tls, name, hostname, port } = options;
  const { input, output } = streamsNow();
  const asks = input && output;
  await using terminal = await openTerminal({
    plain: true,
    interrupt: interrupting(stop),
    closed: (error) => asks ? stop.abort(error) : undefined,
    hurry: stop.signal,
  });
  const servers = new TypedServers({
    tls,
    known: new KnownServers(tls && knownServersPath()),
    terminal: asks ? terminal : undefined,
    complain: console.error,
  });
  await using page = serveLocally({
    settings: {
      name,
      server: hostname,
      port,
      tls: tls !== undefined,
    },
    dial: (asked, signal) => servers.dial(asked, signal),
    files: pageFiles({
      folder: options.downloads,
      shared: await sharedFolder(options.share),
      listens: !options["no-listen"],
      hostname: options["direct-host"],
    }),
  });
  const { signal } = stop;
  const print = (line: string) => terminal.print(`${line}\n`);
  await openBrowser(page, { folder: options.downloads, print, signal });
  return await abortable(new Promise<never>(() => {}), signal);
}

/** Asks for a name and a server, registers, and chats until the end. */
async function registerAndChat(setting: Setting): Promise<number> {
  const { access, options, terminal } = setting;
  await access.readFile(); // a mistake in it is told at once
  const goal = await askGoal(options, access.asks, terminal);
  const trust = await loadTrust(setting);
  const canRename = options.name === undefined; // it was typed at a question
  let suggestion = "";
  let answered: string | undefined; // the name about which a server has said more
  if (canRename) await access.choose();
  for (;;) {
    try {
      if (access.asksForLogin && answered !== goal.name) {
        await checkLogin(await connect(goal, trust), goal.name);
      }
      if (await access.prepare(goal.name)) {
        return await runLoops(goal, setting, trust);
      }
      if (!canRename) {
        throw new Failure(EXIT.refused, "No password was entered");
      }
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      if (setting.session?.server.wasRegistered) {
        throw await refused(error, goal, options);
      }
      answered = goal.name;
      suggestion = sanitize(`${error.headers["suggestion"] ?? ""}`);
      if (await access.overcome(error)) continue;
      const isOfName = OF_NAME.has(error.code);
      if (!canRename || !isOfName) throw await refused(error, goal, options);
      tell(terminal, "error", errorText(error));
    }
    goal.name = await askName(terminal, suggestion);
    await access.choose();
  }
}

/** The refusals after which another name may help. */
const OF_NAME = new Set<number>([100, 104, 112, 123]);

/**
 * Connects to the server, or to another one of which it has told; through TLS if
 * that is wanted.
 */
function connect(
  goal: Goal,
  trust: Trust | undefined,
  signal: AbortSignal = new AbortController().signal,
  other?: Place,
): Promise<Stream> {
  if (!trust) return dial(other ?? goal, signal, connectTcp);
  return other
    ? trust.dialTold(other, other.sha256, signal)
    : trust.dial(goal, signal);
}

/** Prepares for TLS, if it is wanted: only then its modules are loaded. */
async function loadTrust(
  { access, options: { tls }, terminal }: Setting,
): Promise<Trust | undefined> {
  if (!tls) return undefined;
  const { Trust } = await import("./client/trust/trust.ts");
  return new Trust({
    ...tls,
    known: new KnownServers(knownServersPath()),
    terminal: access.asks ? terminal : undefined,
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
  const { access, options, terminal, view, piped, refusals } = setting;
  const { transfer } = options;
  using server = new ReconnectingConnection({
    dial: (signal, other) => connect(goal, trust, signal, other),
    home: {
      place: { ...goal, text: endpointText(goal) },
      way: trust ? "tls" : "tcp",
    },
    ...(access.asks ? {} : { giveUpAfterMs: PIPE_GIVES_UP_AFTER_MS }),
    // A pipe waits: nothing is left out in the middle.
    patient: piped,
  });
  const session = new Session({
    server,
    terminal,
    view,
    name: goal.name,
    access,
    ...(piped ? {} : { ignored: ignoredOn(goal) }),
    direct: {
      listens: !options["no-listen"] && !piped && transfer?.kind !== "send",
      hostname: options["direct-host"],
      files: await filesOf(setting),
    },
    ...(piped ? { refused: refusals.add } : {}),
  });
  setting.session = session;
  const reading = session.run(); // the read loop
  const writing = speak(session, goal, setting);
  try {
    // The other loop ends with the connection, or waits for a line in vain.
    await Promise.race([reading, writing]);
    if (transfer) await writing; // which knows whether all arrived
  } catch (error) {
    if (piped) refusals.tellLost(server.unanswered);
    throw error;
  } finally {
    session.chat.order.flush();
  }
  return refusals.failed ? EXIT.failed : EXIT.ok;
}

/** The write loop: sends what is typed, once we are registered, and signs out. */
async function speak(
  session: Session,
  goal: Goal,
  { access, options, piped, refusals, results, terminal }: Setting,
): Promise<void> {
  const { server } = session;
  const { room = DEFAULT_ROOM, transfer } = options;
  const signsUp = access.signIn.way === "signup";
  await session.present;
  let isDone = true;
  if (transfer) {
    session.messages.showHeld();
    const { runTransfer } = await import("./client/chat/file_pipe.ts");
    isDone = await runTransfer(session, transfer, results);
  } else if (piped) {
    await session.join(room);
    session.messages.showHeld();
    await sendLines(session, room, refusals);
  } else {
    session.note(`Welcome, ${session.name}. Type /help for commands.`);
    if (signsUp) session.note(accountCreated(session.name));
    const { fault } = session.messages.ignored;
    if (fault !== "") session.note(fault);
    const ignored = session.messages.ignored.names.join(", ");
    if (ignored !== "") {
      session.note(`Hiding messages of ${ignored}; /unignore NAME ends that`);
    }
    if (access.asks && !options.tls && !isLoopback(goal.hostname)) {
      session.note(NOT_ENCRYPTED);
    }
    const chooses = options.name === undefined && options.room === undefined;
    const first = chooses ? "/rooms" : `/join ${room}`;
    await runTypedLines(session, terminal, first);
  }
  await inTime("sign out", server, session.logout());
  if (!isDone) throw new Failure(EXIT.failed, ""); // the user was told why
}

const NOT_ENCRYPTED =
  "Connection not encrypted; others on the network can read it. Use --tls.";

/** The users who are hidden on a server. */
function ignoredOn(goal: Goal): IgnoredUsers {
  try {
    return new IgnoredUsers(settingsPath("ignored"), serverText(goal));
  } catch {
    return new IgnoredUsers(); // the program may not ask for the home folder
  }
}

/** Where files go, what others may get, and how transfers are shown. */
async function filesOf(setting: Setting): Promise<DirectSettings["files"]> {
  const { options: { downloads, share, transfer }, terminal } = setting;
  const draws = terminal.kind === "raw" ||
    (transfer !== undefined && Deno.stderr.isTerminal());
  return {
    folder: downloads,
    shared: await sharedFolder(share),
    draw: draws ? (rows) => setting.session?.drawTransfers(rows) : undefined,
    columns: columnsNow,
    // One transfer needs no question: it takes what it was started for.
    accepts: transfer && ((name) =>
      transfer.kind === "receive" &&
      lookAlike(transfer.user ?? name) === lookAlike(name)),
  };
}

/** @throws {Failure} If it is no folder. */
async function sharedFolder(
  path: string | undefined,
): Promise<SharedFolder | undefined> {
  if (path === undefined) return undefined;
  const { SharedFolder } = await import("./client/files/file_source.ts");
  return await SharedFolder.open(path).catch((cause) => {
    throw new Failure(EXIT.usage, cause.message, { cause });
  });
}

/** The terminal, if there is one, and how things are to look on it. */
async function openSetting(
  options: Options,
  stop: AbortController,
): Promise<Setting & AsyncDisposable> {
  const { input } = streamsNow();
  const transfers = options.transfer !== undefined;
  const closed = (error: OutputClosed) => {
    if (!setting.piped) return stop.abort(error);
    // What comes in is sent in any case: that is what a pipe is for.
    if (!error.isHarmless) setting.refusals.tellOf(outputFault(error));
  };
  const interrupt = interrupting(stop);
  const hurry = stop.signal;
  const terminal = transfers
    ? await openAside({ closed, interrupt, hurry })
    : await openTerminal({
      plain: options.plain,
      complete: (line) => complete(setting.session, line),
      begins: () => setting.session?.begin(),
      ...{ closed, interrupt, hurry },
    });
  const plain = terminal.kind === "plain";
  const colors = options.color === "always" ||
    (options.color === "auto" && !plain && !Deno.env.get("NO_COLOR"));
  const results = new Output(Deno.stdout, closed);
  const setting: Setting & AsyncDisposable = {
    options,
    access: new Access({
      way: options.way,
      code: options.code,
      passwordFile: options["password-file"],
      terminal: input ? terminal : undefined,
    }),
    piped: !input && !options.plain && !transfers,
    terminal,
    refusals: new Refusals(),
    results,
    view: new View({ plain, colors, columns: () => terminal.columns }),
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]();
      await results.drained(hurry);
    },
  };
  return setting;
}

/** Standard error as the terminal: standard output is for the next program. */
async function openAside(options: PlainOptions): Promise<Terminal> {
  const { PlainTerminal } = await import("./terminal/plain_terminal.ts");
  const draws = Deno.stderr.isTerminal();
  return new PlainTerminal({ ...options, sink: Deno.stderr, draws });
}

/** What Ctrl-C does. */
function interrupting(stop: AbortController): () => void {
  return () => stop.abort(new Failure(EXIT.interrupted, ""));
}

function outputFault({ message, cause }: OutputClosed): string {
  return `${message}: ${systemReason(cause)}`;
}

/** Says why we end, if there is something to say, and gives the exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof OutputClosed) {
    if (error.isHarmless) return EXIT.ok; // as with `| head`
    await printError(outputFault(error));
    return EXIT.failed;
  }
  const fault = usageFault(error);
  if (fault !== undefined) {
    await printError(fault);
    return EXIT.usage;
  }
  if (!(error instanceof Failure)) throw error;
  for (const line of [error.message, error.advice]) {
    if (line !== "") await printError(sanitize(line));
  }
  return error.exitCode;
}

async function main(args: string[]): Promise<number> {
  queueErrors();
  try {
    const options = await readOptions(args);
    if (typeof options === "object") {
      const stop = new AbortController();
      using _signals = onEndSignals((exitCode) =>
        stop.abort(new Failure(exitCode, ""))
      );
      onHangUp(() => stop.abort(new Failure(HUNG_UP, "")));
      const run = options.gui ? chatInBrowser : chat;
      return await run(options, stop);
    }
    const { helpText } = await import("./terminal/usage.ts");
    const { commandFor } = await import("./platform/program.ts");
    const command = commandFor("client");
    const table = helpText(usage(command), OPTIONS);
    const whole = `${table}\n\n${examples(command)}\n\n${EXIT_HELP}`;
    console.log(options === "help" ? whole : `parley ${config.version}`);
    return EXIT.ok;
  } catch (error) {
    return await report(failureOf(error));
  } finally {
    await errorsWritten();
  }
}

if (import.meta.main) {
  Deno.exit(await main(Deno.args));
}
