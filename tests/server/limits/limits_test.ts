/** Rates and ceilings of connections, with the time in the test's hand. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  type LimitedConnection,
  Limits,
  overRate,
  SIGN_UPS,
} from "../../../server/limits/limits.ts";
import {
  ADDRESS_SHARE,
  BURST_SECONDS,
  DEFAULT_RATES,
  NO_RATES,
} from "../../../server/limits/rates.ts";

const RATES = { messages: 1, bytes: 10, joins: 1, requests: 1, connects: 1 };
const MOST_MESSAGES = RATES.messages * BURST_SECONDS;

/** A connection from `host` that was let in. */
function enter(limits: Limits, host: string, now = 0): LimitedConnection {
  const connection = limits.connectionFrom(host, now);
  limits.enter(connection, now);
  return connection;
}

/** What somebody from `host` is refused with. */
function refused(limits: Limits, host: string, now = 0): ChatError {
  return assertThrows(() => enter(limits, host, now), ChatError);
}

Deno.test("Limits let in so many connections, and one more when one has gone", () => {
  const limits = new Limits({ maxConnections: 2 });
  const first = enter(limits, "10.0.0.1");
  enter(limits, "10.0.0.2");

  const { code, closes, headers } = refused(limits, "10.0.0.3");
  limits.leave(first);
  enter(limits, "10.0.0.3");

  assertEquals([code, closes], [114, true]);
  assertEquals(headers, { Limit: 2, "Retry-after": 10 });
  assertEquals(limits.connections, 2);
});

Deno.test("Limits let in so many connections of one address, and those of others", () => {
  const limits = new Limits({ maxConnectionsPerAddress: 2 });
  const first = enter(limits, "10.0.0.1");
  enter(limits, "10.0.0.1");

  const { code, message, headers } = refused(limits, "10.0.0.1");
  enter(limits, "10.0.0.2");
  limits.leave(first);
  enter(limits, "10.0.0.1");

  assertEquals([code, headers["Limit"]], [114, 2]);
  assert(message.includes("your address"));
});

for (
  const [one, other, same] of [
    ["[2001:db8:1:2::7]", "[2001:db8:1:2:ffff::8]", true],
    ["[2001:db8:1:2::7]", "[2001:db8:1:3::7]", false],
    ["[::1]", "[::2]", false], // one of them is this computer itself
    ["[::2]", "[::3]", true],
    ["[1::2]", "[1:0:0:0:5::]", true],
    ["[::a:0:0:0:1]", "[::b:0:0:0:1]", false],
    ["[::a:0:0:0:1]", "[::a:0:0:0:2]", true],
    ["[fe80::1%eth0]", "[fe80::2%eth0]", false],
    ["10.0.0.1", "10.0.0.2", false],
  ] as const
) {
  Deno.test(`Limits take ${one} and ${other} for ${same ? "one" : "two"}`, () => {
    const limits = new Limits({ maxConnectionsPerAddress: 1 });
    enter(limits, one);

    if (same) assertEquals(refused(limits, other).code, 114);
    else enter(limits, other);
  });
}

Deno.test("Limits let an address connect in a burst, and then as it is earned", () => {
  const limits = new Limits({ rates: RATES });
  for (let i = 0; i < BURST_SECONDS; i++) {
    limits.leave(enter(limits, "10.0.0.1"));
  }
  limits.leave(enter(limits, "10.0.0.1")); // to owe one

  const { code, closes, headers } = refused(limits, "10.0.0.1");
  enter(limits, "10.0.0.2");
  enter(limits, "10.0.0.1", 1_000);

  assertEquals([code, closes], [108, true]);
  assertEquals(headers, { Limit: 1, "Retry-after": 1 });
});

Deno.test("Pace owes what is over the rate, until it is earned", () => {
  const { pace } = enter(new Limits({ rates: RATES }), "10.0.0.1");

  for (let i = 0; i < MOST_MESSAGES; i++) assert(pace.countMessage(0));
  const owedAtTheLimit = pace.owes(0);
  assert(!pace.countMessage(0));

  assertEquals(owedAtTheLimit, false);
  assertEquals(pace.waitMs(0), 1_000);
  assertEquals([pace.owes(500), pace.owes(1_000)], [true, false]);
});

Deno.test("Pace counts kinds apart, and bytes as they are received in all", () => {
  const { pace } = enter(new Limits({ rates: RATES }), "10.0.0.1");

  pace.count("joins", BURST_SECONDS, 0);
  pace.count("requests", BURST_SECONDS, 0);
  pace.countRead(150, 0);
  pace.countRead(200, 0);
  const owed = pace.owes(0);
  pace.countRead(210, 0);

  assertEquals(owed, false);
  assertEquals(pace.waitMs(0), 1_000);
});

Deno.test("connections of one address share what it may do, others do not", () => {
  const limits = new Limits({ rates: { ...RATES, connects: Infinity } });
  const other = enter(limits, "10.0.0.2");
  const connections = Array.from(
    { length: ADDRESS_SHARE + 1 },
    () => enter(limits, "10.0.0.1"),
  );
  for (const { pace } of connections) {
    for (let i = 0; i < MOST_MESSAGES; i++) pace.countMessage(0);
    pace.countRead(0, 0);
  }

  const first = connections[0]!.pace;
  const debt = first.addressOwes(0);
  const { code, closes, headers } = overRate(debt);

  assertEquals([first.waitMs(0), first.owes(0)], [0, true]);
  assertEquals(debt, {
    kind: "messages",
    perSecond: ADDRESS_SHARE,
    waitMs: MOST_MESSAGES / ADDRESS_SHARE * 1_000,
  });
  assertEquals([code, closes], [108, false]);
  assertEquals(headers, { Limit: ADDRESS_SHARE, "Retry-after": 2 });
  assertEquals(other.pace.owes(0), false);
});

Deno.test("a client that reconnects still owes what it owed", () => {
  const limits = new Limits({ rates: RATES });
  const before = enter(limits, "10.0.0.1");
  const most = ADDRESS_SHARE * RATES.requests * BURST_SECONDS;
  before.pace.count("requests", most + ADDRESS_SHARE, 0);
  limits.leave(before);

  limits.tidy(500);
  const again = enter(limits, "10.0.0.1", 500);

  assertEquals(again.pace.addressOwes(500).waitMs, 500);
});

Deno.test("an address is not forgotten while it has a connection", () => {
  const limits = new Limits({ maxConnectionsPerAddress: 1 });
  enter(limits, "10.0.0.1");

  limits.tidy(1e9);

  assertEquals(refused(limits, "10.0.0.1").code, 114);
});

Deno.test("an address makes so many accounts at once, and then one a minute", () => {
  const limits = new Limits({ rates: DEFAULT_RATES });
  const { address } = enter(limits, "10.0.0.1");
  const other = enter(limits, "10.0.0.2").address;

  for (let i = 0; i <= SIGN_UPS.burst; i++) address.countSignUp(0);
  const error = assertThrows(() => address.countSignUp(0), ChatError);
  other.countSignUp(0);
  address.countSignUp(60_000);

  assertEquals([error.code, error.closes], [108, false]);
  assertEquals(error.headers, { Limit: SIGN_UPS.burst, "Retry-after": 60 });
});

Deno.test("no rates are no limit", () => {
  const { pace, address } = enter(new Limits({ rates: NO_RATES }), "10.0.0.1");

  for (let i = 0; i < 1_000; i++) address.countSignUp(0);
  pace.countRead(1e12, 0);
  pace.count("joins", 1e9, 0);

  assert(pace.countMessage(0));
  assertEquals(pace.owes(0), false);
});

Deno.test("a client that sends little talks, one that sends much floods for a while", () => {
  const { pace } = enter(new Limits(), "10.0.0.1");

  pace.countRead(60_000, 0);
  const talks = pace.floods(0);
  pace.countRead(200_000, 0);

  assertEquals([talks, pace.floods(0)], [false, true]);
  assertEquals(pace.floods(10_000), false);
});

Deno.test("many connections of an address flood together, and who talks beside them does not", () => {
  const limits = new Limits();
  const foes = Array.from(
    { length: 300 },
    () => enter(limits, "10.0.0.1").pace,
  );
  const classmate = enter(limits, "10.0.0.1").pace;
  const other = enter(limits, "10.0.0.2").pace;
  const last = foes.at(-1)!; // there are 300
  let talked = 0;

  for (let second = 0; second < 5; second++) {
    const now = second * 1_000;
    const total = (second + 1) * 15_000; // each below its own rate
    for (const foe of foes) foe.countRead(total, now);
    other.countRead(total, now);
    classmate.countRead(talked += 200, now);
  }

  assertEquals([last.floods(4_000), last.owes(4_000)], [true, false]);
  assertEquals([classmate, other].map((pace) => pace.floods(4_000)), [
    false,
    false,
  ]);
});
