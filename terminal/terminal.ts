/**
 * Where a program shows text and reads lines: one interface, and for each kind
 * of terminal one class.
 *
 * - `raw`: keys reach the program, which edits the line and keeps the prompt
 *   whole (raw_terminal.ts).
 * - `plain`: whole lines are read and written, and no cursor moves
 *   (plain_terminal.ts): for pipes, files and screen readers.
 *
 * @module
 */

/** A line that the user entered. */
export interface Line {
  /** What was typed and pasted, byte for byte; a paste may have line breaks. */
  readonly text: string;
  /**
   * Whether it begins with a paste of several lines. Then it is text, whatever
   * it looks like: a pasted file must not run commands.
   */
  readonly pasted: boolean;
}

/** A terminal. Dispose it to leave it as it was found. */
export interface Terminal extends AsyncDisposable {
  readonly kind: "raw" | "plain";

  /** What is typed and not entered, if it is no answer to a question. */
  readonly typed: string;

  /** How many columns it has; Infinity if lines are not to be wrapped. */
  readonly columns: number;

  /** Shows whole lines, each with its LF, soon. Never waits. */
  print(lines: string): void;

  /** Waits while what was printed is too far behind. */
  flushed(): Promise<void>;

  /** Shows `text` before what the user types, until it is changed. */
  prompt(text: string): void;

  /** Shows rows that change, above the prompt; an empty list removes them. */
  status(rows: readonly string[]): void;

  /** Asks one question; the answer stays where it was typed. */
  ask(question: string): Promise<string | undefined>;

  /**
   * Asks for a password, which is not shown.
   *
   * @throws {EchoError} If the terminal would show it.
   */
  askSecret(question: string): Promise<string | undefined>;

  /** The next line that is typed; undefined when there are no more. */
  read(): Promise<Line | undefined>;

  /** Clears the screen, if there is one. */
  clear(): void;
}

/** Lines that are typed. Iterate them once; they end with the input. */
export interface TypedLines extends AsyncIterable<Line> {
  /**
   * Whether what is typed is not shown. A hidden line is as its keys came.
   *
   * @throws {Error} If the terminal does not obey, as Git Bash without ConPTY.
   */
  hide(isHidden: boolean): void;
  /** Gives the terminal back, if it was taken. */
  close(): void;
}

/** What {@linkcode TypedLines} need of a terminal that draws nothing. */
export interface LineScreen {
  /** Shows what is typed; undefined if the output is no terminal. */
  readonly show: ((text: string) => void) | undefined;
  /** Ctrl-C was typed, where it is a key and no signal. */
  interrupt(): void;
}

/** A password is not asked for. */
export class EchoError extends Error {
  override readonly name = "EchoError";

  constructor(cause: unknown) {
    super(
      "Cannot ask for a password: this terminal would show what is typed",
      { cause },
    );
  }
}
