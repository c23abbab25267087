/** Log lines that are told now and then, with the time in the test's hand. */
import { assertEquals } from "@std/assert";
import { rarely, RARELY_MS } from "../../../server/operator/throttled_log.ts";

Deno.test("rarely() logs the first line, and one a minute with how many were left out", () => {
  let now = 5_000;
  const lines: string[] = [];
  const log = rarely((line) => lines.push(line), () => now);

  for (let i = 0; i < 100; i++) log("no");
  now += RARELY_MS - 1;
  log("no");
  now += 1;
  log("still no");
  log("no");
  now += RARELY_MS;
  log("yes");

  assertEquals(lines, [
    "no",
    "still no (100 more since the last time)",
    "yes (1 more since the last time)",
  ]);
});
