/** Lockouts, by a clock that the test sets. */
import { assertEquals } from "@std/assert";
import { Database } from "../../../server/journal/database.ts";
import { SharedLog } from "../journal/shared_log.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import {
  lockedOut,
  Lockouts,
  MAX_LOCKED_PER_NETWORK,
  MAX_PAIRS_PER_NETWORK,
} from "../../../server/accounts/lockouts.ts";
import { parseNetwork } from "../../../core/net/ip_address.ts";

const HOUR = 3_600_000;
const HERE = "127.0.0.1";

function arrange(lockoutMs: number, maxLockouts?: number) {
  const clock = { now: 1_000_000 };
  const database = new Database(IN_MEMORY);
  const open = () =>
    new Lockouts(database, {
      lockoutMs,
      now: () => clock.now,
      ...(maxLockouts === undefined ? {} : { maxLockouts }),
    });
  return {
    clock,
    database,
    open,
    lockouts: open(),
    [Symbol.dispose]: () => database.close(),
  };
}

/** Fails so many times; says how many attempts were left each time. */
async function fail(lockouts: Lockouts, times: number, address = HERE) {
  const left: number[] = [];
  for (let i = 0; i < times; i++) {
    left.push(await lockouts.failed("alice", address));
  }
  return left;
}

/** How long the account stays locked for the address. */
function leftMs(lockouts: Lockouts, account: string, address: string): number {
  return lockouts.lockOf(account, address)?.leftMs ?? 0;
}

Deno.test("a lock begins with the third failure and ends by itself", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock } = arranged;

  assertEquals(await fail(lockouts, 3), [2, 1, 0]);
  assertEquals(leftMs(lockouts, "alice", HERE), HOUR);
  clock.now += HOUR - 1;
  assertEquals(leftMs(lockouts, "alice", HERE), 1);
  clock.now += 1;
  assertEquals(leftMs(lockouts, "alice", HERE), 0);
  assertEquals(await fail(lockouts, 1), [2], "it counts anew");
});

Deno.test("a lock is for one address and one account", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;
  await fail(lockouts, 3);

  assertEquals(leftMs(lockouts, "alice", "127.0.0.2"), 0);
  assertEquals(leftMs(lockouts, "bob", HERE), 0);
});

Deno.test("success forgets the failures before it", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;
  await fail(lockouts, 2);

  await lockouts.succeeded("alice", HERE);

  assertEquals(await fail(lockouts, 2), [2, 1]);
});

Deno.test("success forgets the failures before it, after a restart too", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, open } = arranged;
  await fail(lockouts, 2);

  await lockouts.succeeded("alice", HERE);

  assertEquals(await fail(open(), 1), [2]);
});

Deno.test("failures long ago do not count", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock } = arranged;
  await fail(lockouts, 2);

  clock.now += HOUR;

  assertEquals(await fail(lockouts, 1), [2]);
});

Deno.test("a lock that lasts forever is lifted alone by the operator", async () => {
  using arranged = arrange(Infinity);
  const { lockouts, clock, open } = arranged;
  await fail(lockouts, 3);
  await fail(lockouts, 3, "127.0.0.2");
  clock.now += 1_000 * HOUR;

  assertEquals(leftMs(lockouts, "alice", HERE), Infinity);
  assertEquals(await lockouts.clear("alice"), 2);
  assertEquals(leftMs(lockouts, "alice", HERE), 0);
  assertEquals(leftMs(open(), "alice", HERE), 0);
  assertEquals(await lockouts.clear("alice"), 0);
});

Deno.test("stored failures count after a restart", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock, open } = arranged;
  await fail(lockouts, 3);
  await fail(lockouts, 2, "127.0.0.2");

  clock.now += HOUR / 2;
  const again = open();

  assertEquals(leftMs(again, "alice", HERE), HOUR / 2);
  assertEquals(await fail(again, 1, "127.0.0.2"), [0]);
});

Deno.test("a clock that was set back makes no lock longer", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock } = arranged;
  await fail(lockouts, 3);

  clock.now -= 500_000;

  assertEquals(leftMs(lockouts, "alice", HERE), HOUR);
});

Deno.test("of more than there can be, the oldest are forgotten, for good", async () => {
  using arranged = arrange(Infinity, 2);
  const { lockouts, open } = arranged;
  for (const address of ["a", "b", "c"]) await fail(lockouts, 3, address);

  for (const one of [lockouts, open()]) {
    const locked = ["a", "b", "c"].filter((address) =>
      leftMs(one, "alice", address) > 0
    );
    assertEquals(locked, ["b", "c"]);
  }
});

Deno.test("expired failures make room, and leave the database", async () => {
  using arranged = arrange(HOUR, 3);
  const { lockouts, clock, database } = arranged;
  await fail(lockouts, 1, "a1");
  await fail(lockouts, 3, "a2");
  clock.now += HOUR / 2;
  await fail(lockouts, 2, "b");
  clock.now += HOUR / 2;

  await fail(lockouts, 1, "c");

  const rows = database.prepare("SELECT address FROM lockouts ORDER BY address")
    .all().map(({ address }) => address);
  assertEquals(rows, ["b", "c"]);
  assertEquals(await fail(lockouts, 1, "b"), [0]);
});

Deno.test("guesses at other names lift no lock", async () => {
  using arranged = arrange(Infinity, 10);
  const { lockouts } = arranged;
  await fail(lockouts, 3);

  for (let i = 0; i < 50; i++) await lockouts.failed(`name${i}`, HERE);

  assertEquals(leftMs(lockouts, "alice", HERE), Infinity);
});

Deno.test("an address that has locked many accounts may try no other", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock, open } = arranged;
  const many = Array.from(
    { length: MAX_LOCKED_PER_NETWORK },
    (_, i) => `n${i}`,
  );
  for (const name of many) {
    for (let i = 0; i < 3; i++) await lockouts.failed(name, HERE);
  }

  assertEquals(leftMs(lockouts, "alice", HERE), HOUR);
  assertEquals(leftMs(open(), "alice", HERE), HOUR, "after a restart");
  assertEquals(leftMs(lockouts, "alice", "10.0.0.1"), 0);
  await lockouts.clear("n7");
  assertEquals(leftMs(lockouts, "alice", HERE), 0, "one less is locked");
  await fail(lockouts, 3);
  clock.now += HOUR;
  assertEquals(leftMs(lockouts, "bob", HERE), 0);
});

Deno.test("an address that fails once for each of many accounts may try another", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;

  for (let i = 0; i < MAX_LOCKED_PER_NETWORK; i++) {
    await lockouts.failed(`n${i}`, HERE);
  }

  assertEquals(leftMs(lockouts, "alice", HERE), 0);
});

Deno.test("an account that goes on failing counts as one that is locked", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;

  await fail(lockouts, 3 + MAX_LOCKED_PER_NETWORK);

  assertEquals(leftMs(lockouts, "bob", HERE), 0);
});

Deno.test("a lock holds though it cannot be stored", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;
  arranged[Symbol.dispose](); // the database is closed

  assertEquals(await fail(lockouts, 3), [2, 1, 0]);
  assertEquals(leftMs(lockouts, "alice", HERE), HOUR);
});

/** Of one network, and of another. */
const SIXES = ["[2001:db8::1]", "[2001:db8::ffff:2]", "[2001:db8:0:1::1]"];

Deno.test("an address of IPv6 is its network: guesses from many are as those from one", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, open } = arranged;
  const left: number[] = [];

  for (let i = 0; i < 80; i++) {
    const address = `[2001:db8:1:2::${(i % 40 + 1).toString(16)}]`;
    if (!lockouts.lockOf("alice", address)) {
      left.push(await lockouts.failed("alice", address));
    }
  }

  assertEquals(left, [2, 1, 0]);
  assertEquals(leftMs(open(), "alice", "[2001:db8:1:2:3:4:5:6]"), HOUR);
  assertEquals(leftMs(lockouts, "alice", "[2001:db8:1:3::1]"), 0);
});

Deno.test("a link-local address counts alone, and one of IPv4 in whatever form", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;

  await fail(lockouts, 3, "[fe80::1]");
  await fail(lockouts, 3, "[::ffff:10.0.0.1]");

  const here = ["[fe80::1]", "[fe80::2]", "10.0.0.1", "10.0.0.2"];
  assertEquals(
    here.map((address) => leftMs(lockouts, "alice", address)),
    [HOUR, 0, HOUR, 0],
  );
});

Deno.test("counts that versions before stored for an address of IPv6 count for its network", async () => {
  using arranged = arrange(HOUR);
  const { open, database, clock } = arranged;
  const put = database.prepare(
    "INSERT INTO lockouts VALUES ('alice', ?, ?, ?)",
  );
  put.run(SIXES[0]!, 2, clock.now);
  put.run(SIXES[1]!, 1, clock.now + 1);

  assertEquals(await fail(open(), 1, SIXES[1]), [0]);

  const rows = database.prepare("SELECT address, failures FROM lockouts").all();
  assertEquals(rows.map((row) => ({ ...row })), [
    { address: "2001:db8::/64", failures: 3 },
  ]);
});

/** Fails once, or so many times, for each of many accounts. */
async function failForMany(
  lockouts: Lockouts,
  accounts: number,
  { times = 1, address = HERE } = {},
): Promise<void> {
  for (let i = 0; i < accounts; i++) {
    for (let j = 0; j < times; j++) await lockouts.failed(`n${i}`, address);
  }
}

Deno.test("one network cannot fill the table: after many accounts it is locked for all", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, open } = arranged;

  await failForMany(lockouts, MAX_PAIRS_PER_NETWORK - 1);
  assertEquals(lockouts.lockOf("alice", HERE), undefined);
  await lockouts.failed("carol", HERE);

  assertEquals(lockouts.lockOf("alice", HERE), { kind: "pairs", leftMs: HOUR });
  assertEquals(open().lockOf("alice", HERE)?.kind, "pairs");
  assertEquals(lockouts.lockOf("alice", "10.0.0.1"), undefined);
});

Deno.test("a network stays locked until fewer of its accounts are", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock } = arranged;
  await lockouts.failed("early", HERE);
  await lockouts.failed("early", HERE);
  await lockouts.failed("early", HERE);
  clock.now += HOUR / 2;
  await failForMany(lockouts, MAX_LOCKED_PER_NETWORK, { times: 3 });

  clock.now += HOUR / 2; // the first lock is over, a hundred are not

  assertEquals(leftMs(lockouts, "alice", HERE), HOUR / 2);
});

Deno.test("of the sessions of an account only the newest is stored", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, database } = arranged;

  for (let i = 0; i < 5; i++) await fail(lockouts, 3, `session ${i}`);

  assertEquals(leftMs(lockouts, "alice", "session 4"), HOUR);
  assertEquals(leftMs(lockouts, "alice", "session 3"), 0);
  const rows = database.prepare("SELECT address FROM lockouts").all();
  assertEquals(rows.map(({ address }) => address), ["session 4"]);
});

Deno.test("the operator ends the locks of an address, of a network, and of all in it", async () => {
  using arranged = arrange(Infinity);
  const { lockouts, open } = arranged;
  const places = ["10.0.0.1", "10.0.0.2", "10.1.0.1", "[2001:db8::5]"];
  for (const place of places) await fail(lockouts, 3, place);
  await fail(lockouts, 3, "session x");

  const counts: number[] = [];
  for (const word of ["10.0.0.1", "10.0.0.0/24", "2001:db8::1", "11.0.0.0/8"]) {
    counts.push(await lockouts.clearNetwork(parseNetwork(word)!));
  }

  assertEquals(counts, [1, 1, 1, 0]);
  for (const one of [lockouts, open()]) {
    assertEquals(one.list().map(({ address }) => address), [
      "10.1.0.1",
      "session x",
    ]);
  }
});

Deno.test("an account that the operator unlocks can sign in where all are locked", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;
  await failForMany(lockouts, MAX_LOCKED_PER_NETWORK, { times: 3 });
  assertEquals(lockouts.list()[0], {
    account: undefined,
    address: HERE,
    leftMs: HOUR,
  });

  assertEquals(await lockouts.clear("alice"), 0);

  assertEquals(lockouts.lockOf("alice", HERE), undefined);
  assertEquals(lockouts.lockOf("bob", HERE)?.kind, "locked");
  assertEquals(await fail(lockouts, 3), [2, 1, 0], "it locks as any other");
  assertEquals(lockouts.lockOf("alice", HERE)?.kind, "account");
});

Deno.test("guesses that are counted at once stay so while those before are being stored", async () => {
  using database = new Database(IN_MEMORY);
  const entries = new SharedLog().join(database, true); // one after the other
  const options = { lockoutMs: HOUR, now: () => 1_000_000 };
  const lockouts = new Lockouts(database, { ...options, entries });

  const guesses = [1, 2, 3].map(() => lockouts.failed("alice", HERE));
  const left = await guesses[0];
  const lock = lockouts.lockOf("alice", HERE);
  await Promise.all(guesses);

  assertEquals([left, lock?.kind], [0, "account"]);
  const rows = database.prepare("SELECT failures FROM lockouts").all();
  assertEquals(rows.map(({ failures }) => failures), [3]);
});

Deno.test("nothing of an account that is deleted is left for the next of its name", async () => {
  using arranged = arrange(HOUR);
  const { database, lockouts, open } = arranged;
  await fail(lockouts, 3);

  await database.write(() => lockouts.deleteOf("alice"));
  lockouts.deleted("alice");

  for (const one of [lockouts, open()]) {
    assertEquals(one.lockOf("alice", HERE), undefined);
  }
});

const REASONS = [
  [
    { kind: "account", leftMs: 900_000 },
    "3 wrong passwords in a row; try again in 15 minutes, or ask the operator to unlock the account",
  ],
  [
    { kind: "account", leftMs: Infinity },
    "3 wrong passwords in a row; only the operator can unlock the account",
  ],
  [
    { kind: "session", leftMs: 3_600_000 },
    "3 wrong passwords in a row with your session; try again in 1 hour, or ask the operator to unlock the account",
  ],
  [
    { kind: "locked", leftMs: 900_000 },
    "100 accounts are locked for it; try again in 15 minutes, or ask the operator to unlock your address",
  ],
  [
    { kind: "pairs", leftMs: Infinity },
    "wrong passwords for 1000 accounts; only the operator can unlock your address",
  ],
] as const;

for (const [lock, reason] of REASONS) {
  Deno.test(`the reason of a lock is the true one: ${reason}`, () => {
    const { code, message } = lockedOut("alice", lock);

    assertEquals(code, 112);
    assertEquals(
      message,
      `Cannot sign in as "alice" from your address: ${reason}`,
    );
  });
}
