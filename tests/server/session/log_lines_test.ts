/** The lines of the log about clients, with the time in the test's hand. */
import { assertEquals, assertMatch } from "@std/assert";
import { NO_RATES } from "../../../server/limits/rates.ts";
import { LOG_LINES, LogLines } from "../../../server/session/log_lines.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { TestClock } from "../../tools/test_clock.ts";

/** The lines that are logged, and a clock that stands until it is moved. */
function arrange() {
  const logged: string[] = [];
  const clock = { now: 5_000 };
  const lines = new LogLines((line) => logged.push(line), () => clock.now);
  return { logged, clock, lines };
}

Deno.test("a class behind one address that comes and goes three times is logged whole", () => {
  const { logged, clock, lines } = arrange();

  for (let time = 0; time < 3; time++) {
    for (let user = 0; user < 40; user++) {
      // Connected, registered, joined and left two rooms, disconnected.
      for (let line = 0; line < 7; line++) {
        lines.log(`${time} ${user} ${line}`, `10.0.0.1:${user}`);
      }
    }
    clock.now += 10_000;
    lines.tidy();
  }

  assertEquals(logged.length, 3 * 40 * 7);
});

Deno.test("a flood of one network is left out and told once a minute, and no line of others", () => {
  const { logged, clock, lines } = arrange();
  const { burst, perSecond } = LOG_LINES;

  for (let i = 0; i < burst + 1_234; i++) lines.log("flood", `10.0.0.1:${i}`);
  lines.log("hello", "10.0.0.2:1");
  lines.tidy();
  assertEquals(logged.length, burst + 1);
  assertEquals(logged.at(-1), "hello");

  for (let second = 1; second <= 60; second++) {
    clock.now += 1_000;
    for (let i = 0; i < 50; i++) lines.log("flood", `10.0.0.1:${i}`);
    lines.log("hello", "10.0.0.2:1");
    lines.tidy();
  }

  const told = logged.filter((line) => !/^(flood|hello)$/.test(line));
  const flood = logged.filter((line) => line === "flood");
  const count = 1_234 + 60 * 50 - (flood.length - burst);
  assertEquals(told, [
    `10.0.0.1: ${count.toLocaleString("en")} more lines left out`,
  ]);
  assertEquals(flood.length - burst <= 60 * perSecond, true);
  assertEquals(logged.filter((line) => line === "hello").length, 61);
});

Deno.test("a /64 of IPv6 is one network in the log", () => {
  const { logged, clock, lines } = arrange();

  for (let i = 0; i <= LOG_LINES.burst; i++) {
    lines.log("flood", `[2001:db8::${(i % 5_000).toString(16)}]:1`);
  }
  clock.now += 60_000;
  lines.tidy();
  clock.now += 600_000; // all are forgotten
  lines.tidy();

  assertEquals(logged.at(-1), "2001:db8::/64: 1 more line left out");
});

Deno.test("the log of a server leaves out a user who joins and leaves without a pause", async () => {
  await using server = startTestServer({
    rates: { ...NO_RATES, requests: 100 },
    clock: new TestClock(), // the log gets more lines with each second
  });
  using bob = await RawClient.enter(server.port, "bob");

  for (let i = 0; i < 600; i++) {
    await bob.send("JOIN #r\n\nLEAVE #r\n\n");
    assertMatch(await bob.frame(), /^JOINED /);
    assertMatch(await bob.frame(), /^LEFT /);
  }

  const { length } = server.log;
  assertEquals(length >= LOG_LINES.burst && length < 1_100, true, `${length}`);
});
