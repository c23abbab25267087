/** Outputs whose reader is slow, stands still, goes away, or comes back. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import {
  LossyLines,
  Output,
  OutputClosed,
  type Sink,
  terminalsWritten,
} from "../../terminal/output.ts";

/** A sink that takes what the test lets it take. */
class TestSink implements Sink {
  text = "";
  /** Thrown by the next write. */
  error: Error | undefined;
  readonly #isTerminal: boolean;
  #open = Promise.withResolvers<void>();

  constructor({ isOpen = true, isTerminal = false } = {}) {
    this.#isTerminal = isTerminal;
    if (isOpen) this.#open.resolve();
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** Takes nothing until {@linkcode TestSink.open}. */
  shut(): void {
    this.#open = Promise.withResolvers();
  }

  open(): void {
    this.#open.resolve();
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#open.promise;
    const { error } = this;
    this.error = undefined;
    if (error) throw error;
    this.text += new TextDecoder().decode(bytes.subarray(0, 4));
    return Math.min(4, bytes.length);
  }
}

const never = (error: Error) => {
  throw error;
};

Deno.test("an output writes in order, whatever part of it a write takes", async () => {
  const sink = new TestSink();
  const output = new Output(sink, never);

  output.write("one two ");
  output.write("");
  output.write("three");
  assertEquals(output.behind, 13);
  await output.flushed();

  assertEquals([sink.text, output.behind], ["one two three", 0]);
});

Deno.test("an output that takes nothing now is tried again", async () => {
  const sink = new TestSink();
  const output = new Output(sink, never);

  sink.error = new Deno.errors.WouldBlock("EAGAIN");
  output.write("one two");
  await output.flushed();

  assertEquals(sink.text, "one two");
});

Deno.test("an output that fails ends once, with what was not written", async () => {
  const sink = new TestSink({ isOpen: false });
  const ends: OutputClosed[] = [];
  const output = new Output(sink, (error) => ends.push(error));

  output.write("one ");
  output.write("two\n");
  sink.error = new Deno.errors.BrokenPipe("EPIPE");
  sink.open();
  await output.flushed();
  output.write("three");

  assertEquals(ends.map(({ unwritten }) => unwritten), ["one two\n"]);
  assert(ends[0]!.isHarmless);
  assertEquals([sink.text, output.behind], ["", 0]);
});

Deno.test("drained() waits for a reader that reads, and not for one that does not", async () => {
  const sink = new TestSink({ isOpen: false });
  const output = new Output(sink, never);
  assert(await output.drained());

  output.write("one");
  assertFalse(await output.drained());
  const hurry = new AbortController();
  const waiting = output.drained(hurry.signal);
  hurry.abort();
  assertFalse(await waiting);

  const drained = output.drained(new AbortController().signal);
  sink.open();
  assert(await drained);
});

Deno.test("a terminal that is written to is not free, and a pipe is no terminal", async () => {
  const [terminal, pipe] = [true, false].map((isTerminal) =>
    new TestSink({ isOpen: false, isTerminal })
  );
  new Output(pipe!, never).write("one");
  assert(await terminalsWritten("limited"));

  new Output(terminal!, never).write("one");
  assertFalse(await terminalsWritten("limited"));
  const free = terminalsWritten("unlimited");
  terminal!.open();
  assert(await free);
  pipe!.open();
});

Deno.test("lines over the limit are left out, counted, and told when there is room", async () => {
  const sink = new TestSink({ isOpen: false });
  const lines = new LossyLines(sink);
  const long = `${"x".repeat(600_000)}\n`;

  lines.print("first\n");
  lines.print(long);
  lines.print(long); // over the limit, but not before
  lines.print("gone\n");
  lines.print("gone\ngone\n");
  sink.open();
  await lines.drained();

  assertEquals(sink.text, `first\n${long}${long}(3 lines left out)\n`);
  lines.print("last\n");
  await lines.drained();
  assert(sink.text.endsWith("out)\nlast\n"));
});

Deno.test("lines that could not be written are told once it works again", async () => {
  const sink = new TestSink();
  const lines = new LossyLines(sink);
  const full = () => new Deno.errors.NotCapable("ENOSPC");

  lines.print("first\n");
  await lines.drained();
  for (const text of ["a\n", "b\nc\n"]) {
    sink.error = full();
    lines.print(text);
    await lines.drained();
  }
  lines.print("last\n");
  await lines.drained();
  lines.print("more\n");
  await lines.drained();

  assertEquals(
    sink.text,
    "first\n\n(up to 3 lines left out)\nlast\nmore\n",
  );
});

Deno.test("lines go to another printer, and back", async () => {
  const sink = new TestSink();
  const lines = new LossyLines(sink);
  let printed = "";
  const printer = {
    behind: 0,
    print: (text: string) => printed += text,
    flushed: () => Promise.resolve(),
  };

  lines.use(printer);
  lines.print("one\n");
  printer.behind = 2 ** 20 + 1;
  lines.print("two\n");
  printer.behind = 0;
  await printer.flushed();
  lines.use(undefined);
  lines.print("three\n");
  await lines.drained();

  assertEquals(printed, "one\n(1 line left out)\n");
  assertEquals(sink.text, "three\n");
});
