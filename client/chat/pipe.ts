/**
 * Standard input that is no terminal: each line is one message, sent as it is,
 * also if it is empty or begins with / or @.
 *
 * Many lines are sent before the first is answered: a file must not take a round
 * trip for each line. A window limits them, so neither side stores a file in
 * memory.
 *
 * @module
 */
import { type ChatError, concat } from "../../protocol.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { inUtf8 } from "../../terminal/lines.ts";
import type { Request } from "../../core/net/connection.ts";
import { errorText } from "../../core/net/connection_error.ts";
import type { Session } from "./session.ts";

/** Messages that may be unanswered before the next is sent. */
export const WINDOW_MESSAGES = 256;

/** Bytes of messages that may be unanswered before the next is sent. */
const WINDOW_BYTES = 1024 * 1024;

/** A line of the input; of one that is too long, only its length. */
type InputLine = Uint8Array | { readonly bytes: number };

/**
 * Sends every line of standard input to `room`, and waits until all are answered.
 *
 * @throws {Failure} If the connection ends before.
 */
export async function sendLines(
  { server, chat }: Session,
  room: string,
  refusals: Refusals,
): Promise<void> {
  const most = chat.maxBodyBytes;
  let number = 0;
  const input = inUtf8(Deno.stdin.readable);
  for await (const lines of splitLines(input, most)) {
    for (const text of lines) {
      number++;
      if (!(text instanceof Uint8Array)) {
        const why = `it has ${text.bytes} bytes, the limit is ${most}`;
        refusals.tell(number, why, `over the limit of ${most} bytes`);
        continue;
      }
      if (text.includes(NUL)) {
        refusals.tell(number, "it is no text: it has a NUL character");
        continue;
      }
      await server.settled(
        WINDOW_MESSAGES - 1,
        Math.max(0, WINDOW_BYTES - text.length),
      );
      refusals.numbers.set(server.post("SEND", [room], {}, text), number);
    }
  }
  await server.settled(0);
}

/**
 * Tells which lines of a pipe were not sent, by their numbers: for each reason
 * the first at once, and the others in one line at the end.
 */
export class Refusals {
  /** Whether there is one, or something else went wrong. */
  failed = false;
  /** The line number of each request. */
  readonly numbers = new WeakMap<Request, number>();
  readonly #others = new Map<string, number[]>(); // by reason

  /** Tells that a request was refused. */
  readonly add = (request: Request, error: ChatError): void =>
    this.tell(this.numbers.get(request) ?? 0, errorText(error));

  /** Tells why a line was not sent; `kind` is what other lines may share. */
  tell(number: number, why: string, kind = why): void {
    this.failed = true;
    const others = this.#others.get(kind);
    if (others) return void others.push(number);
    if (this.#others.size < MAX_REASONS) this.#others.set(kind, []);
    console.error(sanitize(`Cannot send line ${number}: ${why}`));
  }

  /** Tells of a failure that is not one of a line. */
  tellOf(fault: string): void {
    this.failed = true;
    console.error(sanitize(fault));
  }

  /** Tells, at the end, of the lines that shared a reason with an earlier one. */
  tellOthers(): void {
    for (const [kind, numbers] of this.#others) {
      if (numbers.length === 0) continue;
      console.error(sanitize(`Nor ${numbersText(numbers)}: ${kind}`));
    }
    this.#others.clear();
  }

  /** Tells which lines may have been sent, and were not answered. */
  tellLost(requests: readonly Request[]): void {
    const numbers = requests.flatMap((one) => this.numbers.get(one) ?? []);
    if (numbers.length === 0) return;
    console.error(`Not answered: ${numbersText(numbers)}`);
    console.error(`Nothing after line ${Math.max(...numbers)} was sent`);
  }
}

/** So many reasons are counted; lines of further ones are all told. */
const MAX_REASONS = 100;

/** So many ranges of line numbers are told, and how many lines more. */
const MAX_RANGES = 10;

/** Line numbers in words, as in `lines 3 to 9 and 12`. */
export function numbersText(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range && range[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  const words = ranges.slice(0, MAX_RANGES).map(([first, last]) =>
    first === last ? `${first}` : `${first} to ${last}`
  );
  const more = ranges.slice(MAX_RANGES)
    .reduce((sum, [first, last]) => sum + last - first + 1, 0);
  if (more > 0) words.push(`${more.toLocaleString("en")} more`);
  const text = words.join(", ").replace(/, (?!.*, )/, " and ");
  return `line${numbers.length === 1 ? "" : "s"} ${text}`;
}

/**
 * The lines of `input`, in batches, without their LF or CR LF. A line longer than
 * `maxBytes` is counted and not stored. The last line needs no LF.
 */
export async function* splitLines(
  input: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<InputLine[], void, void> {
  let parts: Uint8Array[] = [];
  let held = 0;
  const add = (part: Uint8Array) => {
    if (part.length === 0) return;
    held += part.length;
    // One more than the limit: for a CR that turns out to end the line.
    if (held > maxBytes + 1) parts = [];
    parts.push(part.slice());
  };
  const finish = (): InputLine => {
    const line = concat(parts); // of one that is too long, the end
    const bytes = line.at(-1) === CR ? held - 1 : held;
    parts = [];
    held = 0;
    return bytes > maxBytes ? { bytes } : line.subarray(0, bytes);
  };
  for await (const chunk of input) {
    const lines: InputLine[] = [];
    let start = 0;
    for (let lf; (lf = chunk.indexOf(LF, start)) >= 0; start = lf + 1) {
      add(chunk.subarray(start, lf));
      lines.push(finish());
    }
    add(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (held > 0) yield [finish()];
}

const NUL = 0;
const LF = 0x0a;
const CR = 0x0d;
