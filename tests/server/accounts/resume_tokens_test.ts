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
  RESUME_WINDOW_MS,
} from "../../../server/accounts/resume_tokens.ts";
import { ResumableSessionTable } from "../../../server/accounts/session_table.ts";

const HERE = "10.0.0.1";

Deno.test("ResumableSessions finds a visit by name, in any case, and token", async () => {
  const visits = new ResumableSessions();
  const visit = await visits.begin("Alice", 7, HERE);

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

  const first = await visits.begin("alice", 0, HERE);
  const second = await visits.begin("ALICE", 0, HERE);

  assertNotEquals(first.token, second.token);
  assertEquals(visits.find("alice", first.token), undefined);
  assert(visits.find("alice", second.token) === second);
});

Deno.test("ResumableSessions forgets a visit five minutes after its connection is gone", async () => {
  const visits = new ResumableSessions();
  const visit = await visits.begin("alice", 0, HERE);
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
  const visit = await before.begin("Alice", 7, HERE);
  await before.joined(visit, "#a", 8);
  await before.joined(visit, "#b", 9);
  await before.joined(visit, "#a", 10); // it was in there already
  await before.left(visit, ["#b", "#none"]);

  const visits = new ResumableSessions(table, { now: 1_000 });
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
  const visit = await visits.begin("alice", 0, HERE);
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
  const first = await visits.begin("alice", 0, HERE);
  const second = await visits.begin("alice", 1, HERE);

  await table.end({ sessions: [[first.key, first.token]] });
  assertEquals(table.load(0).map(({ token }) => token), [second.token]);

  await visits.forget("ALICE");
  assertEquals(table.load(0), []);
  assertEquals(visits.newest("alice"), undefined);
});

Deno.test("ResumableSessions that have ended cannot be resumed, also after a restart", async () => {
  using database = new Database(":memory:");
  const sessions = new ResumableSessions(new ResumableSessionTable(database));
  const alice = await sessions.begin("alice", 0, HERE);
  const bob = await sessions.begin("bob", 0, HERE);
  await sessions.joined(alice, "#r", 1);

  const ending = sessions.end(alice);
  const meanwhile = sessions.find("alice", alice.token);
  await Promise.all([ending, sessions.left(alice, ["#r"])]); // as its end does
  const restarted = new ResumableSessions(new ResumableSessionTable(database));

  assertEquals(meanwhile, undefined); // at once
  for (const one of [sessions, restarted]) {
    assertEquals(one.find("alice", alice.token), undefined);
    assertEquals(one.find("bob", bob.token)?.key, "bob");
  }
});

Deno.test("a session ends although that cannot be stored, and the next one of the name stays", async () => {
  const database = new Database(":memory:");
  const sessions = new ResumableSessions(new ResumableSessionTable(database));
  const first = await sessions.begin("alice", 0, HERE);
  const ending = sessions.end(first);
  const second = await sessions.begin("alice", 0, HERE);
  await ending;
  const bob = await sessions.begin("bob", 0, HERE);
  database.close();

  const error = await assertRejects(
    () => sessions.endThose(({ key }) => key === "bob"),
    ChatError,
  );

  assertEquals(error.code, 119);
  assertEquals(sessions.find("bob", bob.token), undefined);
  assert(sessions.find("alice", second.token) === second);
});

/** Sessions with small limits; those of foes are lost, in their order. */
async function crowded(table?: ResumableSessionTable) {
  const limits = { perAddress: 3, total: 6 };
  const sessions = new ResumableSessions(table, { limits });
  const begin = async (name: string, network: string) => {
    const session = await sessions.begin(name, 0, network);
    if (network.startsWith("foe")) sessions.lose(session, 0);
    return session;
  };
  const alice = await begin("alice", "class");
  sessions.lose(alice, 0); // before all others
  const known = (...names: string[]) =>
    names.filter((name) => sessions.newest(name)).join(" ");
  return { sessions, begin, alice, known };
}

Deno.test("ResumableSessions of one address over its share forget its own that was lost first", async () => {
  const { sessions, begin, alice, known } = await crowded();
  const names = ["f1", "f2", "f3", "f4", "f5"];

  for (const name of names) await begin(name, "foe");

  assertEquals(known(...names), "f3 f4 f5");
  assert(sessions.find("alice", alice.token) === alice);
});

Deno.test("ResumableSessions over their total forget one of the address that has most", async () => {
  const { sessions, begin, alice, known } = await crowded();
  for (const name of ["a1", "a2", "a3"]) await begin(name, "foe1");
  for (const name of ["b1", "b2"]) await begin(name, "foe2");

  await begin("c1", "foe3");
  await begin("bob", "class");

  assertEquals(known("a1", "c1", "bob"), "c1 bob");
  assertEquals(known("a2", "a3", "b1", "b2").split(" ").length, 3);
  assert(sessions.find("alice", alice.token) === alice);
});

Deno.test("ResumableSessions forget none that has a connection, and count it for its last network", async () => {
  const { sessions, begin, known } = await crowded();
  const f1 = await begin("f1", "foe");
  for (const name of ["f2", "f3"]) await begin(name, "foe");
  const connection = { end() {} };

  sessions.resume(f1, connection, { network: "foe" }); // now it is in use
  await begin("f4", "foe");
  sessions.resume(f1, connection, { network: "home" });
  await begin("f5", "foe");
  sessions.lose(f1, 0);
  await begin("h1", "home");

  assertEquals(known("f1", "f2", "f3", "f4", "f5", "h1"), "f1 f3 f4 f5 h1");
});

Deno.test("ResumableSessions count for their networks after a restart too", async () => {
  using database = new Database(":memory:");
  const table = new ResumableSessionTable(database);
  const before = await crowded(table);
  for (const name of ["f1", "f2", "f3"]) await before.begin(name, "foe");

  const { begin, known } = await crowded(table);
  await begin("f4", "foe");
  await begin("f5", "foe");
  await database.write(() => {}); // after what is forgotten

  const names = table.load(0).map(({ key }) => key).sort();
  assertEquals(names.length, 4);
  assertEquals(known("f4", "f5"), "f4 f5");
  assert(names.includes("alice"));
});

Deno.test("ResumableSessions that end or are replaced count no more", async () => {
  const { sessions, begin, known } = await crowded();
  const f1 = await begin("f1", "foe");
  await begin("f2", "foe");
  await begin("F2", "foe");
  const f3 = await begin("f3", "foe");
  await sessions.end(f1);
  sessions.lose(f1, 0); // its connection ends afterwards
  await sessions.forget("f3");
  sessions.lose(f3, 0);

  await begin("f4", "foe");
  await begin("f5", "foe");

  assertEquals(known("f1", "f2", "f3", "f4", "f5"), "f2 f4 f5");
});

Deno.test("a session whose token went over TLS alone is that after a restart too, until it is exposed", async () => {
  using database = new Database(":memory:");
  const restart = () =>
    new ResumableSessions(new ResumableSessionTable(database));
  const secureOnes = (sessions: ResumableSessions) =>
    ["a", "b", "c"].filter((name) => sessions.newest(name)?.secure);
  const sessions = restart();
  await sessions.begin("a", 0, HERE);
  await sessions.begin("b", 0, HERE, { secure: true });
  const exposed = await sessions.begin("c", 0, HERE, { secure: true });

  const before = secureOnes(restart());
  await sessions.expose(exposed);

  assertEquals(before, ["b", "c"]);
  assertEquals(secureOnes(restart()), ["b"]);
});

Deno.test("a session of another server is lost when that is, and forgotten a while later than there", async () => {
  using database = new Database(":memory:");
  const table = new ResumableSessionTable(database);
  const there = { now: 0, server: "b", isUp: () => true };
  const sessions = new ResumableSessions(table, there);
  const begun = await Promise.all(
    ["alice", "bob", "carol"].map((name) => sessions.begin(name, 0, HERE)),
  );
  sessions.resume(begun[0]!, { end: () => {} }, { network: HERE });
  await database.write(() => {});

  const here = new ResumableSessions(table, { ...there, server: "a" });
  const left = (now: number) => {
    here.forgetOld(now);
    return ["alice", "bob", "carol"].filter((name) => here.newest(name));
  };
  here.lostElsewhere("alice", "c", 1_000); // she is not there any more
  here.lostElsewhere("bob", "b", 1_000);
  const bob = left(1_000 + RESUME_WINDOW_MS + 1);
  const afterBob = left(1_000 + 2 * RESUME_WINDOW_MS);
  here.serverLost("c", 0);
  const all = left(Number.MAX_SAFE_INTEGER);
  here.serverLost("b", 2_000);
  const none = left(Number.MAX_SAFE_INTEGER);

  assertEquals([bob, afterBob], [["alice", "bob", "carol"], [
    "alice",
    "carol",
  ]]);
  assertEquals([all, none], [["alice", "carol"], []]);
});

Deno.test("stored sessions of a server that is not up are lost at the start, as this one's", async () => {
  using database = new Database(":memory:");
  const table = new ResumableSessionTable(database);
  for (const server of ["a", "b", "c"]) {
    const sessions = new ResumableSessions(table, { server });
    await sessions.begin(`of${server}`, 0, HERE);
  }

  const sessions = new ResumableSessions(table, {
    ...{ now: 7, server: "a", isUp: (server: string) => server === "b" },
  });

  const goneAt = ["ofa", "ofb", "ofc"].map((name) =>
    sessions.newest(name)?.goneAt
  );
  assertEquals(goneAt, [7, Infinity, 7]);
});
