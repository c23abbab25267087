/** What one address can use up of what all need, from addresses of its own. */
import { assertEquals, assertMatch } from "@std/assert";
import { CALLS_TO_ALL, CALLS_TO_ONE } from "../../../server/limits/calls.ts";
import { SESSION_LIMITS } from "../../../server/accounts/resume_tokens.ts";
import { DEFAULT_RATES } from "../../../server/limits/rates.ts";
import { ROOM_LIMITS } from "../../../server/chat/room_shares.ts";
import { MAX_ROOMS_PER_USER } from "../../../server/chat/refusals.ts";
import { signUp } from "../../tools/account_tools.ts";
import { round, TestClock } from "../../tools/test_clock.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

const FOE = "127.0.0.66";
const CLASS = "127.0.0.2";

/** Enough for a foe: the rates of joins only make it take longer. */
const FAST = { joins: 1e6, requests: 1e6, messages: 1e6, bytes: 1e9 };
const RATES = { ...FAST, connects: 1e6 };

/** A user from an address. */
async function enter(port: number, name: string, from: string) {
  return (await RawClient.connect(port, from)).comeIn(name);
}

/** Guests of the foe make rooms with a message each, until it is refused. */
async function makeRooms(port: number, per: string): Promise<string> {
  for (let guest = 0;; guest++) {
    using client = await enter(port, `${per}${guest}`, FOE);
    for (let i = 0; i < MAX_ROOMS_PER_USER; i++) {
      const room = `#${per}-${guest}-${i}`;
      const answer = await client.ask(`JOIN ${room}\n\n`);
      if (answer.startsWith("ERROR")) return answer;
      await client.say(room, "x");
      await client.next("SENT");
    }
  }
}

for (const where of ["in memory", "in a file"]) {
  Deno.test(`rooms ${where}: one address is refused at its share, and all others make theirs`, async () => {
    using folder = tempFolder();
    const db = where === "in a file" ? `${folder.path}/chat.db` : ":memory:";
    {
      await using server = startTestServer({ rates: RATES, db });
      using alice = await enter(server.port, "alice", CLASS);
      await alice.ask("JOIN #lab\n\n");
      await alice.say("#lab", "hello");
      await alice.next("SENT");
      await alice.ask("LEAVE #lab\n\n");

      const refused = await makeRooms(server.port, "f");
      const homework = await alice.ask("JOIN #homework\n\n");

      const share = ROOM_LIMITS.perAddress;
      assertMatch(refused, /^ERROR 109 Not in room\nFor: JOIN #f-5-0\n/);
      assertMatch(refused, new RegExp(`your address: ${share} rooms`));
      assertMatch(refused, new RegExp(`\nLimit: ${share}\n`));
      assertMatch(homework, /^JOINED #homework\n/);
      assertMatch(await alice.ask("HISTORY #lab\n\n"), /^FORWARD alice\n/);
    }
    if (where === "in memory") return;

    await using server = startTestServer({ rates: RATES, db });
    const again = await makeRooms(server.port, "g");
    assertMatch(again, /^ERROR 109 Not in room\nFor: JOIN #g-0-0\n/);
    using alice = await enter(server.port, "alice", CLASS);
    assertMatch(await alice.ask("JOIN #lesson\n\n"), /^JOINED #lesson\n/);
    assertEquals(server.context.journal.roomName("#lab"), "#lab");
  });
}

const CALL = `Session: ${"0123456789abcdef".repeat(2)}\n` +
  `Address: 192.168.1.5:40001\nCommit: ${"fedcba9876543210".repeat(4)}\n` +
  "Purpose: chat\n\n";

Deno.test("one address rings a user so often, under however many names, and others go on", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ rates: RATES, clock });
  using bob = await enter(server.port, "bob", CLASS);
  using alice = await enter(server.port, "alice", CLASS);
  const most = CALLS_TO_ONE.burst + 1; // one is on credit
  let refused = "";
  for (let guest = 0; guest <= most; guest++) {
    using foe = await enter(server.port, `f${guest}x`, FOE);
    refused = await foe.ask(`CALL bob\n${CALL}`);
    if (guest < most) assertEquals(refused, "CALLING bob\n\n");
  }

  assertMatch(refused, /^ERROR 108 Slow down\nFor: CALL bob\n/);
  assertMatch(
    refused,
    /\nReason: .*calls from your address to bob: 60 at once/,
  );
  assertMatch(refused, /\nLimit: 60\nRetry-after: 10\n\n$/);
  assertEquals(await alice.ask(`CALL bob\n${CALL}`), "CALLING bob\n\n");
  for (let call = 0; call < most; call++) await bob.next("CALL");
  assertMatch(await bob.next("CALL"), /^CALL alice\n/);
  using foe = await enter(server.port, "foe", FOE);
  clock.pass(10_000);
  assertEquals(await foe.ask(`CALL bob\n${CALL}`), "CALLING bob\n\n");
});

Deno.test("one address rings so many users, and then one a second", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ rates: RATES, clock });
  using all = new DisposableStack();
  const users = CALLS_TO_ALL.burst / CALLS_TO_ONE.burst + 1;
  for (let i = 0; i < users; i++) {
    all.use(await enter(server.port, `u${i}x`, CLASS));
  }
  using foe = await enter(server.port, "foe", FOE);
  const answers: string[] = [];
  for (let call = 0; call <= CALLS_TO_ALL.burst + 1; call++) {
    answers.push(await foe.ask(`CALL u${call % users}x\n${CALL}`));
  }

  const refused = answers.filter((answer) => answer.startsWith("ERROR"));
  assertEquals(refused.length, 1);
  assertMatch(
    refused[0]!,
    /calls from your address: 300 at once, then one every second\n/,
  );
  assertMatch(refused[0]!, /\nLimit: 300\nRetry-after: 1\n\n$/);
  clock.pass(1_000);
  assertMatch(await foe.ask(`CALL u0x\n${CALL}`), /^CALLING /);
});

Deno.test("a class behind one address hands in a file each, and hits nothing", async () => {
  await using server = startTestServer();
  using teacher = await enter(server.port, "dean", CLASS);
  using pupils = new DisposableStack();
  for (let i = 0; i < 40; i++) {
    const pupil = pupils.use(await enter(server.port, `p${i}x`, CLASS));
    assertEquals(await pupil.ask(`CALL dean\n${CALL}`), "CALLING dean\n\n");
  }
  for (let i = 0; i < 40; i++) await teacher.next("CALL");
});

Deno.test("one address creates a class of accounts, and another one its own", async () => {
  await using server = startTestServer({
    rates: { ...DEFAULT_RATES, connects: 1e6, requests: 1e6 },
    clock: new TestClock(), // one more is allowed every minute
  });
  const verifier = await signUp("NAME");
  const create = async (name: string, from: string) => {
    using client = await RawClient.connect(server.port, from);
    return await client.ask(verifier.replace("NAME", name));
  };
  let refused = "";
  for (let i = 0; refused === ""; i++) {
    const answer = await create(`f${i}x`, FOE);
    if (!answer.startsWith("REGISTERED")) refused = answer;
  }

  const pupils = await Promise.all(
    Array.from({ length: 40 }, (_, i) => create(`p${i}x`, CLASS)),
  );

  assertMatch(refused, /^ERROR 108 Slow down\nFor: SIGNUP f61x\n/);
  assertEquals(pupils.filter((one) => !one.startsWith("REGISTERED")), []);
});

Deno.test("one address pushes out its own resumable sessions, and no others", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ rates: RATES, clock });
  const leave = async (name: string, from: string) => {
    using client = await RawClient.connect(server.port, from);
    const answer = await client.ask(`REGISTER ${name}\n\n`);
    const token = headerOf(answer, "Token");
    assertMatch(answer, /^REGISTERED/);
    client.close();
    while (server.context.sessions.size > 0) await round();
    return { name, token, from };
  };
  const resumes = async (one: Awaited<ReturnType<typeof leave>>) => {
    using client = await RawClient.connect(server.port, one.from);
    const request = `REGISTER ${one.name}\nToken: ${one.token}\n\n`;
    return headerOf(await client.ask(request), "Token") === one.token;
  };
  const alice = await leave("alice", CLASS);
  const first = await leave("f0x", FOE);
  const second = await leave("f1x", FOE);
  for (let left = SESSION_LIMITS.perAddress - 1; left > 0; left -= 100) {
    const count = Math.min(100, left);
    const names = Array.from({ length: count }, (_, i) => `f${left}n${i}x`);
    await Promise.all(names.map((name) => leave(name, FOE)));
  }

  assertEquals(await resumes(second), true);
  assertEquals(await resumes(alice), true);
  assertEquals(await resumes(first), false);
});
