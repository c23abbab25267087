/** Log lines that are told now and then, with the time in the test's hand. */
import { assertEquals } from "@std/assert";
import { LOG_EVERY_MS, throttledLog } from "../../../server/net/clock.ts";

Deno.test("throttledLog() logs the first line, and one a minute with how many were left out", () => {
  let now = 5_000;
  const lines: string[] = [];
  const log = throttledLog((line) => lines.push(line), () => now);

  for (let i = 0; i < 100; i++) log("no");
  now += LOG_EVERY_MS - 1;
  log("no");
  now += 1;
  log("still no");
  log("no");
  now += LOG_EVERY_MS;
  log("yes");

  assertEquals(lines, [
    "no",
    "still no (100 more since the last time)",
    "yes (1 more since the last time)",
  ]);
});
