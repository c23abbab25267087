/**
 * Runs the typed lines in their order: at once, or, while the connection is
 * lost, after it is back. A command that needs no server runs at once in any
 * case; so does quitting.
 *
 * @module
 */
import {
  type Command,
  COMMANDS,
  parseLine,
} from "../../core/text/typed_line.ts";
import { runLine } from "./commands.ts";
import { WINDOW_MESSAGES } from "./pipe.ts";
import type { Session } from "./session.ts";
import type { Terminal } from "../../terminal/terminal.ts";

/** Limit of queued lines; at the limit no more are read. */
const MAX_QUEUED = 1_000;

/**
 * Runs every typed line, until the input ends.
 *
 * @throws {Failure} If the line to the server ends before.
 */
export async function runTypedLines(
  session: Session,
  terminal: Terminal,
): Promise<void> {
  const queue = new LineQueue();
  const reading = readAll(session, terminal, queue);
  const running = runAll(session, terminal, queue);
  await Promise.all([reading, running]);
}

/** Reads lines; a command that needs no server overtakes the queue. */
async function readAll(
  session: Session,
  terminal: Terminal,
  queue: LineQueue,
): Promise<void> {
  for (;;) {
    const line = await terminal.read();
    if (line === undefined) break;
    if (session.away && isLocal(session, line)) {
      if (isQuit(line)) noteUnsent(session, queue.count);
      await runLine(session, line);
      continue;
    }
    if (session.away) session.note(`Queued: ${line}`);
    queue.push(line);
    await queue.room();
  }
  if (session.away && terminal.kind === "raw") { // Ctrl-D
    noteUnsent(session, queue.count);
    await session.logout();
  }
  queue.end();
}

/** Runs the queued lines, one after the other, while we are registered. */
async function runAll(
  session: Session,
  terminal: Terminal,
  queue: LineQueue,
): Promise<void> {
  while (await queue.any()) {
    await session.present;
    await runQueued(session, terminal, queue.take());
  }
  await session.server.settled(0);
}

async function runQueued(
  session: Session,
  terminal: Terminal,
  line: string,
): Promise<void> {
  const { kind } = parseLine(line);
  const isHeard = session.room !== undefined || session.direct.opened?.current;
  const isSent = kind === "private" || (kind === "message" && isHeard);
  if (!isSent && terminal.kind === "raw") {
    session.show({ kind: "echo", text: session.promptText + line });
  } else if (!isSent) {
    await session.server.settled(0); // keeps the output in the order of the lines
  }
  await runLine(session, line);
  await session.server.settled(WINDOW_MESSAGES);
}

function noteUnsent(session: Session, queued: number): void {
  const sends = session.server.parked.filter(({ verb }) => verb === "SEND");
  const count = queued + sends.length;
  if (count > 0) {
    session.note(`${count} queued message${count === 1 ? "" : "s"} not sent`);
  }
}

function isLocal(session: Session, line: string): boolean {
  const typed = parseLine(line);
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

function isQuit(line: string): boolean {
  const typed = parseLine(line);
  return typed.kind === "command" && typed.name === "quit";
}

/** Lines that were read and have not run yet. */
class LineQueue {
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
    while (this.#lines.length >= MAX_QUEUED) await this.#change.promise;
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
