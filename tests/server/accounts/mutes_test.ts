/** Mutes: whom they concern, for how long, and that they outlive the server. */
import { assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  MAX_ALLOWED,
  MAX_MUTES,
  MAX_PLACES,
  Mutes,
} from "../../../server/accounts/mutes.ts";
import { parseTarget, type Target } from "../../../server/accounts/targets.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";

const HERE = "10.0.0.1:5000";
const THERE = "10.0.0.2:5000";

/** Mutes, with users and accounts that the test sets. */
function arrange(file = IN_MEMORY) {
  const database = new Database(file);
  const clock = { now: 1_000 };
  const users: { name: string; remote: string }[] = [];
  const accounts = new Map<string, number>(); // when they were created
  const log: string[] = [];
  const open = () =>
    new Mutes(database, {
      users: () => users,
      accountSince: (name) => accounts.get(name),
      log: (line, remote) => log.push(`${remote}: ${line}`),
      now: () => clock.now,
    });
  const mutes = open();
  return {
    ...{ database, clock, users, accounts, log, open, mutes },
    /** A user enters. @returns Why it cannot send. */
    enter(name: string, remote = HERE, into = mutes): string | undefined {
      const reason = into.entered(name, remote);
      users.push({ name, remote });
      return reason;
    },
    leave(name: string): void {
      users.splice(users.findIndex((user) => user.name === name), 1);
    },
    [Symbol.dispose]: () => database.close(),
  };
}

function target(word: string): Target {
  return parseTarget(word)!;
}

const OWN = "the operator has muted you";
const asAlice = (name: string) =>
  `you are muted, as alice at your address is; ask the operator to unmute ${name}`;

Deno.test("a mute concerns a name however it is written, and no other elsewhere", async () => {
  using arranged = arrange();
  const { mutes, enter } = arranged;
  await mutes.add(target("Alice"), Infinity);

  for (const name of ["alice", "ALICE", "a1ice", "aIice"]) {
    assertEquals(mutes.reason(name, HERE), OWN);
  }
  assertEquals(enter("bob", THERE), undefined);
});

Deno.test("a muted user does not talk on under a new name from the same address", async () => {
  using arranged = arrange();
  const { mutes, enter, leave, log } = arranged;
  enter("alice");
  await mutes.add(target("alice"), Infinity);
  leave("alice");

  assertEquals(enter("carol"), asAlice("carol"));
  assertEquals(enter("dave", "10.0.0.1:7000"), asAlice("dave"));
  assertEquals(enter("erin", THERE), undefined);
  assertEquals(log, [
    "10.0.0.1:5000: carol <10.0.0.1:5000> is muted as alice is",
    "10.0.0.1:7000: dave <10.0.0.1:7000> is muted as alice is",
  ]);
});

Deno.test("users who were connected, and accounts from before, talk on behind the same address", async () => {
  using arranged = arrange();
  const { mutes, enter, leave, accounts, clock } = arranged;
  for (let i = 0; i < 30; i++) enter(`guest${i}x`);
  accounts.set("owner", 999);
  enter("alice");

  await mutes.add(target("alice"), Infinity);

  assertEquals(mutes.reason("alice", HERE), OWN);
  for (let i = 0; i < 30; i++) {
    assertEquals(mutes.reason(`guest${i}x`, HERE), undefined);
    leave(`guest${i}x`);
    assertEquals(enter(`guest${i}x`), undefined, "also after a reconnect");
  }
  assertEquals(enter("owner"), undefined);
  clock.now = 2_000;
  accounts.set("new", 1_500);
  assertEquals(enter("new"), asAlice("new"), "an account that is new");
});

Deno.test("a mute of a user who is not there begins at the address where it comes", async () => {
  using arranged = arrange();
  const { mutes, enter, accounts, clock } = arranged;
  await mutes.add(target("alice"), Infinity);
  clock.now = 2_000;
  assertEquals(enter("bob"), undefined);
  accounts.set("between", 1_500);

  assertEquals(enter("alice"), OWN);

  assertEquals(mutes.reason("bob", HERE), undefined, "was there before");
  assertEquals(enter("between"), undefined);
  assertEquals(enter("carol"), asAlice("carol"));
});

Deno.test("an address of IPv6 is its network, and one of IPv4 in any form the same", async () => {
  using arranged = arrange();
  const { mutes, enter } = arranged;
  enter("alice", "[2001:db8::1]:1");
  await mutes.add(target("alice"), Infinity);
  await mutes.add(target("10.0.0.9"), Infinity);

  assertEquals(enter("bob", "[2001:db8::2:3]:1"), asAlice("bob"));
  assertEquals(enter("carol", "[2001:db8:0:1::1]:1"), undefined);
  assertEquals(
    enter("dave", "[::ffff:10.0.0.9]:1"),
    "the operator has muted your address",
  );
});

Deno.test("the operator lets another name send, and mutes it if it misbehaves, too", async () => {
  using arranged = arrange();
  const { mutes, enter } = arranged;
  enter("alice");
  await mutes.add(target("alice"), Infinity);
  enter("carol");

  const { removed, allowedBy, storing } = mutes.remove(target("CAROL"));
  await storing;

  assertEquals(removed, undefined);
  assertEquals(allowedBy.map(({ value }) => value), ["alice"]);
  assertEquals(mutes.reason("carol", HERE), undefined);
  assertEquals(arranged.open().reason("carol", HERE), undefined);
  await mutes.add(target("carol"), Infinity);
  assertEquals(mutes.reason("carol", HERE), OWN);
  await mutes.remove(target("carol")).storing;
  assertEquals(mutes.reason("carol", HERE), undefined);
});

Deno.test("the operator lets a name send that has left since, and no name that was never here", async () => {
  using arranged = arrange();
  const { mutes, enter, leave } = arranged;
  enter("alice");
  await mutes.add(target("alice"), Infinity);
  assertEquals(enter("carol"), asAlice("carol"));
  leave("carol");

  assertEquals(mutes.remove(target("carol")).allowedBy.length, 1);
  assertEquals(mutes.remove(target("dave")).allowedBy.length, 0);

  assertEquals(enter("carol"), undefined);
  assertEquals(enter("dave"), asAlice("dave"));
});

Deno.test("with the mute of a name its rule for the address ends", async () => {
  using arranged = arrange();
  const { mutes, enter, open } = arranged;
  enter("alice");
  await mutes.add(target("alice"), Infinity);
  enter("carol");

  await mutes.remove(target("a1ice")).storing;

  for (const one of [mutes, open()]) {
    assertEquals(one.reason("alice", HERE), undefined);
    assertEquals(one.reason("carol", HERE), undefined);
    assertEquals(one.all(), []);
  }
});

Deno.test("a user of a muted address sends if the operator says so", async () => {
  using arranged = arrange();
  const { mutes, enter } = arranged;
  enter("alice");
  enter("bob");
  await mutes.add(target("10.0.0.0/24"), Infinity);
  const why = "the operator has muted your address";
  assertEquals(mutes.reason("alice", HERE), why);
  assertEquals(mutes.reason("alice", "10.0.1.1:1"), undefined);

  await mutes.remove(target("alice")).storing;

  assertEquals(mutes.reason("alice", HERE), undefined);
  assertEquals(mutes.reason("bob", HERE), why);
  await mutes.remove(target("10.0.0.0/24")).storing;
  assertEquals(mutes.reason("bob", HERE), undefined);
});

Deno.test("a mute for a time ends by itself, and says how long it lasts", async () => {
  using arranged = arrange();
  const { mutes, enter, clock } = arranged;
  enter("alice");
  await mutes.add(target("alice"), 601_000);
  assertEquals(mutes.reason("alice", HERE), `${OWN} for 10 minutes`);
  assertEquals(
    enter("carol"),
    "you are muted for 10 minutes, as alice at your address is; ask the operator to unmute carol",
  );

  clock.now = 601_000;

  for (const one of [mutes, arranged.open()]) {
    assertEquals(one.reason("alice", HERE), undefined);
    assertEquals(one.reason("carol", HERE), undefined);
    assertEquals(one.all(), []);
  }
});

Deno.test("mutes are there again after a restart, with the address and the names that talk on", async () => {
  using arranged = arrange();
  const { mutes, enter, open } = arranged;
  enter("bob");
  enter("alice");
  await mutes.add(target("alice"), Infinity);

  const again = open();

  assertEquals(again.reason("alice", THERE), OWN);
  assertEquals(again.entered("bob", HERE), undefined);
  assertEquals(again.entered("carol", HERE), asAlice("carol"));
});

for (const restarted of [false, true]) {
  const when = restarted ? ", after a restart" : "";
  Deno.test(`another user who takes the name of one who talked on is muted${when}`, async () => {
    using arranged = arrange();
    const { enter, open } = arranged;
    enter("bob");
    enter("carol");
    enter("alice");
    await arranged.mutes.add(target("alice"), Infinity);
    enter("dave");
    await arranged.mutes.remove(target("dave")).storing;
    const mutes = restarted ? open() : arranged.mutes;

    mutes.newcomer("B0B");
    mutes.newcomer("dave");

    assertEquals(mutes.entered("bob", HERE), asAlice("bob"));
    assertEquals(mutes.entered("carol", HERE), undefined);
    assertEquals(
      mutes.entered("dave", HERE),
      undefined,
      "the operator said so",
    );
    arranged.users.length = 0; // else bob is muted for the first time
    assertEquals(mutes.remove(target("bob")).allowedBy.length, 1);
    mutes.newcomer("bob");
    assertEquals(mutes.entered("bob", HERE), undefined);
  });
}

Deno.test("a mute that is repeated spares none that it has muted", async () => {
  using arranged = arrange();
  const { mutes, enter } = arranged;
  enter("bob");
  enter("alice");
  await mutes.add(target("alice"), Infinity);
  enter("carol");

  await mutes.add(target("ALICE"), 601_000);

  assertEquals(mutes.reason("bob", HERE), undefined);
  assertEquals(mutes.reason("carol", HERE)?.includes("as ALICE"), true);
});

Deno.test("nobody mutes many networks, or forgets the first, by taking a muted name there", async () => {
  using arranged = arrange();
  const { mutes, enter, leave } = arranged;
  await mutes.add(target("alice"), Infinity);

  for (let i = 0; i < 2 * MAX_PLACES; i++) {
    enter("alice", `10.1.0.${i}:1`);
    leave("alice");
  }

  const muted = Array.from({ length: 2 * MAX_PLACES }, (_, i) => i)
    .filter((i) => mutes.reason("bob", `10.1.0.${i}:1`) !== undefined);
  assertEquals(muted, Array.from({ length: MAX_PLACES }, (_, i) => i));
});

Deno.test("a thousand names talk on, and the last that the operator lets", async () => {
  using arranged = arrange();
  const { mutes, enter } = arranged;
  for (let i = 0; i < MAX_ALLOWED; i++) enter(`u${i}x`);
  enter("alice");
  await mutes.add(target("alice"), Infinity);
  enter("carol");

  await mutes.remove(target("carol")).storing;

  assertEquals(mutes.reason("carol", HERE), undefined);
  assertEquals(mutes.reason("u5x", HERE), undefined);
  assertEquals(mutes.all()[0]?.allowed.size, MAX_ALLOWED);
});

Deno.test("a thousand mutes are the limit, and one that has ended makes room", async () => {
  using arranged = arrange();
  const { mutes, clock, open } = arranged;
  await Promise.all(
    Array.from(
      { length: MAX_MUTES },
      (_, i) => mutes.add(target(`u${i}x`), i === 7 ? 2_000 : Infinity),
    ),
  );
  assertEquals(mutes.isFullFor(target("bob")), true);
  assertEquals(mutes.isFullFor(target("U8X")), false);

  clock.now = 2_000;
  assertEquals(mutes.isFullFor(target("bob")), false);
  await mutes.add(target("bob"), Infinity);

  assertEquals(mutes.isFullFor(target("carol")), true);
  assertEquals(open().all().length, MAX_MUTES);
});

Deno.test("a mute that cannot be stored holds, and the operator is told", async () => {
  using arranged = arrange();
  const { mutes, database } = arranged;
  database.close();

  const error = await assertRejects(
    () => mutes.add(target("eve"), Infinity),
    ChatError,
  );

  assertEquals(error.code, 119);
  assertEquals(mutes.reason("eve", HERE), OWN);
});

Deno.test("of several servers, none has a mute that cannot be stored", async () => {
  using arranged = arrange();
  const { database } = arranged;
  let works = true;
  let marked = 0;
  const late: (() => Promise<unknown>)[] = [];
  const mutes = new Mutes(database, {
    users: () => [],
    accountSince: () => undefined,
    log: () => {},
    now: () => 1_000,
    changed: () => marked++,
    entries: {
      register(kind, applier) {
        const append = database.register(kind, applier);
        return (entry) => {
          if (works) return append(entry);
          late.push(() => append(entry));
          return Promise.reject(new ChatError(119, "Cannot store that"));
        };
      },
    },
  });
  await mutes.add(target("alice"), Infinity);

  works = false;
  const adding = mutes.add(target("bob"), Infinity);
  const removing = mutes.remove(target("alice")).storing;
  const muted = () => mutes.all().map(({ value }) => value);
  assertEquals(muted(), ["bob"]); // at once
  await assertRejects(() => adding, ChatError);
  await assertRejects(() => removing, ChatError);

  assertEquals(muted(), ["alice"]);
  assertEquals(marked, 2);
  for (const append of late) await append(); // it was stored nevertheless
  assertEquals(muted(), ["bob"]);
  assertEquals(marked, 4);
});
