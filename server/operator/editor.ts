/**
 * The line that the operator edits: node:readline, on a screen that is drawn by
 * server/operator/screen.ts.
 *
 * @module
 */
import * as readline from "node:readline";
import { Readable, Writable } from "node:stream";
import { writeOut } from "./shown.ts";

/** What happens while a line is edited. */
export interface Editing {
  /** What is shown when it begins. */
  readonly hint: string;
  /** What could complete `line`, and which part of it that replaces. */
  complete(line: string): [candidates: string[], part: string];
  /** Ctrl-C was typed. */
  interrupt(): void;
}

/** What we use of readline, with the parts that its types leave out. */
export type Editor = readline.Interface & {
  /** Where its next drawing looks for the prompt: so many rows up. */
  prevRows: number;
};

/** A line that is edited by what is pushed into `keys`, bytes as typed. */
export function edit(
  { complete, interrupt }: Editing,
): { editor: Editor; keys: Readable } {
  const keys = new Readable({ read() {} });
  const output = new Writable({
    decodeStrings: false,
    write: (text, _encoding, done) => {
      writeOut(String(text));
      done();
    },
  });
  Object.defineProperties(output, {
    columns: { get: columnsNow },
    isTTY: { value: true },
  });
  const editor = readline.createInterface({
    input: keys,
    output,
    terminal: true,
    prompt: "> ",
    removeHistoryDuplicates: true,
    completer: complete,
  });
  editor.on("SIGINT", interrupt);
  return { editor: editor as Editor, keys }; // the cast: see Editor
}

function columnsNow(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // no terminal any more; the usual width
  }
}
