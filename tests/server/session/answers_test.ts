/** Long answers: what they count for, and lists that are kept. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DEFAULT_RATES } from "../../../server/limits/rates.ts";
import {
  LIST_MS,
  LONG_LIST,
  LongList,
} from "../../../server/session/answers.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { passWhileWaiting, TestClock } from "../../tools/test_clock.ts";

Deno.test("a long list is made once a second, a short one for each request", () => {
  for (const lines of [LONG_LIST, LONG_LIST + 1]) {
    const list = new LongList();
    let made = 0;
    const at = (now: number) => {
      list.at(now, () => ({ bytes: new Uint8Array(++made), lines }));
      return made;
    };

    const counts = [at(0), at(LIST_MS - 1), at(LIST_MS), at(LIST_MS + 1)];

    assertEquals(counts, lines > LONG_LIST ? [1, 1, 2, 2] : [1, 2, 3, 4]);
  }
});

Deno.test("HISTORY counts as half of its bytes: a client that reads too much waits", async () => {
  const rates = { ...DEFAULT_RATES, bytes: 10_000 }; // 200 kB at once
  const clock = new TestClock();
  await using server = startTestServer({ rates, clock });
  const { journal } = server.context;
  const body = new Uint8Array(1_000).fill(97);
  for (let i = 0; i < 100; i++) await journal.append("a", [{ to: "#r", body }]);
  const entering = RawClient.enter(server.port, "bob");
  using bob = await passWhileWaiting(clock, entering);
  const session = [...server.context.sessions][0]!;
  const read = async () => {
    await bob.send("HISTORY #r\nLimit: 100\n\n");
    assertMatch(await bob.next("HISTORY"), /\nCount: 100\n/);
    return session.pace.waitMs(server.context.now());
  };

  const reading = async () => [
    ...[await read(), await read()],
    ...[await read(), await read()],
  ];
  const waits = await passWhileWaiting(clock, reading());

  assertEquals(waits.map((ms) => ms > 0), [false, false, false, true]);
});

Deno.test("ROOMS and WHO count as half of their bytes", async () => {
  const rates = { ...DEFAULT_RATES, bytes: 2_000 }; // 40 kB at once
  const clock = new TestClock();
  await using server = startTestServer({ rates, clock });
  const { journal } = server.context;
  for (let i = 0; i < 1_500; i++) {
    const to = `#a-room-with-a-long-name-${i}`;
    await journal.append("a", [{ to, body: new Uint8Array() }]);
  }
  const entering = RawClient.enter(server.port, "bob");
  using bob = await passWhileWaiting(clock, entering);
  const session = [...server.context.sessions][0]!;

  const list = () => passWhileWaiting(clock, bob.ask("ROOMS\n\n"));
  assertMatch(await list(), /a-room-with-a-long-name-1499 0\n/);
  assertEquals(session.pace.waitMs(server.context.now()), 0); // 47 kB
  await list();

  assert(session.pace.waitMs(server.context.now()) > 0);
});
