/** Bans: whom they concern, and that they outlive the server. */
import { assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { type Ban, Bans, MAX_BANS } from "../../../server/accounts/bans.ts";
import { parseTarget, type Target } from "../../../server/accounts/targets.ts";
import { timeText } from "../../../core/net/connection_error.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import type { Log } from "../../../server/journal/log.ts";
import { tempFolder } from "../../tools/temp.ts";

function ban(word: string, reason = ""): Ban {
  return { ...parseTarget(word)!, since: 1_000, until: Infinity, reason };
}

function name(value: string): Target {
  return { kind: "name", value };
}

Deno.test("a ban concerns a name however it is written, and nobody else", async () => {
  using database = new Database(IN_MEMORY);
  const bans = new Bans(database);

  await bans.add(ban("Alice", "spam"));

  for (const value of ["Alice", "alice", "ALICE", "a1ice", "aIice"]) {
    const { code, message, closes } = bans.refusal(name(value))!;
    assertEquals([code, closes], [117, true]);
    assertEquals(
      message,
      'Cannot use this server: the name "Alice" is banned (spam)',
    );
  }
  assertEquals(bans.refusal(name("alic")), undefined);
  assertEquals(bans.refusal({ kind: "address", value: "Alice" }), undefined);
});

Deno.test("a ban of an address concerns that address alone", async () => {
  using database = new Database(IN_MEMORY);
  const bans = new Bans(database);

  await bans.add(ban("10.0.0.1"));

  const refusal = bans.refusal({ kind: "address", value: "10.0.0.1" });
  assertEquals(
    refusal?.message,
    "Cannot use this server: the address 10.0.0.1 is banned",
  );
  for (const value of ["10.0.0.10", "10.0.0.2", "[::1]"]) {
    assertEquals(bans.refusal({ kind: "address", value }), undefined);
  }
});

Deno.test("a ban takes the place of one of a look-alike, and both are lifted as one", async () => {
  using database = new Database(IN_MEMORY);
  const bans = new Bans(database);
  await bans.add(ban("alice", "first"));

  await bans.add(ban("a1ice", "second"));

  assertEquals(bans.all(), [ban("a1ice", "second")]);
  await bans.remove(bans.find(name("ALICE"))!);
  assertEquals(bans.all(), []);
  assertEquals(new Bans(database).all(), []);
});

Deno.test("bans are there again after a restart", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  const kept = [
    ban("bob", "spam"),
    ban("10.0.0.1"),
    ban("2001:db8::5", "why not"),
  ];
  {
    using database = new Database(file);
    const bans = new Bans(database);
    for (const one of [...kept, ban("carol")]) await bans.add(one);
    await bans.remove(bans.find(name("carol"))!);
  }
  using database = new Database(file);

  assertEquals(new Bans(database).all(), kept);
});

Deno.test("a ban for a time ends by itself, also when the server restarts", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  let now = 1_000;
  const refusalAt = (bans: Bans, ms: number) => {
    now = ms;
    return bans.refusal(name("b0b"));
  };
  const spam = { ...ban("bob", "spam"), until: 601_000 };
  {
    using database = new Database(file);
    const bans = new Bans(database, () => now);
    await bans.add(spam);
    const { message, headers } = refusalAt(bans, 1_000)!;
    assertEquals(
      message,
      'Cannot use this server: the name "bob" is banned for 10 minutes (spam)',
    );
    assertEquals(headers, { "Retry-after": 600 });
  }
  {
    using database = new Database(file);
    const bans = new Bans(database, () => now);
    assertEquals(refusalAt(bans, 600_500)?.headers, { "Retry-after": 1 });
    assertEquals(bans.all(), [spam]);
    assertEquals(refusalAt(bans, 601_000), undefined);
    assertEquals(bans.all(), []);
  }
  using database = new Database(file);
  const bans = new Bans(database, () => now);

  assertEquals(refusalAt(bans, 601_000), undefined);
  assertEquals(bans.all(), []);
  // The clock was wrong, and is put right: the ban is still known.
  assertEquals(refusalAt(bans, 500_000)?.headers, { "Retry-after": 101 });
  now = 700_000;
  await bans.add(ban("BOB"));
  assertEquals(bans.all(), [ban("BOB")]);
});

Deno.test("timeText() says how long in few words", () => {
  const texts = [1, 1_000, 60_000, 90_000, 120_000, 600_000, 3_600_000]
    .concat(5_400_000, 7_200_000, 86_400_000, 2_592_000_000)
    .concat(3_595_000, 7_195_000, 172_795_000).map(timeText);

  assertEquals(texts, [
    ...["1 second", "1 second", "1 minute", "90 seconds", "2 minutes"],
    ...["10 minutes", "1 hour", "90 minutes", "2 hours", "1 day", "30 days"],
    ...["1 hour", "2 hours", "2 days"], // a moment later
  ]);
});

Deno.test("a reason that somebody wrote into the file breaks no head", () => {
  using database = new Database(IN_MEMORY);
  database.prepare("INSERT INTO bans VALUES ('name', 'eve', 0, ?, NULL)")
    .run("a\nFORWARD bob\n\x1b[2J");

  const [found] = new Bans(database).all();

  assertEquals(found?.reason, "a␤FORWARD bob␤␛[2J");
});

Deno.test("a ban that cannot be stored holds, and whoever banned is told", async () => {
  const database = new Database(IN_MEMORY);
  const bans = new Bans(database);
  database.close();

  const error = await assertRejects(() => bans.add(ban("eve")), ChatError);

  assertEquals(error.code, 119);
  assertEquals(bans.refusal(name("eve"))?.code, 117);
});

const TARGETS: readonly [word: string, kind?: string, value?: string][] = [
  ["bob", "name", "bob"],
  ["1234", "name", "1234"],
  ["127.0.0.1", "address", "127.0.0.1"],
  ["127.0.0.1:50312", "address", "127.0.0.1"],
  ["::ffff:127.0.0.1", "address", "127.0.0.1"],
  ["[::FFFF:7f00:1]:50312", "address", "127.0.0.1"],
  ["::1", "address", "::1"],
  ["[::1]", "address", "::1"],
  ["[::1]:50312", "address", "::1"],
  ["2001:db8:1:2:3:4:5:6", "address", "2001:db8:1:2::/64"],
  ["[2001:DB8::5]:50312", "address", "2001:db8::/64"],
  ["2001:db8:1:2::/64", "address", "2001:db8:1:2::/64"],
  ["2001:db8::/48", "address", "2001:db8::/48"],
  ["2001:db8:ffff:ffff::/33", "address", "2001:db8:8000::/33"],
  ["2001:db8::5/128", "address", "2001:db8::5/128"],
  ["FE80:0:0:0:0:0:0:01", "address", "fe80::1"],
  ["fe80::1%eth0", "address", "fe80::1"],
  ["[fe80::1%4]:50312", "address", "fe80::1"],
  ["::1/64", "address", "::/64"],
  ["192.168.1.0/24", "address", "192.168.1.0/24"],
  ["192.168.1.77/24", "address", "192.168.1.0/24"],
  ["10.0.0.1/32", "address", "10.0.0.1"],
  ["::ffff:10.0.0.0/104", "address", "10.0.0.0/8"],
  ["0.0.0.0/0", "address", "0.0.0.0/0"],
  ["10.0.0.0/33"],
  ["::/129"],
  ["::ffff:10.0.0.0/95"],
  ["10.0.0.0/"],
  ["10.0.0.0/-1"],
  ["10.0.0.1%eth0"],
  ["fe80::1%"],
  ["127.0.0"],
  ["127.0.0.256"],
  ["010.0.0.1"],
  ["127.1"],
  ["0x7f.0.0.1"],
  ["::1]/#["],
  ["::g"],
  ["dead.beef"],
  ["ALL"],
  ["#lab"],
  ["bob.example"],
  ["b\x1bob"],
  ["x".repeat(33)],
  [""],
];

for (const [word, kind, value] of TARGETS) {
  Deno.test(`parseTarget() finds ${kind ?? "nobody"} in ${JSON.stringify(word)}`, () => {
    const expected = kind === undefined ? undefined : { kind, value };

    assertEquals<unknown>(parseTarget(word), expected);
  });
}

function at(value: string): Target {
  return { kind: "address", value };
}

const COVERED: readonly [banned: string, yes: string[], no: string[]][] = [
  ["2001:db8:1:2::5", ["[2001:db8:1:2::5]", "[2001:db8:1:2:ffff::1]"], [
    "[2001:db8:1:3::5]",
  ]],
  ["2001:db8::/48", ["[2001:db8::1]", "[2001:db8:0:ffff::1]"], [
    "[2001:db8:1::1]",
  ]],
  ["2001:db8::5/128", ["[2001:db8::5]"], ["[2001:db8::6]"]],
  ["fe80::1%eth0", ["[fe80::1]"], ["[fe80::2]"]],
  ["192.168.1.0/24", ["192.168.1.0", "192.168.1.255"], [
    "192.168.2.0",
    "192.168.0.255",
  ]],
  ["10.0.0.0/9", ["10.127.255.255"], ["10.128.0.0"]],
  ["::ffff:10.0.0.1", ["10.0.0.1", "[::ffff:10.0.0.1]"], ["10.0.0.2"]],
  ["0.0.0.0/0", ["1.2.3.4", "127.0.0.1"], ["[::1]"]],
];

for (const [banned, yes, no] of COVERED) {
  Deno.test(`a ban of ${banned} covers ${yes.join(" and ")}, and not ${no.join(" or ")}`, async () => {
    using database = new Database(IN_MEMORY);
    const bans = new Bans(database);

    await bans.add(ban(banned));

    for (const one of [bans, new Bans(database)]) {
      const isBanned = (host: string) => one.refusal(at(host)) !== undefined;
      assertEquals(yes.filter(isBanned), yes);
      assertEquals(no.filter(isBanned), []);
    }
  });
}

Deno.test("bans that versions before stored for an address of IPv6 hold for its network, once", async () => {
  using database = new Database(IN_MEMORY);
  const put = database.prepare(
    "INSERT INTO bans VALUES ('address', ?, ?, ?, ?)",
  );
  put.run("[2001:db8::5]", 1, "spam", null);
  put.run("[2001:db8::6]", 2, "", 2_000);
  put.run("[::1]", 3, "", null);
  put.run("10.0.0.1", 4, "", null);

  const bans = new Bans(database);

  assertEquals(bans.refusal(at("[2001:db8::7]"))?.code, 117);
  assertEquals(bans.all().map(({ value }) => value), [
    "2001:db8::/64",
    "::1",
    "10.0.0.1",
  ]);
  await bans.remove(bans.find(at("[2001:db8::6]"))!);
  assertEquals(new Bans(database).all().map(({ value }) => value), [
    "::1",
    "10.0.0.1",
  ]);
});

Deno.test("ten thousand bans are the limit, and one that has ended makes room", async () => {
  using database = new Database(IN_MEMORY);
  let now = 0;
  const bans = new Bans(database, () => now);
  const adding = Array.from({ length: MAX_BANS }, (_, i) =>
    bans.add({
      ...ban(`10.${i >> 8}.${i & 255}.0/24`),
      until: i === 7 ? 1_000 : Infinity,
    }));
  await Promise.all(adding);
  assertEquals(bans.isFullFor(ban("bob")), true);
  assertEquals(bans.isFullFor(ban("10.0.1.0/24")), false);

  now = 1_000;
  assertEquals(bans.isFullFor(ban("bob")), false);
  await bans.add(ban("bob"));

  assertEquals(bans.isFullFor(ban("carol")), true);
  assertEquals(new Bans(database).all().length, MAX_BANS);
  assertEquals(bans.refusal(at("10.39.15.1"))?.code, 117);
});

/** The log of several servers, which takes nothing until it `works`. */
class StuckLog implements Log {
  works = true;
  readonly #database: Database;
  #late: (() => Promise<unknown>)[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  register: Log["register"] = (kind, applier) => {
    const append = this.#database.register(kind, applier);
    return (entry) => {
      if (this.works) return append(entry);
      this.#late.push(() => append(entry));
      return Promise.reject(new ChatError(119, "Cannot store that"));
    };
  };

  /** Takes all that was too late. */
  async takeLate(): Promise<void> {
    for (const append of this.#late.splice(0)) await append();
  }
}

Deno.test("of several servers, none has a ban that cannot be stored", async () => {
  using database = new Database(IN_MEMORY);
  const entries = new StuckLog(database);
  const enforced: string[] = [];
  const bans = new Bans(database, () => 2_000, {
    entries,
    enforce: (_, { value }) => enforced.push(value),
  });
  await bans.add(ban("alice", "first"));
  await bans.add(ban("bob"));

  entries.works = false;
  const adding = bans.add({ ...ban("a1ice", "second"), since: 1_001 });
  const removing = bans.remove(ban("bob"));
  assertEquals(bans.find(name("alice"))?.reason, "second"); // at once
  assertEquals(bans.find(name("bob")), undefined);
  await assertRejects(() => adding, ChatError);
  await assertRejects(() => removing, ChatError);

  assertEquals(bans.all().toSorted(byValue), [
    ban("alice", "first"),
    ban("bob"),
  ]);
  await entries.takeLate(); // it was stored nevertheless
  assertEquals(bans.all(), [{ ...ban("a1ice", "second"), since: 1_001 }]);
  assertEquals(enforced, ["a1ice"]);
});

function byValue(a: Ban, b: Ban): number {
  return a.value < b.value ? -1 : 1;
}
