/**
 * Runs typed lines in the terminal client. What a line means, and which commands
 * there are, is decided in core/text/typed_line.ts.
 *
 * Lines run in their order: at once, or, while the connection is lost, after it
 * is back. A command that needs no server runs at once in any case, also while
 * messages wait for a limit of the server; so does quitting.
 *
 * @module
 */
import { ChatError, lookAlike, targetKind } from "../../protocol.ts";
import { readHistory, SHARED_COMMANDS } from "../../core/commands.ts";
import {
  accountCreated,
  accountDeleted,
  alreadyAccount,
  noOwnAccount,
  passwordChanged,
  SENT_TO_SELF,
} from "../../core/text/sentences.ts";
import {
  type Command,
  type CommandName,
  COMMANDS,
  parseLine,
  type RunCommand,
  usageHelp,
} from "../../core/text/typed_line.ts";
import type { Direct } from "../direct/direct.ts";
import {
  EchoError,
  type Line,
  type Terminal,
} from "../../terminal/terminal.ts";
import { WINDOW_MESSAGES } from "./pipe.ts";
import type { Session } from "./session.ts";

/** Limit of queued lines; at the limit no more are read. */
const MAX_QUEUED = 1_000;

/**
 * Runs `first`, which was not typed, and then every typed line, until the input
 * ends. Lines are read from the start: `first` may wait for the server.
 *
 * @throws {Failure} If the connection ends before.
 */
export async function runTypedLines(
  session: Session,
  terminal: Terminal,
  first: string,
): Promise<void> {
  const { readable, writable } = new TransformStream<Line, Line>(
    undefined,
    { highWaterMark: MAX_QUEUED },
  );

  /** A command that needs no server overtakes the queue. */
  const readLines = async () => {
    const writer = writable.getWriter();
    for (;;) {
      const typed = await terminal.read();
      if (typed === undefined) break;
      const line = terminal.kind === "plain" ? session.read(typed) : typed;
      if (line === undefined) continue;
      if (session.waits && isLocal(session, line)) {
        await runLine(session, line);
        continue;
      }
      if (session.away && terminal.kind === "plain") {
        session.note(`Queued: ${line.text}`);
      }
      session.queue.push(line.text);
      if (session.away || isBusy) session.drawPending();
      writer.write(line).catch(() => {}); // if it fails, so has runLines
      await writer.ready;
    }
    if (session.waits && terminal.kind === "raw") await session.logout(); // Ctrl-D
    writer.close().catch(() => {});
  };

  let isBusy = true; // with a line
  const runLines = async () => {
    try {
      await runLine(session, { text: first, pasted: false });
      session.messages.showHeld();
      session.prompt();
      isBusy = false;
      for await (const line of readable) {
        await session.present;
        isBusy = true;
        session.queue.shift();
        session.drawPending();
        await runTyped(session, terminal, line);
        isBusy = false;
        session.drawPending();
      }
      await session.server.settled(0);
    } catch (error) {
      if (!session.leaving) throw error; // else the user wants no answer
    }
  };

  await Promise.all([readLines(), runLines()]);
}

async function runTyped(
  session: Session,
  terminal: Terminal,
  line: Line,
): Promise<void> {
  const { kind } = parseLine(line.text, line.pasted);
  const isHeard = session.room !== undefined || session.direct.opened?.current;
  const isSent = kind === "private" || (kind === "message" && isHeard);
  if (!isSent && terminal.kind === "raw") {
    session.show({ kind: "echo", text: session.promptText + line.text });
  } else if (!isSent) {
    await session.server.settled(0); // keeps the output in the order of the lines
  }
  await runLine(session, line);
  await session.server.settled(WINDOW_MESSAGES);
}

/** Whether `line` needs no server. */
function isLocal(session: Session, line: Line): boolean {
  const typed = parseLine(line.text, line.pasted);
  switch (typed.kind) {
    case "nothing":
      return session.room !== undefined;
    case "message":
      return session.direct.opened?.current !== undefined;
    case "private":
      return false;
    case "invalid":
      return true;
    case "command": {
      const { offline }: Command = COMMANDS[typed.name];
      return offline === true;
    }
  }
}

/** Runs a typed line. Shows what the server refuses. */
export async function runLine(session: Session, line: Line): Promise<void> {
  const typed = parseLine(line.text, line.pasted);
  const room = session.room;
  const direct = session.direct.opened;
  const person = session.nicks.personIn(typed, line.text);
  if (person) return session.showError(person);
  try {
    switch (typed.kind) {
      case "nothing":
        if (!room && !direct?.current) await session.join("");
        return;
      case "message":
        if (direct?.current) return direct.message("", typed.text);
        if (session.expelledFrom) {
          return session.showError(
            `Not sent: you are no longer in ${session.expelledFrom}. ` +
              "Type /join ROOM to choose a room.",
          );
        }
        return room
          ? session.sendTo(room, typed.text)
          : await session.join(line.text);
      case "private":
        return session.sendTo(typed.to, typed.text);
      case "invalid":
        return session.showError(typed.help);
      case "command": {
        const run: RunCommand<Session> = RUN[typed.name];
        const result = await run(session, typed.rest);
        if (result === "usage") {
          session.showError(usageHelp(typed.name, typed.rest));
        }
      }
    }
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    session.explain(error);
  }
}

/** Every command. */
const RUN = {
  ...SHARED_COMMANDS,
  join: (session, rest) => rest === "" ? "usage" : session.join(rest),
  leave: (session, rest) => session.leave(rest || undefined),
  rooms: (session) => session.showRooms(),
  history,
  ignore,
  unignore,
  call,
  accept: onName("accept"),
  decline: onName("decline"),
  direct,
  hangup: onName("hangUp"),
  listen,
  send,
  get,
  async files(session, rest): Promise<void | "usage"> {
    if (rest !== "") return "usage";
    (await session.direct.open()).files.showAll();
  },
  cancel,
  signup: (session, rest) => rest === "" ? signUp(session) : "usage",
  password: (session, rest) => rest === "" ? changePassword(session) : "usage",
  unregister: (session, rest) => rest === "" ? unregister(session) : "usage",
  clear: (session) => session.clear(),
  quit: (session) => session.logout(),
} as const satisfies Readonly<Record<CommandName, RunCommand<Session>>>;

function history(session: Session, rest: string): Promise<void> | "usage" {
  const typed = readHistory(rest);
  return typed ? session.history(typed.most, typed.user) : "usage";
}

function ignore(session: Session, rest: string): void | "usage" {
  const { ignored } = session.messages;
  if (rest === "") {
    const names = ignored.names.join(", ");
    return session.note(names ? `Ignored: ${names}` : "No user is ignored");
  }
  if (targetKind(rest) !== "user") return "usage";
  if (isOwn(session, rest)) {
    return session.note("Cannot hide your own messages");
  }
  const why = ignored.change(rest, true);
  const until = why === "" ? "" : ", until you quit";
  session.note(
    `Hiding ${rest}'s messages${until}; /unignore ${rest} ends that`,
  );
  if (why !== "") session.note(`Cannot remember it: ${why}`);
}

function unignore(session: Session, rest: string): void | "usage" {
  const { ignored } = session.messages;
  if (targetKind(rest) !== "user") return "usage";
  if (!ignored.has(rest)) return session.note(`${rest} is not ignored`);
  const why = ignored.change(rest, false);
  session.note(`Showing ${rest}'s messages again`);
  if (why !== "") session.note(`Cannot remember it: ${why}`);
}

async function call(session: Session, rest: string): Promise<void | "usage"> {
  if (targetKind(rest) !== "user") return "usage";
  if (isOwn(session, rest)) return session.note("Cannot call yourself");
  (await session.direct.open()).call(rest);
}

async function direct(session: Session, rest: string): Promise<void> {
  const [, name = "", text = ""] =
    /^(?:@([^\s:]+):?(?:\s+|$))?([^]*)$/.exec(rest) ?? [];
  const direct = await session.direct.open();
  if (text === "") direct.switch(name);
  else direct.message(name, text);
}

/** Does something with the call or session of a name, or of no name. */
function onName(
  action: keyof Pick<Direct, "accept" | "decline" | "hangUp">,
): RunCommand<Session> {
  return async (session, rest): Promise<void | "usage"> => {
    if (rest !== "" && targetKind(rest) !== "user") return "usage";
    await (await session.direct.open())[action](rest);
  };
}

function listen(session: Session, rest: string): void | "usage" {
  if (!["", "on", "off"].includes(rest)) return "usage";
  if (rest !== "") session.direct.listening = rest === "on";
  session.note(
    session.direct.listening
      ? "Users can call you; /listen off ends that"
      : "Calls are refused; /listen on allows them",
  );
}

async function send(session: Session, rest: string): Promise<void | "usage"> {
  const { splitWords } = await import("../../platform/shell_words.ts");
  const [name = "", ...paths] = splitWords(rest) ?? [];
  if (targetKind(name) !== "user" || paths.length === 0) return "usage";
  if (isOwn(session, name)) return session.note(SENT_TO_SELF);
  await (await session.direct.open()).send(name, paths);
}

async function get(session: Session, rest: string): Promise<void | "usage"> {
  const { splitWords } = await import("../../platform/shell_words.ts");
  const [name = "", ...paths] = splitWords(rest) ?? [];
  if (targetKind(name) !== "user" || paths.length > 1) return "usage";
  if (isOwn(session, name)) return session.note("Cannot get from yourself");
  (await session.direct.open()).get(name, paths[0]);
}

async function cancel(session: Session, rest: string): Promise<void | "usage"> {
  if (!/^\d{0,9}$/.test(rest)) return "usage";
  const { files } = await session.direct.open();
  files.cancel(rest === "" ? undefined : Number(rest));
}

const SIGN_UP_BY_FILE =
  "Start the client with --signup and --password-file FILE.";

async function signUp(session: Session): Promise<void> {
  const { access, name } = session;
  if (access.signIn.owned) return session.note(alreadyAccount(name));
  await askSecrets(session, SIGN_UP_BY_FILE, {
    ask: () => access.signUpHere(session.server, name),
    done: accountCreated(name),
    otherwise: "No password was entered. Nothing has changed.",
  });
}

/** Asks for passwords, and does what they are for. */
async function askSecrets(
  session: Session,
  advice: string,
  { ask, done, otherwise }: {
    readonly ask: () => Promise<boolean>;
    readonly done: string;
    readonly otherwise: string;
  },
): Promise<void> {
  if (!session.access.asks) {
    const why = "the input is not a terminal";
    return session.showError(
      `Cannot ask for a password: ${why}. ${advice}`.trim(),
    );
  }
  let isDone: boolean;
  try {
    isDone = await ask();
  } catch (error) {
    if (!(error instanceof EchoError)) throw error;
    return session.showError(`${error.message}. ${advice}`.trim());
  }
  session.note(isDone ? done : otherwise);
}

async function changePassword(session: Session): Promise<void> {
  const { access, name } = session;
  if (!access.signIn.owned) return session.note(noOwnAccount(name));
  await askSecrets(session, "", {
    ask: () => access.changePasswordHere(session.server, name),
    done: passwordChanged(name),
    otherwise: "No password was entered. Nothing has changed.",
  });
}

async function unregister(session: Session): Promise<void> {
  const { access, name } = session;
  if (!access.signIn.owned) return session.note(noOwnAccount(name));
  await askSecrets(session, "", {
    ask: () => access.unregisterHere(session.server, name),
    done: accountDeleted(name),
    otherwise: "Not confirmed. Nothing has changed.",
  });
}

function isOwn(session: Session, name: string): boolean {
  return lookAlike(name) === lookAlike(session.name);
}
