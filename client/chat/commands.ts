/**
 * What a person can type.
 *
 *     hello            to the room
 *     @bob: hi         to one person; @ALL to everybody
 *     /join lab        a command; //text says "/text"
 *     LIST             the course's words, when they stand alone
 *
 * To read a line is pure; to run it is the table. What is not understood is
 * explained and never sent: a mistyped command must not be read by a room.
 *
 * @module
 */
import { ChatError, targetKind } from "../../protocol.ts";
import { DIRECT_COMMANDS } from "./direct_commands.ts";
import { FILE_COMMANDS } from "./file_commands.ts";
import { listPeople } from "../../core/listing.ts";
import { roomName, type Session } from "./session.ts";

/** What a typed line means. */
export type Input =
  | { readonly kind: "nothing" }
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "to"; readonly target: string; readonly text: string }
  | { readonly kind: "command"; readonly name: string; readonly rest: string }
  | { readonly kind: "wrong"; readonly help: string };

/** A command. */
export interface Command {
  /** Its name and its other names, without `/`. */
  readonly names: readonly string[];
  /** What follows the name, for the help. */
  readonly usage: string;
  /** What it does, in one line. */
  readonly help: string;
  /** Runs it; `"usage"` if the rest of the line does not fit. */
  run(session: Session, rest: string): Promise<void | "usage">;
}

/** Reads a typed line. */
export function parseInput(line: string): Input {
  const trimmed = line.trim();
  if (trimmed === "") return { kind: "nothing" };
  if (line.startsWith("//")) return { kind: "say", text: line.slice(1) };
  if (WORDS.has(trimmed)) {
    return { kind: "command", name: trimmed.toLowerCase(), rest: "" };
  }
  if (line.startsWith("/")) {
    const [, name = "", rest = ""] = /^\/(\S*)\s*([^]*)$/.exec(line) ?? [];
    return { kind: "command", name: name.toLowerCase(), rest: rest.trim() };
  }
  return line.startsWith("@")
    ? parsePrivate(line)
    : { kind: "say", text: line };
}

function parsePrivate(line: string): Input {
  const [, target = "", text = ""] = /^@([^\s:]*):?\s*([^]*)$/.exec(line) ?? [];
  const kind = targetKind(target);
  if (text.trim() === "" || (kind !== "user" && kind !== "all")) {
    return { kind: "wrong", help: PRIVATE_HELP };
  }
  return { kind: "to", target, text };
}

/** Does what a typed line means. Shows what the server refuses. */
export async function runInput(session: Session, line: string): Promise<void> {
  const input = parseInput(line);
  const room = session.room;
  const direct = session.direct.opened;
  try {
    switch (input.kind) {
      case "nothing":
        if (!room && !direct?.current) await session.join("");
        return;
      case "say":
        if (direct?.current) return direct.say("", input.text);
        return room ? session.send(room, input.text) : await session.join(line);
      case "to":
        return session.send(input.target, input.text);
      case "wrong":
        return session.show({ kind: "error", text: input.help });
      case "command":
        return await runCommand(session, input.name, input.rest);
    }
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    session.explain(error);
  }
}

async function runCommand(
  session: Session,
  name: string,
  rest: string,
): Promise<void> {
  const command = findCommand(name);
  if (!command) {
    const nearest = nearestCommand(name);
    const guess = nearest ? `Did you mean /${nearest}?` : "Try /help.";
    const text = `Unknown command "/${name}". ${guess} ` +
      `To say it, type //${name}`;
    return session.show({ kind: "error", text });
  }
  if (await command.run(session, rest) !== "usage") return;
  session.show({ kind: "error", text: `Usage: ${usageOf(command)}` });
}

/** The command called `name`, in lower case and without `/`. */
export function findCommand(name: string): Command | undefined {
  return COMMANDS.find(({ names }) => names.includes(name));
}

/** What may have been meant by `name`: at most two mistakes away. */
export function nearestCommand(name: string): string | undefined {
  const all = COMMANDS.flatMap(({ names }) => names)
    .filter((one) => one.length > 1)
    .map((one) => ({ one, away: distance(name, one) }))
    .sort((a, b) => a.away - b.away);
  const best = all[0];
  return best && best.away <= 2 && best.away < name.length
    ? best.one
    : undefined;
}

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  {
    names: ["help", "h", "?"],
    usage: "[COMMAND]",
    help: "Show what can be typed",
    run: (session, rest) => Promise.resolve(showHelp(session, rest)),
  },
  {
    names: ["join", "j"],
    usage: "ROOM",
    help: "Enter a room, or switch to one you are in",
    run: (session, rest) => rest === "" ? wrong() : session.join(rest),
  },
  {
    names: ["leave", "part"],
    usage: "[ROOM]",
    help: "Leave the room, or the one that is named (LEAVE)",
    run: (session, rest) => session.leave(rest || undefined),
  },
  {
    names: ["rooms"],
    usage: "",
    help: "Show the rooms and how many are in each",
    run: (session) => session.showRooms(),
  },
  {
    names: ["list", "names"],
    usage: "",
    help: "Show who is in the room, in short (LIST)",
    run: list,
  },
  {
    names: ["who", "w"],
    usage: "[ROOM | all]",
    help: "Show who is in a room, or connected, and from where",
    run: who,
  },
  {
    names: ["msg", "m"],
    usage: "NAME TEXT",
    help: "Write to one person, as @NAME: TEXT does",
    run: (session, rest) => {
      const input = parseInput(`@${rest}`);
      if (input.kind !== "to") return wrong();
      return Promise.resolve(session.send(input.target, input.text));
    },
  },
  {
    names: ["reply", "r"],
    usage: "TEXT",
    help: "Write to whoever wrote to you alone last",
    run: (session, rest) => {
      if (rest === "") return wrong();
      if (session.messages.lastSender) {
        session.send(session.messages.lastSender, rest);
      } else session.note("Nobody wrote to you alone yet");
      return Promise.resolve();
    },
  },
  {
    names: ["history"],
    usage: "[NUMBER]",
    help: "Show the last messages again, or older ones",
    run: (session, rest) => {
      if (!/^([1-9]\d{0,4})?$/.test(rest)) return wrong();
      return session.history(rest === "" ? undefined : Number(rest));
    },
  },
  {
    names: ["ignore"],
    usage: "[NAME]",
    help: "Hide what somebody says; without NAME, show who is hidden",
    run: ignore,
  },
  {
    names: ["unignore"],
    usage: "NAME",
    help: "Show again what somebody says",
    run: (session, rest) => {
      if (targetKind(rest) !== "user") return wrong();
      session.messages.ignore(rest, false);
      session.note(`You hear ${rest} again`);
      return Promise.resolve();
    },
  },
  ...DIRECT_COMMANDS,
  ...FILE_COMMANDS,
  {
    names: ["signup"],
    usage: "",
    help: "Make your name an account; asks for a password, unseen",
    run: (session, rest) => rest === "" ? signUp(session) : wrong(),
  },
  {
    names: ["clear"],
    usage: "",
    help: "Clear the screen",
    run: (session) => Promise.resolve(session.clear()),
  },
  {
    names: ["ping"],
    usage: "",
    help: "Measure how long the server takes to answer",
    run: async (session) => {
      session.note(
        `The server answers in ${(await session.ping()).toFixed(1)} ms`,
      );
    },
  },
  {
    names: ["quit", "exit", "logout", "q"],
    usage: "",
    help: "Take leave and end (LOGOUT, Ctrl-D)",
    run: (session) => session.logout(),
  },
];

async function list(session: Session): Promise<void> {
  if (!session.room) return await session.showRooms();
  const people = await listPeople(session.line, session.room);
  const names = people.map(({ name }) => name).join(", ");
  session.note(`In ${session.room} (${people.length}): ${names}`);
}

async function who(session: Session, rest: string): Promise<void | "usage"> {
  const everybody = rest.toLowerCase() === "all" || (!rest && !session.room);
  const room = everybody ? "ALL" : roomName(rest || session.room!);
  if (!room) return "usage";
  const people = await listPeople(session.line, room);
  const where = everybody ? "Connected" : `In ${room}`;
  session.note(`${where}: ${people.length}`);
  const width = people.reduce((most, { name }) => {
    return Math.max(most, name.length);
  }, 0);
  for (const { name, details } of people) {
    session.note(`  ${name.padEnd(width)}  ${details}`);
  }
}

function ignore(session: Session, rest: string): Promise<void | "usage"> {
  if (rest === "") {
    const names = session.messages.ignored.join(", ");
    session.note(names ? `You ignore ${names}` : "You ignore nobody");
    return Promise.resolve();
  }
  if (targetKind(rest) !== "user") return wrong();
  session.messages.ignore(rest, true);
  session.note(`You ignore ${rest} from now on; /unignore ${rest} ends that`);
  return Promise.resolve();
}

async function signUp(session: Session): Promise<void> {
  const { access, line, name } = session;
  if (access.owns) {
    return session.note(
      `${name} is an account already; there is no way to change a password yet`,
    );
  }
  if (!access.asks) {
    const text = "Cannot ask for a password: the input is no terminal. " +
      "Start the client with --signup and --password-file FILE.";
    return session.show({ kind: "error", text });
  }
  const done = await access.signUpHere(line, name);
  session.note(
    done
      ? `The name ${name} is yours now: it needs your password`
      : "No password was entered; nothing has changed",
  );
}

function showHelp(session: Session, rest: string): void {
  const name = rest.replace(/^\//, "").toLowerCase();
  const one = name === "" ? undefined : findCommand(name);
  if (one) {
    const others = one.names.slice(1).map((other) => `/${other}`).join(", ");
    session.note(`${usageOf(one)}  ${one.help}`);
    if (others) session.note(`Also: ${others}`);
    return;
  }
  if (name !== "") session.note(`There is no command "/${name}"`);
  const lines = [
    ["TEXT", "Say it to the room"],
    ["@NAME: TEXT", "Say it to one person; @ALL: to everybody"],
    ...COMMANDS.map((command) => [usageOf(command), command.help]),
    ["//TEXT", "Say something that begins with /"],
    ["Tab, Up", "Complete a name; bring back what was typed"],
  ];
  for (const [what = "", does] of lines) {
    session.note(`${what.padEnd(20)} ${does}`);
  }
}

function usageOf({ names, usage }: Command): string {
  return `/${names[0]} ${usage}`.trim();
}

function wrong(): Promise<"usage"> {
  return Promise.resolve("usage");
}

/** How many letters must be changed, added, left out or swapped. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

const WORDS = new Set(["LIST", "LEAVE", "LOGOUT"]);

const PRIVATE_HELP = "To write to one person: @NAME: TEXT, " +
  'as in "@bob: hi"; to everybody: "@ALL: hi". ' +
  "Names have 1 to 32 letters and digits. Nothing was sent.";
