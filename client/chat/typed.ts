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
import type { Terminal } from "../../terminal/terminal.ts";
import { runLine } from "./commands.ts";
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
  const { readable, writable } = new TransformStream<string, string>(
    undefined,
    { highWaterMark: MAX_QUEUED },
  );
  /** A command that needs no server overtakes the queue. */
  const readLines = async () => {
    const writer = writable.getWriter();
    for (;;) {
      const line = await terminal.read();
      if (line === undefined) break;
      if (session.away && isLocal(session, line)) {
        await runLine(session, line);
        continue;
      }
      if (session.away) session.note(`Queued: ${line}`);
      session.queued++;
      writer.write(line).catch(() => {}); // if it fails, so has runLines
      await writer.ready;
    }
    if (session.away && terminal.kind === "raw") await session.logout(); // Ctrl-D
    writer.close().catch(() => {});
  };

  const runLines = async () => {
    try {
      await runLine(session, first);
      session.prompt();
      for await (const line of readable) {
        await session.present;
        session.queued--;
        await runTyped(session, terminal, line);
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

/** Whether `line` needs no server. */
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
