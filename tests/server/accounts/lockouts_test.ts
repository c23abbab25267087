/** Lockouts, by a clock that the test sets. */
import { assertEquals } from "@std/assert";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/database_file.ts";
import {
  Lockouts,
  MAX_LOCKED_PER_ADDRESS,
} from "../../../server/accounts/lockouts.ts";

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

Deno.test("a lock begins with the third failure and ends by itself", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock } = arranged;

  assertEquals(await fail(lockouts, 3), [2, 1, 0]);
  assertEquals(lockouts.remainingMs("alice", HERE), HOUR);
  clock.now += HOUR - 1;
  assertEquals(lockouts.remainingMs("alice", HERE), 1);
  clock.now += 1;
  assertEquals(lockouts.remainingMs("alice", HERE), 0);
  assertEquals(await fail(lockouts, 1), [2], "it counts anew");
});

Deno.test("a lock is for one address and one account", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;
  await fail(lockouts, 3);

  assertEquals(lockouts.remainingMs("alice", "127.0.0.2"), 0);
  assertEquals(lockouts.remainingMs("bob", HERE), 0);
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

  assertEquals(lockouts.remainingMs("alice", HERE), Infinity);
  assertEquals(await lockouts.clear("alice"), 2);
  assertEquals(lockouts.remainingMs("alice", HERE), 0);
  assertEquals(open().remainingMs("alice", HERE), 0);
  assertEquals(await lockouts.clear("alice"), 0);
});

Deno.test("stored failures count after a restart", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock, open } = arranged;
  await fail(lockouts, 3);
  await fail(lockouts, 2, "127.0.0.2");

  clock.now += HOUR / 2;
  const again = open();

  assertEquals(again.remainingMs("alice", HERE), HOUR / 2);
  assertEquals(await fail(again, 1, "127.0.0.2"), [0]);
});

Deno.test("a clock that was set back makes no lock longer", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock } = arranged;
  await fail(lockouts, 3);

  clock.now -= 500_000;

  assertEquals(lockouts.remainingMs("alice", HERE), HOUR);
});

Deno.test("of more than there can be, the oldest are forgotten, for good", async () => {
  using arranged = arrange(Infinity, 2);
  const { lockouts, open } = arranged;
  for (const address of ["a", "b", "c"]) await fail(lockouts, 3, address);

  for (const one of [lockouts, open()]) {
    const locked = ["a", "b", "c"].filter((address) =>
      one.remainingMs("alice", address) > 0
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

  assertEquals(lockouts.remainingMs("alice", HERE), Infinity);
});

Deno.test("an address that has locked many accounts may try no other", async () => {
  using arranged = arrange(HOUR);
  const { lockouts, clock, open } = arranged;
  const many = Array.from(
    { length: MAX_LOCKED_PER_ADDRESS },
    (_, i) => `n${i}`,
  );
  for (const name of many) {
    for (let i = 0; i < 3; i++) await lockouts.failed(name, HERE);
  }

  assertEquals(lockouts.remainingMs("alice", HERE), HOUR);
  assertEquals(open().remainingMs("alice", HERE), HOUR, "after a restart");
  assertEquals(lockouts.remainingMs("alice", "10.0.0.1"), 0);
  await lockouts.clear("n7");
  assertEquals(lockouts.remainingMs("alice", HERE), 0);
  await fail(lockouts, 3);
  clock.now += HOUR;
  assertEquals(lockouts.remainingMs("bob", HERE), 0);
});

Deno.test("an address that fails once for each of many accounts may try another", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;

  for (let i = 0; i < MAX_LOCKED_PER_ADDRESS; i++) {
    await lockouts.failed(`n${i}`, HERE);
  }

  assertEquals(lockouts.remainingMs("alice", HERE), 0);
});

Deno.test("an account that goes on failing counts as one that is locked", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;

  await fail(lockouts, 3 + MAX_LOCKED_PER_ADDRESS);

  assertEquals(lockouts.remainingMs("bob", HERE), 0);
});

Deno.test("a lock holds though it cannot be stored", async () => {
  using arranged = arrange(HOUR);
  const { lockouts } = arranged;
  arranged[Symbol.dispose](); // the database is closed

  assertEquals(await fail(lockouts, 3), [2, 1, 0]);
  assertEquals(lockouts.remainingMs("alice", HERE), HOUR);
});
