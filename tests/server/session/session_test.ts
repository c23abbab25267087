/**
 * Sessions on sockets that the test plays itself: what a bug in one of them
 * does, and what happens between two of its awaits.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { deriveKeys, Login, parseChallenge } from "../../../core/scram.ts";
import { ChatError } from "../../../protocol.ts";
import { Limits } from "../../../server/limits/limits.ts";
import { MAX_REFUSED_PER_ADDRESS } from "../../../server/session/lifecycle.ts";
import {
  type Journal,
  NOTHING_FOUND,
} from "../../../server/journal/journal.ts";
import { bodyOf, request, verifierFor } from "../../tools/account_tools.ts";
import {
  arrange,
  type FakeWire,
  send,
  slowSessions,
  turn,
} from "../../tools/net/fake_peers.ts";

/** A journal that asks `journal`, made to be changed. */
function relayed(journal: Journal): Journal {
  return {
    id: "j",
    get oldestId() {
      return journal.oldestId;
    },
    get lastId() {
      return journal.lastId;
    },
    connect: (output, rooms) => journal.connect(output, rooms),
    append: (from, drafts) => journal.append(from, drafts),
    repeated: (key) => journal.repeated(key),
    history: (room, page) => journal.history(room, page),
    missed: (query) => journal.missed(query),
    roomName: (name) => journal.roomName(name),
    rooms: () => journal.rooms(),
    share: (room) => journal.share(room),
    forget: (room) => journal.forget(room),
    tidy: () => journal.tidy(),
  };
}

Deno.test("a bug in one session ends that session, with its error, and no other", async () => {
  const bug = new TypeError("a bug of ours");
  const { hub, connect } = arrange((journal) => ({
    ...relayed(journal),
    append: (from, drafts) =>
      from === "eve" ? Promise.reject(bug) : journal.append(from, drafts),
    history: () => {
      throw bug;
    },
  }));
  const eve = connect();
  const mallory = connect();
  const alice = connect();
  for (
    const [{ wire }, name] of [[eve, "eve"], [mallory, "mallory"], [
      alice,
      "alice",
    ]] as const
  ) {
    wire.say(`REGISTER ${name}\n\nJOIN #r\n\n`);
    await wire.heard("JOINED #r");
  }

  const first = assertRejects(() => eve.done, TypeError, "a bug of ours");
  const second = assertRejects(() => mallory.done, TypeError, "a bug of ours");
  eve.wire.say(send("#r", "hi"));
  mallory.wire.say("HISTORY #r\n\n");
  await first;
  await second;
  alice.wire.say(send("#r", "hi") + "LOGOUT\n\n");
  alice.wire.end();
  await alice.done;

  assert(alice.wire.got.includes("User: eve\nReason: server error\n"));
  assert(alice.wire.got.includes("SENT #r\n"));
  assertEquals([...hub.users()], []);
});

Deno.test("a session that ends while its SENDs wait does nothing afterwards", async () => {
  const waiting = Promise.withResolvers<void>();
  const { hub, connect } = arrange((journal) => ({
    ...relayed(journal),
    append: async (from, drafts) => {
      const stored = await journal.append(from, drafts);
      await waiting.promise;
      return stored;
    },
  }));
  const alice = connect();
  alice.wire.say("REGISTER alice\n\n");
  await alice.wire.heard("REGISTERED");

  alice.wire.say(send("ALL", "x") + "JOIN #ghost\n\n" + send("ALL", "y"));
  await turn();
  alice.connection.end("gone");
  waiting.resolve();
  alice.wire.end();
  await alice.done;

  assertEquals(hub.roomNamed("#ghost"), undefined);
  assertEquals([...hub.users()], []);
});

Deno.test("a replay that finds nothing ends with its connection, and the user leaves at once", async () => {
  let searched = 0;
  const { hub, connect } = arrange((journal) => ({
    ...relayed(journal),
    async *missed() {
      for (;; searched++) {
        await turn();
        yield NOTHING_FOUND;
      }
    },
  }));
  const first = connect();
  first.wire.say("REGISTER alice\n\n");
  await first.wire.heard("REGISTERED");
  const token = /Token: (\S+)/.exec(first.wire.got)![1];
  first.wire.end();
  await first.done;

  const second = connect();
  second.wire.say(`REGISTER alice\nToken: ${token}\nAfter: 0\n\n`);
  while (searched === 0) await turn();
  const before = [...hub.users()].length;
  second.connection.lost();
  const after = [...hub.users()].length;
  const { length } = second.wire.got;
  second.wire.end();
  await second.done;

  assertEquals([before, after], [1, 0]);
  assertEquals(second.wire.got.length, length);
});

Deno.test("a session that ends during a long answer is sent no more of it", async () => {
  let taken = 0;
  const { connect } = arrange((journal) => ({
    ...relayed(journal),
    async *history() {
      // Others have turns though this never waits; it would not end in them.
      while (taken < 10_000_000) {
        taken++;
        yield new Uint8Array(1);
      }
    },
  }));
  const alice = connect();
  alice.wire.say("REGISTER alice\n\nJOIN #r\n\n");
  await alice.wire.heard("JOINED");

  alice.wire.say("HISTORY #r\n\n");
  while (taken === 0) await turn();
  const takenBefore = taken;
  alice.connection.end("gone");
  alice.wire.end();
  await alice.done;

  assertEquals(taken - takenBefore, 1); // it was asked for already
});

Deno.test("of a long answer that its client does not read, the server holds one long message", async () => {
  const { connect } = arrange((journal) => ({
    ...relayed(journal),
    async *history() {
      for (let i = 0; i < 100; i++) yield new Uint8Array(60_000);
    },
  }));
  const alice = connect();
  alice.wire.say("REGISTER alice\n\nJOIN #r\n\n");
  await alice.wire.heard("JOINED");
  alice.wire.stuck = true;

  alice.wire.say("HISTORY #r\n\n");
  while (alice.connection.outbox.empty) await turn();
  for (let i = 0; i < 10; i++) await turn();

  assertEquals(alice.connection.outbox.queuedBytes, 60_000);
  alice.connection.end("gone");
  alice.wire.end();
  await alice.done;
});

Deno.test("a thousand peers that do not read can all be given up at once", async () => {
  const { hub, connect } = arrange();
  const sender = connect();
  sender.wire.say("REGISTER sender\n\n");
  await sender.wire.heard("REGISTERED");
  const stuck = Array.from({ length: 1_000 }, () => connect(60_000));
  for (const [i, { wire }] of stuck.entries()) {
    // Each is in two rooms with its neighbours: one chain through all of them.
    const room = Math.floor(i / 40);
    wire.say(`REGISTER u${i}\n\nJOIN #c${room}\n\nJOIN #c${room + 1}\n\n`);
    await wire.heard(`JOINED #c${room + 1}`);
    wire.stuck = true;
  }

  for (let i = 0; i < 3; i++) {
    sender.wire.say(send("ALL", "x".repeat(30_000)));
    await sender.wire.heard(`Id: ${i + 1}\n`);
  }
  const endings = stuck.map(({ connection }) => connection.ending);
  for (const { wire } of stuck) wire.close();
  await Promise.all(stuck.map(({ done }) => done));
  sender.wire.say("PING\n\n");
  await sender.wire.heard("PONG");
  sender.wire.end();
  await sender.done;

  const tooSlow = (ending: unknown) =>
    ending instanceof ChatError && ending.code === 115;
  assertEquals(endings.filter(tooSlow).length, 1_000);
  assertEquals([...hub.users()].length, 0);
});

Deno.test("members that stay in a room are told in a sensible order of those given up", async () => {
  const { connect } = arrange();
  const stuck = Array.from({ length: 10 }, () => connect(1_000));
  for (const [i, { wire }] of stuck.entries()) {
    wire.say(`REGISTER u${i}\n\nJOIN #r\n\n`);
    await wire.heard("JOINED");
    wire.stuck = true;
  }
  const alice = connect(); // the last to be told, as she came last
  alice.wire.say("REGISTER alice\n\nJOIN #r\n\n");
  await alice.wire.heard("JOINED");

  for (let i = 0; i < 3; i++) {
    alice.wire.say(send("#r", "x".repeat(2_000)));
    await alice.wire.heard(`Id: ${i + 1}\n`);
  }
  await alice.wire.heard("Members: 1\nTime: ");
  for (const { wire } of [alice, ...stuck]) wire.close();
  await Promise.all([alice, ...stuck].map(({ done }) => done));

  assertEquals(
    alice.wire.got.match(/(?<=Reason: too slow\nMembers: )\d+/g)?.map(Number),
    [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
  );
});

Deno.test("messages sent during a replay that its receiver does not read are bounded, too", async () => {
  const { hub, connect } = arrange();
  const alice = connect();
  const bob = connect();
  const large = send("alice", "x".repeat(60_000));
  alice.wire.say("REGISTER alice\n\n");
  bob.wire.say("REGISTER bob\n\n");
  await alice.wire.heard("Token: ");
  const [token] = /(?<=Token: )\w+/.exec(alice.wire.got)!;
  bob.wire.say(large.repeat(10));
  await bob.wire.heard("Id: 10\n");
  alice.wire.end();
  await alice.done;

  const again = connect();
  again.wire.stuck = true;
  again.wire.say(`REGISTER alice\nToken: ${token}\nAfter: 0\n\n`);
  while ([...hub.users()].length < 2) await turn();
  for (let sent = 0; sent < 200; sent++) {
    bob.wire.say(large);
    await bob.wire.heard(`Id: ${11 + sent}\n`);
    if ([...hub.users()].length < 2) break;
  }
  const ending = again.connection.ending;
  for (const { wire } of [bob, again]) wire.close();
  await Promise.all([bob.done, again.done]);

  assert(ending instanceof ChatError);
  assertEquals(ending.code, 115);
});

/** Visits that tell when one is being stored, and have that wait. */
function slowVisits() {
  const saving = Promise.withResolvers<void>();
  const saved = Promise.withResolvers<void>();
  const visits = slowSessions((kind) => {
    if (kind === "sessions-ended") return Promise.resolve();
    saving.resolve();
    return saved.promise;
  });
  return { visits, saving, saved };
}

Deno.test("a user who leaves while the resumable session is stored leaves the name free", async () => {
  const { visits, saving, saved } = slowVisits();
  const { hub, connect } = arrange(undefined, visits);
  const { wire, connection, done } = connect();

  wire.say("REGISTER alice\n\n");
  await saving.promise;
  connection.end("connection lost");
  saved.resolve();
  wire.end();
  await done;

  hub.names.reserve("alice"); // throws if it is not free
  assertEquals([...hub.users()], []);
  assertEquals(visits.newest("alice")?.goneAt, 0);
});

Deno.test("devices of an account that sign in while their sessions are stored all register", async () => {
  const { visits, saving, saved } = slowVisits();
  const { context, hub, connect } = arrange(undefined, visits);
  const verifier = await verifierFor("pencil");
  const account = {
    name: "alice",
    verifier,
    since: 0,
    keyScope: "k",
    network: "n",
  };
  await (await context.accounts.load()).create(account);
  const logIns = [connect(), connect(), connect()];
  const proofs = await Promise.all(logIns.map(({ wire }) => prove(wire)));

  for (const [index, { wire }] of logIns.entries()) {
    wire.say(proofs[index]!);
    await saving.promise;
    await turn();
  }
  saved.resolve();
  const [first, second, third] = logIns.map(({ wire }) => wire);

  for (const wire of [first!, second!, third!]) {
    await wire.heard("REGISTERED alice");
    assertEquals(wire.got.includes("ERROR"), false);
  }
  assertEquals([...hub.users()].map(({ name }) => name), ["alice"]);
  for (const wire of [first!, second!, third!]) wire.end();
  await Promise.all(logIns.map(({ done }) => done));
  assertEquals([...hub.users()], []);
});

/** Says LOGIN; gives the PROVE with the right password. */
async function prove(wire: FakeWire): Promise<string> {
  const login = new Login("alice");
  wire.say(request("LOGIN alice", login.first));
  await wire.heard("i=4096");
  const challenge = bodyOf(wire.got);
  const { salt } = parseChallenge(challenge);
  const keys = await deriveKeys("pencil", salt, 4_096);
  wire.got = "";
  return request("PROVE alice", await login.prove(challenge, keys));
}

Deno.test("a user who is banned while the resumable session is stored is not registered", async () => {
  const { visits, saving, saved } = slowVisits();
  const { context, hub, connect } = arrange(undefined, visits);
  const { wire, done } = connect();

  wire.say("REGISTER alice\n\n");
  await saving.promise;
  await (await context.bans.load()).add({
    kind: "name",
    value: "alice",
    since: 0,
    until: Infinity,
    reason: "spam",
  });
  saved.resolve();
  await wire.heard("ERROR 117 Removed\nFor: REGISTER alice\n");
  wire.end();
  await done;

  hub.names.reserve("alice"); // throws if it is not free
  assertEquals([...hub.users()], []);
  assertEquals(visits.newest("alice")?.goneAt, 0);
});

/** A newcomer who waits in line with a request, since somebody talks. */
async function inLine(request: string) {
  const arranged = arrange();
  const alice = arranged.connect();
  alice.wire.say(`REGISTER alice\n\n${send("alice", "hi")}`);
  await alice.wire.heard("SENT alice");
  const newcomer = arranged.connect();
  const ahead = arranged.context.admission.pass();
  newcomer.wire.say(request);
  const session = [...arranged.context.sessions].at(-1)!; // the last to come
  while (session.openedAt < Infinity) await Promise.resolve(); // within this turn
  const end = async () => {
    alice.wire.end();
    newcomer.wire.end();
    await Promise.all([ahead, alice.done, newcomer.done]);
    await arranged.context.admission[Symbol.asyncDispose]();
  };
  return { ...arranged, newcomer, session, end };
}

Deno.test("the time that a newcomer has to wait in line is not its own", async () => {
  const first = `n,,n=bob,r=${"x".repeat(20)}`;
  const login = `LOGIN bob\nContent-length: ${first.length}\n\n${first}`;
  const { newcomer, wait, end } = await inLine(login);

  wait(11_000);
  await newcomer.wire.heard("ERROR 121"); // is answered, and not registered
  wait(9_900);
  await newcomer.connection.outbox.flushed();
  assertEquals(newcomer.wire.got.includes("ERROR 116"), false);
  wait(1_100);

  await newcomer.wire.heard("ERROR 116");
  await end();
});

Deno.test("a newcomer whose connection ends in line does not come in", async () => {
  const { context, hub, newcomer, end } = await inLine("REGISTER bob\n\n");

  newcomer.connection.end("connection lost");
  newcomer.wire.end();
  await newcomer.done;

  assertEquals(hub.userNamed("bob"), undefined);
  assertEquals(context.resumables.newest("bob"), undefined);
  assertEquals(newcomer.wire.got, "");
  await end();
});

Deno.test("refused connections of one address leave others the time to read why", async () => {
  const { context, clock, connect } = arrange();
  const full = { ...context, limits: new Limits({ maxConnections: 0 }) };
  const from = (host: string) => {
    const state = { ...connect(undefined, full, host), hasEnded: false };
    state.done.then(() => state.hasEnded = true);
    return state;
  };
  const foes = Array.from({ length: 150 }, () => from("10.0.0.66"));
  await turn();
  const bob = from("10.0.0.1");
  await turn();

  const waiting = foes.filter(({ hasEnded }) => !hasEnded);
  assertEquals(waiting.length, MAX_REFUSED_PER_ADDRESS);
  assertEquals(bob.hasEnded, false);
  assertMatch(bob.wire.got, /^ERROR 114 Server full\n/);
  for (const { wire } of [...waiting, bob]) wire.end();
  while (clock.waiting > 0) clock.pass(1_000);
  await Promise.all([...foes, bob].map(({ done }) => done));
  const again = from("10.0.0.66");
  await turn();
  assertEquals(again.hasEnded, false);
  again.wire.end();
  await again.done;
});
