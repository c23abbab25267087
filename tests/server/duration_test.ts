/** Durations as people write them. */
import { assertEquals } from "@std/assert";
import { parseDuration } from "../../server/duration.ts";

Deno.test("parseDuration() reads a number and a unit, and forever", () => {
  assertEquals(parseDuration("90s"), 90_000);
  assertEquals(parseDuration("15m"), 900_000);
  assertEquals(parseDuration("2h"), 7_200_000);
  assertEquals(parseDuration("30d"), 2_592_000_000);
  assertEquals(parseDuration("0s"), 0);
  assertEquals(parseDuration("forever"), Infinity);
});

Deno.test("parseDuration() reads nothing else", () => {
  const wrong = [
    "",
    "15",
    "m",
    "15 m",
    "-1m",
    "1.5h",
    "1w",
    "1h30m",
    "Forever",
  ];
  for (const text of [...wrong, `${"9".repeat(7)}s`, "15m\n", "toString"]) {
    assertEquals(parseDuration(text), undefined, text);
  }
});
