/**
 * Opens the terminal that fits: only its kind is loaded. One that says it is a
 * terminal and does not obey, such as Git Bash without ConPTY, is read line by line.
 *
 * @module
 */
import { SYSTEM, type System } from "../platform/system.ts";
import type { PlainOptions } from "./plain_terminal.ts";
import type { RawOptions } from "./raw_terminal.ts";
import type { Terminal } from "./terminal.ts";

/** What the system says of the streams of this program. */
export interface Streams {
  /** Whether standard input is a terminal. */
  readonly input: boolean;
  /** Whether standard output is a terminal. */
  readonly output: boolean;
  /** The variable TERM. */
  readonly term: string | undefined;
}

/** What the system says of the streams of this program now. */
export function streamsNow(): Streams {
  return {
    input: Deno.stdin.isTerminal(),
    output: Deno.stdout.isTerminal(),
    term: Deno.env.get("TERM"),
  };
}

/**
 * What can be done with the streams: `"drawn"`: the program edits the line and draws;
 * `"marked"`: the system edits lines, and the terminal marks pastes; `"plain"`:
 * nothing but lines.
 */
export type Ability = "drawn" | "marked" | "plain";

/**
 * What can be done with streams on `system`. Windows sets no TERM; elsewhere a
 * terminal without a type obeys nothing.
 */
export function abilityOf(
  { input, output, term }: Streams,
  { plain }: { readonly plain: boolean },
  system: System,
): Ability {
  const isDumb = term === "dumb" || (!term && system !== "windows");
  if (!input || !output || isDumb) return "plain";
  return plain ? "marked" : "drawn";
}

/** How a terminal is to be, of either kind. */
export interface TerminalOptions extends RawOptions, PlainOptions {
  /** Whether nothing is to be drawn. */
  readonly plain: boolean;
}

/** Opens standard input and output. */
export async function openTerminal(
  options: TerminalOptions,
): Promise<Terminal> {
  const ability = abilityOf(streamsNow(), options, SYSTEM);
  if (ability === "drawn") {
    const { RawTerminal } = await import("./raw_terminal.ts");
    const terminal = await RawTerminal.open(options);
    if (terminal) return terminal;
  }
  const { PlainTerminal } = await import("./plain_terminal.ts");
  return new PlainTerminal({ ...options, marks: ability !== "plain" });
}
