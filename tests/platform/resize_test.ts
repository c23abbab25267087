/** How a program learns that the size of its terminal has changed. */
import { assertEquals } from "@std/assert";
import { onResize } from "../../platform/system.ts";

Deno.test("a size that changes is told by the system's signal, until that is disposed", () => {
  const listening: [Deno.Signal, () => void][] = [];
  let changes = 0;
  const listen = (signal: Deno.Signal, act: () => void) => {
    listening.push([signal, act]);
    return { [Symbol.dispose]: () => void listening.pop() };
  };

  const resizing = onResize(() => changes++, { listen });
  assertEquals(listening.map(([signal]) => signal), ["SIGWINCH"]);
  listening[0]![1]();
  resizing[Symbol.dispose]();

  assertEquals([changes, listening.length], [1, 0]);
});

Deno.test("a system that has no such signal is asked for the size", async () => {
  let size = { columns: 80, rows: 24 };
  const changes: string[] = [];
  const act = () => changes.push(`${size.columns}x${size.rows}`);
  const listen = () => {
    throw new TypeError("Windows only supports ctrl-c and ctrl-break");
  };

  using _resizing = onResize(act, { listen, size: () => size, everyMs: 1 });
  for (const next of [{ columns: 80, rows: 25 }, { columns: 1, rows: 1 }]) {
    const before = changes.length;
    size = next;
    while (changes.length === before) {
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  assertEquals(changes, ["80x25", "1x1"]);
});
