/** Floods that are stored: whose turn it is, and when they wait at all. */
import { assert, assertEquals } from "@std/assert";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import { SqliteJournal } from "../../../server/journal/sqlite_journal.ts";
import { DEFAULT_KEEP } from "../../../server/limits/rates.ts";
import { Floods } from "../../../server/net/floods.ts";
import { passWhileWaiting, round, TestClock } from "../../tools/test_clock.ts";
import { SharedLog } from "../journal/shared_log.ts";

/** A journal whose messages the test counts, and its floods. */
function arrange() {
  const clock = new TestClock();
  const journal = { chatted: 0 };
  const floods = new Floods(() => journal.chatted, clock);
  /** Whether a batch of a flood has to wait. */
  const flood = () => floods.pass("10.0.0.1") !== undefined;
  return { clock, journal, floods, flood };
}

Deno.test("a flood does not wait while no other user chats, also not for its own beginning", async () => {
  const { clock, journal, floods, flood } = arrange();
  await using _floods = floods;
  journal.chatted = 640; // before it was a flood

  const waited = Array.from({ length: 100 }, () => {
    clock.pass(1);
    return flood();
  });

  assertEquals(waited.filter((it) => it), []);
});

Deno.test("a flood waits while other users chat, and the addresses take turns", async () => {
  const { clock, journal, floods, flood } = arrange();
  await using _floods = floods;
  flood();
  clock.pass(100);
  journal.chatted++; // another user

  const began: string[] = [];
  for (const name of ["a1", "a2", "a3", "b1"]) {
    floods.pass(name.slice(0, 1))?.then(() => began.push(name));
  }
  while (began.length < 4) {
    clock.pass(25);
    await round();
  }

  assertEquals(began, ["a1", "a2", "b1", "a3"]);
});

Deno.test("a second after the last message of another user, a flood does not wait", async () => {
  const { clock, journal, floods, flood } = arrange();
  await using _floods = floods;
  flood();
  journal.chatted++;

  const turn = floods.pass("10.0.0.1");
  assert(turn);
  await passWhileWaiting(clock, turn);
  clock.pass(1_001);
  while (clock.waiting > 0) await round();

  assertEquals(flood(), false);
});

Deno.test("a flood waits for users who chat on another server, and for no flood there", async () => {
  const clock = new TestClock();
  const log = new SharedLog();
  using databases = new DisposableStack();
  const [here, there] = [0, 1].map(() => {
    const database = databases.use(new Database(IN_MEMORY));
    const entries = log.join(database);
    return new SqliteJournal(database, { ...DEFAULT_KEEP, entries });
  });
  await using floods = new Floods(() => here!.chatted, clock);
  const drafts = [{ to: "#room", body: new Uint8Array(9) }];
  const isWaiting = async (flood?: true) => {
    await there!.append("alice", drafts, flood);
    await log.settled();
    return floods.pass("10.0.0.1") !== undefined;
  };

  floods.pass("10.0.0.1"); // it has looked

  assertEquals(await isWaiting(true), false);
  assertEquals(await isWaiting(), true);
});
