/** The share of the disk of one address. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Limits } from "../../../server/limits/limits.ts";
import { NO_RATES } from "../../../server/limits/rates.ts";
import { type Room, storedRate } from "../../../server/limits/stored.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

const MB = 1_000_000;
const DAY_MS = 24 * 60 * 60 * 1_000;

/** What a server with a file stores by default. */
const ROOM = { bytes: 2_000 * MB, messages: 1_000_000, where: "file" } as const;

/** Two connections of one address, and one of another. */
function arrange(room: Room = ROOM) {
  const limits = new Limits({ rates: NO_RATES, stored: storedRate(room) });
  const paceOf = (host: string) => limits.connectionFrom(host, 0).pace;
  return {
    first: paceOf("10.0.0.1"),
    second: paceOf("10.0.0.1"),
    other: paceOf("10.0.0.2"),
  };
}

/** Whether a message is refused, and for how many seconds. */
function refusal(
  pace: ReturnType<typeof arrange>["first"],
  now: number,
  [messages, bytes] = [1, 100],
) {
  try {
    pace.countStored(messages, bytes, now);
    return undefined;
  } catch (error) {
    const { code, message, headers } = error as never as {
      code: number;
      message: string;
      headers: Record<string, number>;
    };
    return { code, message, seconds: headers["Retry-after"] };
  }
}

Deno.test("an address stores a quarter of what is kept, and as much again in a day", () => {
  const { first, second, other } = arrange();
  const most: [number, number] = [1, 500 * MB - 2_000];

  assertEquals(refusal(first, 0, most), undefined);

  assertEquals(refusal(second, 0), {
    code: 108,
    message:
      "Cannot send now: limit for your address: 500 MB or 250,000 messages a day",
    seconds: 1,
  });
  assertEquals(refusal(other, 0), undefined);
  assertEquals(refusal(first, 1_000), undefined);
  assertEquals(refusal(first, DAY_MS + 1_000, most), undefined);
});

Deno.test("a quarter of the messages that are kept is a share, too", () => {
  const { first } = arrange();

  assertEquals(refusal(first, 0, [250_000, 0]), undefined);

  assertEquals(refusal(first, 0)?.code, 108);
});

Deno.test("a flood that is refused counts for nothing, and leaves room for a short message", () => {
  const { first, second } = arrange();
  first.countStored(249_900, 0, 0);

  for (let i = 0; i < 1_000; i++) {
    assertEquals(refusal(first, 0, [490, 490])?.code, 108);
  }

  assertEquals(refusal(second, 0), undefined);
});

Deno.test("messages together larger than the share take all of it, and a debt is paid first", () => {
  const { first } = arrange();

  assertEquals(refusal(first, 0, [1, 600 * MB]), undefined);
  assertEquals(refusal(first, DAY_MS / 10)?.code, 108);
  assertEquals(refusal(first, DAY_MS), undefined);
});

Deno.test("a two-socket client, which knows no 108, is answered 102", () => {
  const { first } = arrange();
  first.debts.neverRefuse({ exempt: false });
  first.countStored(1, 499 * MB, 0);

  assertEquals(refusal(first, 0, [1, 2 * MB])?.code, 102);
});

for (
  const [what, room, again] of [
    ["the smallest file", { bytes: 10 * MB, messages: 1_000_000 }, "a day"],
    ["a small file", { bytes: 100 * MB, messages: 1_000_000 }, "a day"],
    ["few messages", { bytes: 2_000 * MB, messages: 0 }, "a day"],
    ["few messages in a small file", { bytes: 10 * MB, messages: 9 }, "a day"],
    ["no limit of bytes", { bytes: Infinity, messages: 1_000_000 }, "a day"],
    ["memory", { bytes: 64 * MB, messages: Infinity }, "an hour"],
  ] as const
) {
  Deno.test(`with ${what}, an address fills at most a quarter, and a class of forty chats all day`, () => {
    const where = again === "a day" ? "file" : "memory";
    const { first } = arrange({ ...room, where });
    const rate = storedRate({ ...room, where });

    for (let i = 0; i < 40 * 200; i++) first.countStored(1, 100, 0);

    const least = Math.max(room.bytes / 4, 4 * MB);
    assert(rate.burst <= Math.max(least, 17_000 * MB), `${rate.burst}`);
    assert(rate.burst < Infinity);
    assertEquals(rate.again, again);
  });
}

Deno.test("a SEND over the share is refused and not stored; with --no-limits it is", async () => {
  for (const isLimited of [true, false]) {
    using folder = tempFolder();
    const rates = isLimited ? {} : { rates: NO_RATES };
    await using server = startTestServer({
      db: `${folder.path}/a.db`,
      ...rates,
    });
    using bob = await RawClient.enter(server.port, "bob", "#r");
    const two = await RawClient.classic(server.port, "carl");
    using _two = two;
    const [session] = server.context.sessions;
    session?.pace.countStored(250_000, 0, server.context.now());

    await bob.say("#r", "hello");
    const answer = await bob.frame();
    await two.out.say("bob", "hello");
    const second = await two.out.frame();

    if (isLimited) {
      assertMatch(answer, /^ERROR 108 Slow down\n/);
      assertMatch(answer, /\nLimit: 500000000\n/);
      assertMatch(answer, /\nFor: SEND #r\n/);
      assertMatch(second, /^ERROR 102 /);
    } else {
      assertMatch(answer, /^SENT /);
      assertMatch(second, /^SEND bob\n/);
    }
    assertEquals(server.context.journal.lastId, isLimited ? 0 : 2);
  }
});
