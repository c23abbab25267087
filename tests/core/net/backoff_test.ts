/** Which errors are worth another attempt, and when it may be made. */
import { assertEquals } from "@std/assert";
import {
  CLOCK,
  isWorthRetrying,
  retryAfterMs,
} from "../../../core/net/backoff.ts";
import { ChatError, type ErrorCode } from "../../../protocol.ts";

const HELD_MS = 100_000; // for so long a dead connection may hold the name

function error(code: ErrorCode, headers = {}): ChatError {
  return new ChatError(code, "Cannot do that: a test", { headers });
}

for (const code of [108, 114, 119] as const) {
  Deno.test(`an ERROR ${code} is worth another attempt, however late`, () => {
    assertEquals(isWorthRetrying(error(code), 10 * HELD_MS), true);
  });
}

for (const code of [100, 105, 107, 109, 113, 115, 118, 120, 121] as const) {
  Deno.test(`an ERROR ${code} is not worth another attempt`, () => {
    assertEquals(isWorthRetrying(error(code), 0), false);
  });
}

Deno.test("a name in use is worth another attempt while it may be our own connection", () => {
  assertEquals(isWorthRetrying(error(104), HELD_MS - 1), true);
  assertEquals(isWorthRetrying(error(104), HELD_MS), false);
});

Deno.test("an error of the network is worth another attempt if it says so", () => {
  const passing = Object.assign(new Error("refused"), { passing: true });

  assertEquals(isWorthRetrying(passing, 0), true);
  assertEquals(isWorthRetrying(new Error("a bug"), 0), false);
  assertEquals(isWorthRetrying("no error", 0), false);
});

Deno.test("the server's Retry-after is in seconds, and found in a cause too", () => {
  const told = error(108, { "retry-after": "5" });

  assertEquals(retryAfterMs(told), 5_000);
  assertEquals(retryAfterMs(new Error("lost", { cause: told })), 5_000);
  assertEquals(retryAfterMs(new Error("lost")), 0);
  assertEquals(retryAfterMs(error(108)), 0);
  assertEquals(retryAfterMs(error(108, { "retry-after": "soon" })), 0);
});

Deno.test("a sleep ends at once when its signal aborts, or has aborted", async () => {
  const stop = new AbortController();

  const sleeping = CLOCK.sleep(3_600_000, stop.signal);
  stop.abort();
  await sleeping;

  await CLOCK.sleep(3_600_000, stop.signal);
});
