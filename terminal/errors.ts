/**
 * Standard error: what goes wrong, for people and for logs. Its lines are queued as
 * those of any {@linkcode Output}: a terminal that nothing reads stops nothing.
 *
 * @module
 */
import { columnsNow } from "../platform/system.ts";
import { LossyLines } from "./output.ts";

const errors = new LossyLines(Deno.stderr);

/**
 * Lets `console.error` queue its lines. Its own write waits for the reader, and it
 * throws when the terminal is gone or the disk is full.
 */
export function queueErrors(): void {
  console.error = (...data: unknown[]) => {
    const words = data.map((one) =>
      typeof one === "string" ? one : Deno.inspect(one)
    );
    errors.print(`${words.join(" ")}\n`);
  };
}

/** Waits until the errors are written, or nothing reads them. */
export async function errorsWritten(): Promise<void> {
  await errors.drained();
}

/** Prints why the program ends, on a terminal wrapped between words. */
export async function printError(text: string): Promise<void> {
  const { wrap } = await import("./columns.ts");
  const columns = Deno.stderr.isTerminal() ? columnsNow() : Infinity;
  const rows = text.split("\n").flatMap((line) => wrap(line, columns));
  errors.print(`${rows.join("\n")}\n`);
}
