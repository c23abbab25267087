/** What a user's connection leaves behind for a while. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { VISIT_LIFE_MS, Visits } from "../server/visits.ts";

Deno.test("Visits finds a visit by name, in any case, and token", async () => {
  const visits = new Visits();
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

Deno.test("Visits keeps only the newest visit of a name", async () => {
  const visits = new Visits();

  const first = await visits.begin("alice", 0);
  const second = await visits.begin("ALICE", 0);

  assertNotEquals(first.token, second.token);
  assertEquals(visits.find("alice", first.token), undefined);
  assert(visits.find("alice", second.token) === second);
});

Deno.test("Visits forgets a visit five minutes after its connection is gone", async () => {
  const visits = new Visits();
  const visit = await visits.begin("alice", 0);
  const known = (now: number) => {
    visits.forgetOld(now);
    return visits.find("alice", visit.token) !== undefined;
  };

  const connected = known(VISIT_LIFE_MS * 100);
  visit.goneAt = 1_000;
  const atTheLimit = known(1_000 + VISIT_LIFE_MS);
  const after = known(1_001 + VISIT_LIFE_MS);

  assertEquals([connected, atTheLimit, after], [true, true, false]);
});
