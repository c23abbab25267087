/**
 * What is typed, in its order: at once, or, while the connection is lost, when
 * it is back. What needs no server is done at once in any case, and so is
 * taking leave.
 *
 * @module
 */
import { findCommand, parseInput, runInput } from "./commands.ts";
import { DIRECT_LOCAL } from "./direct_commands.ts";
import { FILE_LOCAL } from "./file_commands.ts";
import { WINDOW_MESSAGES } from "./pipe.ts";
import { Screen } from "../terminal/screen.ts";
import type { Session } from "./session.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** So many typed lines may wait before no more are read. */
const MAX_WAITING = 1_000;

/** What needs no server. */
const LOCAL = [
  "help",
  "ignore",
  "unignore",
  "clear",
  "quit",
  ...DIRECT_LOCAL,
  ...FILE_LOCAL,
];

/**
 * Does what the lines mean that are typed, until there are no more.
 *
 * @throws {Failure} If the line to the server ends before.
 */
export async function speakTyped(
  session: Session,
  terminal: Terminal,
): Promise<void> {
  const waiting = new Lines();
  const reading = readAll(session, terminal, waiting);
  const running = runAll(session, terminal, waiting);
  await Promise.all([reading, running]);
}

/** Reads what is typed; what needs no server overtakes what waits for it. */
async function readAll(
  session: Session,
  terminal: Terminal,
  waiting: Lines,
): Promise<void> {
  for (;;) {
    const line = await terminal.read();
    if (line === undefined) break;
    if (session.away && isLocal(session, line)) {
      if (isQuit(line)) tellUnsent(session, waiting.count);
      await runInput(session, line);
      continue;
    }
    if (session.away) session.note(`Waits: ${line}`);
    waiting.push(line);
    await waiting.room();
  }
  if (session.away && terminal instanceof Screen) { // Ctrl-D
    tellUnsent(session, waiting.count);
    await session.logout();
  }
  waiting.end();
}

/** Runs what waits, one after the other, while we are in. */
async function runAll(
  session: Session,
  terminal: Terminal,
  waiting: Lines,
): Promise<void> {
  while (await waiting.any()) {
    await session.present;
    await run(session, terminal, waiting.take());
  }
  await session.line.settled(0);
}

async function run(
  session: Session,
  terminal: Terminal,
  line: string,
): Promise<void> {
  const { kind } = parseInput(line);
  const isHeard = session.room !== undefined || session.direct.opened?.current;
  const isSent = kind === "to" || (kind === "say" && isHeard);
  if (!isSent && terminal instanceof Screen) {
    session.show({ kind: "echo", text: session.promptText + line });
  } else if (!isSent) {
    await session.line.settled(0); // what is printed keeps the lines' order
  }
  await runInput(session, line);
  await session.line.settled(WINDOW_MESSAGES);
}

function tellUnsent(session: Session, waiting: number): void {
  const sends = session.line.parked.filter(({ verb }) => verb === "SEND");
  const count = waiting + sends.length;
  if (count > 0) session.note(`Not sent: ${count} of what was typed`);
}

function isLocal(session: Session, line: string): boolean {
  const input = parseInput(line);
  if (input.kind === "nothing") return session.room !== undefined;
  if (input.kind === "say") {
    return session.direct.opened?.current !== undefined;
  }
  if (input.kind !== "command") return input.kind === "wrong";
  const command = findCommand(input.name);
  return !command || LOCAL.includes(command.names[0]!);
}

function isQuit(line: string): boolean {
  const input = parseInput(line);
  return input.kind === "command" &&
    findCommand(input.name)?.names[0] === "quit";
}

/** Lines on their way from who reads them to who runs them. */
class Lines {
  #lines: string[] = [];
  #ended = false;
  #change = Promise.withResolvers<void>();

  /** How many there are. */
  get count(): number {
    return this.#lines.length;
  }

  push(line: string): void {
    this.#lines.push(line);
    this.#changed();
  }

  /** No more will come. */
  end(): void {
    this.#ended = true;
    this.#changed();
  }

  /** Resolves when there is one; with `false`, after the last. */
  async any(): Promise<boolean> {
    while (this.#lines.length === 0 && !this.#ended) await this.#change.promise;
    return this.#lines.length > 0;
  }

  /** The next one, after {@linkcode any} has found it. */
  take(): string {
    const line = this.#lines.shift()!;
    this.#changed();
    return line;
  }

  /** Resolves when there are not too many. */
  async room(): Promise<void> {
    while (this.#lines.length >= MAX_WAITING) await this.#change.promise;
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
