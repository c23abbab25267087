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

/** A terminal. Dispose it to leave it as it was found. */
export interface Terminal extends AsyncDisposable {
  readonly kind: "raw" | "plain";

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

  /** Asks for a password, which is not shown. */
  askSecret(question: string): Promise<string | undefined>;

  /** The next line that is typed; undefined when there are no more. */
  read(): Promise<string | undefined>;

  /** Clears the screen, if there is one. */
  clear(): void;
}
