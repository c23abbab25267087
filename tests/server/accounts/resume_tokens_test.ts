/** What a user's connection leaves behind for a while. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { Database } from "../../../server/journal/database.ts";
import {
  ResumableSessions,
  ResumableSessionTable,
  RESUME_WINDOW_MS,
} from "../../../server/accounts/resume_tokens.ts";

Deno.test("ResumableSessions finds a visit by name, in any case, and token", async () => {
  const visits = new ResumableSessions();
  const visit = await visits.begin("Alice", 7);

  assertMatch(visit.token, /^[0-9a-f]{32}$/);
  assert(visits.find("alice", visit.token) === visit);
  assertEquals(visits.find("bob", visit.token), undefined);
  for (
    const token of ["", "x", visit.token.slice(1), `${visit.token}0`, "\u{e9}"]
  ) {
    assertEquals(visits.find("Alice", token), undefined, token);
  }
});

Deno.test("ResumableSessions keeps only the newest visit of a name", async () => {
  const visits = new ResumableSessions();

  const first = await visits.begin("alice", 0);
  const second = await visits.begin("ALICE", 0);

  assertNotEquals(first.token, second.token);
  assertEquals(visits.find("alice", first.token), undefined);
  assert(visits.find("alice", second.token) === second);
});

Deno.test("ResumableSessions forgets a visit five minutes after its connection is gone", async () => {
  const visits = new ResumableSessions();
  const visit = await visits.begin("alice", 0);
  const known = (now: number) => {
    visits.forgetOld(now);
    return visits.find("alice", visit.token) !== undefined;
  };

  const connected = known(RESUME_WINDOW_MS * 100);
  visit.goneAt = 1_000;
  const atTheLimit = known(1_000 + RESUME_WINDOW_MS);
  const after = known(1_001 + RESUME_WINDOW_MS);

  assertEquals([connected, atTheLimit, after], [true, true, false]);
});

Deno.test("ResumableSessions in a store are there again after a restart, for five minutes", async () => {
  using database = new Database(":memory:");
  const table = new ResumableSessionTable(database);
  const before = new ResumableSessions(table);
  const visit = await before.begin("Alice", 7);
  await before.joined(visit, "#a", 8);
  await before.joined(visit, "#b", 9);
  await before.joined(visit, "#a", 10); // it was in there already
  await before.left(visit, ["#b", "#none"]);

  const visits = new ResumableSessions(table, 1_000);
  const again = visits.find("alice", visit.token);
  assertEquals(again?.since, 7);
  assertEquals(again?.rooms, new Map([["#a", 8]]));
  visits.forgetOld(1_000 + RESUME_WINDOW_MS);
  assert(visits.find("alice", visit.token) === again);

  visits.forgetOld(1_001 + RESUME_WINDOW_MS);
  await database.write(() => {}); // after what is forgotten
  assertEquals(visits.find("alice", visit.token), undefined);
  assertEquals(table.load(0), []);
});

Deno.test("ResumableSessions that cannot be stored are none, and rooms are not joined", async () => {
  using database = new Database(":memory:");
  const table = new ResumableSessionTable(database);
  const visits = new ResumableSessions(table);
  const visit = await visits.begin("alice", 0);
  const pages = database.prepare("PRAGMA page_count").get()?.["page_count"];
  database.prepare(`PRAGMA max_page_count = ${pages}`).get();
  const room = "#".padEnd(10_000, "x"); // so long that it needs a page

  const error = await assertRejects(
    () => visits.joined(visit, room, 0),
    ChatError,
  );

  assertEquals(error.code, 119);
  assertEquals(visit.rooms.size, 0);
  assertEquals(table.load(0).map(({ rooms }) => rooms.size), [0]);
});

Deno.test("ResumableSessions forget one that a newer one of the name has replaced, and keep that", async () => {
  using database = new Database(":memory:");
  const table = new ResumableSessionTable(database);
  const visits = new ResumableSessions(table);
  const first = await visits.begin("alice", 0);
  const second = await visits.begin("alice", 1);

  await table.forget([first]);
  assertEquals(table.load(0).map(({ token }) => token), [second.token]);

  await visits.forget("ALICE");
  assertEquals(table.load(0), []);
  assertEquals(visits.newest("alice"), undefined);
});
