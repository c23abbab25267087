/** Bans: whom they concern, and that they outlive the server. */
import { assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  type Ban,
  Bans,
  type BanTarget,
  parseTarget,
} from "../../../server/accounts/bans.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/database_file.ts";
import { tempFolder } from "../../tools/temp.ts";

function ban(word: string, reason = ""): Ban {
  return { ...parseTarget(word)!, since: 1_000, reason };
}

function name(value: string): BanTarget {
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
  const kept = [ban("bob", "spam"), ban("10.0.0.1"), ban("::1", "why not")];
  {
    using database = new Database(file);
    const bans = new Bans(database);
    for (const one of [...kept, ban("carol")]) await bans.add(one);
    await bans.remove(bans.find(name("carol"))!);
  }
  using database = new Database(file);

  assertEquals(new Bans(database).all(), kept);
});

Deno.test("a reason that somebody wrote into the file breaks no head", () => {
  using database = new Database(IN_MEMORY);
  database.prepare("INSERT INTO bans VALUES ('name', 'eve', 0, ?)")
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
  ["::1", "address", "[::1]"],
  ["[::1]", "address", "[::1]"],
  ["[::1]:50312", "address", "[::1]"],
  ["FE80:0:0:0:0:0:0:01", "address", "[fe80::1]"],
  ["fe80::1%eth0"],
  ["127.0.0"],
  ["127.0.0.256"],
  ["127.1"],
  ["0x7f.0.0.1"],
  ["::1]/#["],
  ["::g"],
  ["dead.beef"],
  ["::1/64"],
  ["10.0.0.0/8"],
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
