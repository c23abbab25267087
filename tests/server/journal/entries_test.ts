/** Entries: what one server did is the same on another, whenever it is applied. */
import { assertEquals, assertMatch } from "@std/assert";
import { Database } from "../../../server/journal/database.ts";
import { startServer } from "../../../server/start.ts";
import { openStorage } from "../../../server/storage.ts";
import { NO_RATES } from "../../../server/limits/rates.ts";
import { begin, logIn, signedUp, signUp } from "../../tools/account_tools.ts";
import { RawClient, told } from "../../tools/net/raw_client.ts";
import { listenHere } from "../../tools/net/test_server.ts";
import { consoleOf } from "../../tools/operator.ts";
import { tempFolder } from "../../tools/temp.ts";
import { SharedLog, tablesOf } from "./shared_log.ts";

const HOUR = 3_600_000;

/** A server with a file in `folder` that takes part in `log`. */
async function start(log: SharedLog, path: string, isAlone = false) {
  const database = new Database(path);
  const entries = log.join(database, isAlone);
  const storage = openStorage({
    ...{ db: path, log: () => {} },
    shared: { database, entries, server: path, isUp: () => true },
  });
  const options = {
    ...{ log: () => {}, rates: NO_RATES, tcp: listenHere() },
    lockoutMs: 24 * HOUR,
  };
  const server = startServer({ ...options, storage });
  await server.ready;
  const { accounts, bans, mutes, privateRooms, ...context } = server.context;
  const loaded = {
    accounts: await accounts.load(),
    bans: await bans.load(),
    mutes: await mutes.load(),
    privateRooms: await privateRooms.load(),
  };
  return {
    ...{ server, context, ...loaded, port: server.port, database },
    run: consoleOf(server).run,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

type Started = Awaited<ReturnType<typeof start>>;

/** Two servers of one log; the clock of the second is an hour ahead. */
async function startTwo(folder: string) {
  await using opened = new AsyncDisposableStack();
  const log = new SharedLog();
  const one = opened.use(await start(log, `${folder}/one.db`));
  const { now } = Date;
  Date.now = () => now() + HOUR;
  try {
    const two = opened.use(await start(log, `${folder}/two.db`, true));
    const all = opened.move();
    return {
      ...{ log, one, two },
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } finally {
    Date.now = now;
  }
}

/** What a server holds in memory of what lasts. */
async function memoryOf({ context, ...parts }: Started) {
  const { accounts, bans, mutes, privateRooms } = parts;
  const { journal, hub, resumables } = context;
  const texts = (all: Iterable<unknown>) =>
    Array.from(all, (one) => Deno.inspect(one, { sorted: true })).sort();
  const rooms = [...journal.rooms()].sort();
  const history = rooms.map((room) =>
    Array.fromAsync(journal.history(room, { limit: 100 }))
  );
  return {
    accounts: texts(accounts.all()),
    locks: accounts.locks().map(({ account, address }) => [account, address]),
    bans: texts(bans.all()),
    mutes: mutes.all().map(({ value, until, places, allowed }) =>
      Deno.inspect([value, until, places, allowed])
    ).sort(),
    sessions: ["alice", "bob", "carol", "dave", "erin"].map((name) =>
      resumables.all(name).map(({ token, device, since, rooms }) => [
        ...[token, device, since, ...rooms],
      ])
    ),
    privateRooms: texts(privateRooms.all()),
    lastId: journal.lastId,
    rooms: rooms.map((room) => {
      const owner = hub.shares.ownerOf(room);
      return [room, owner?.network, owner?.isShared];
    }),
    history: (await Promise.all(history)).map(told),
  };
}

/** Every kind of entry, on one server. */
async function doEverything({ port, run, context }: Started): Promise<void> {
  using alice = await signedUp(port, "alice");
  using bob = await RawClient.enter(port, "bob", "#a", "#b", "#Other");
  await alice.ask("JOIN #b\n\n");
  await bob.say("#a", "one", "Key: k1\n");
  await bob.say("#a", "one", "Key: k1\n");
  await bob.say("#b", "two");
  await bob.say("alice", "three");
  await bob.say("#Other", "four");
  for (let sent = 0; sent < 5; sent++) await bob.next("SENT");
  context.journal.share("#b");
  await bob.send("LEAVE #b\n\n");
  await bob.next("LEFT");
  for (const password of ["no", "nope"]) {
    using failed = await logIn(port, "alice", { password });
    assertMatch(failed.answer, /^ERROR 111/);
  }
  using again = await logIn(port, "alice", { headers: "After: 2\n" });
  assertMatch(again.answer, /^REGISTERED alice/);
  using locked = await signedUp(port, "erin");
  await locked.ask("LOGOUT\n\n");
  for (const password of ["a", "b", "c"]) {
    using _failed = await logIn(port, "erin", { password });
  }
  using dave = await signedUp(port, "dave");
  await makePrivateRooms(again.client, dave);
  for (
    const line of [
      "mute bob",
      "mute 10.0.0.0/8 3h",
      "mute carol 3h",
      "unmute carol",
      "unmute alice",
      "ban mallory 3h badly behaved",
      "ban ma11ory",
      "ban 10.1.0.0/16",
      "ban trent",
      "unban trent",
      "forget #a",
      "delete dave",
    ]
  ) await run(line);
  assertMatch(await dave.next("ERROR"), /^ERROR 117/);
  using carol = await RawClient.enter(port, "carol", "#a");
  await carol.say("#Other", "five");
  await carol.next("ERROR");
  await carol.say("#a", "six");
  await carol.next("ERROR");
}

/** A room of alice, one that she passes on, one that dave leaves by his deletion. */
async function makePrivateRooms(alice: RawClient, dave: RawClient) {
  const make = async (client: RawClient) => {
    await client.send("JOIN #p\nPrivate: yes\n\n");
    return /^JOINED (\S+)/.exec(await client.next("JOINED"))![1]!;
  };
  const [one, two, three] = [
    ...[await make(alice), await make(alice), await make(dave)],
  ];
  for (
    const line of [
      `INVITE dave\nRoom: ${one}`,
      `INVITE erin\nRoom: ${one}`,
      `INVITE dave\nRoom: ${two}`,
      `SET ${two}\nOwner: dave`,
      `SET ${one}\nRemove: erin`,
    ]
  ) {
    await alice.send(`${line}\n\n`);
    await alice.next(/^INVITE/.test(line) ? "INVITED" : "CHANGED");
  }
  await dave.send(`INVITE alice\nRoom: ${three}\n\n`);
  await dave.next("INVITED");
  await dave.send(`JOIN ${one}\n\n`);
  await dave.next("JOINED");
  const closed = await make(alice);
  await alice.say(closed, "gone");
  await alice.send(`SET ${closed}\nClosed: yes\n\n`);
  await alice.next("CHANGED");
}

Deno.test("the same entries make the same tables, whatever a clock and chance say", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;

  await doEverything(one);
  await log.settled();

  assertEquals(log.kinds, [
    ...["account-deleted", "account-seen", "ban", "history-forgotten"],
    ...["locks-ended", "messages", "mute", "private-room"],
    ...["private-room-changed", "room-shared", "session"],
    "session-changed",
    ...["sessions-ended", "sign-up", "unban", "wrong-password"],
  ]);
  assertEquals(tablesOf(two.database), tablesOf(one.database));
});

Deno.test("a server that only applied entries holds what the other does, and what it reads again", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;
  await doEverything(one);
  await log.settled();
  const [first, second] = [await memoryOf(one), await memoryOf(two)];

  await two[Symbol.asyncDispose]();
  await using restarted = await start(new SharedLog(), `${folder.path}/two.db`);
  const read = await memoryOf(restarted);

  assertEquals(second, first);
  assertEquals(read, first);
});

Deno.test("a ban, a deleted account and a mute of one server concern the users of another", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;
  using alice = await signedUp(two.port, "alice");
  using bob = await RawClient.enter(two.port, "bob", "#a");
  using carol = await RawClient.enter(two.port, "carol", "#a");

  await one.run("ban bob");
  await one.run("delete alice");
  await one.run("mute carol");
  await log.settled();

  assertMatch(await bob.next("ERROR"), /^ERROR 117[^]*is banned/);
  assertMatch(
    await alice.next("ERROR"),
    /^ERROR 117[^]*the account "\w+" was deleted/,
  );
  await carol.say("#a", "hello");
  assertMatch(await carol.next("ERROR"), /^ERROR 120/);
  assertEquals(two.context.resumables.newest("bob"), undefined);
  await one.run("unmute carol");
  await log.settled();
  await carol.say("#a", "hello");
  assertMatch(await carol.next("SENT"), /^SENT #a/);
});

Deno.test("a session goes on at another server, and ends the connection to the first", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;
  using client = await RawClient.enter(one.port, "bob", "#a", "#b");
  const { token } = one.context.resumables.newest("bob")!;
  await log.settled();

  using moved = await RawClient.connect(two.port);
  const answer = await moved.ask(`REGISTER bob\nToken: ${token}\n\n`);
  await log.settled();

  assertMatch(answer, /^REGISTERED bob/);
  assertMatch(await client.next("ERROR"), /^ERROR 117[^]*elsewhere/);
  await log.settled();
  const rooms = ["#a", "#b"];
  for (const { context } of [one, two]) {
    const session = context.resumables.find("bob", token);
    assertEquals([...session!.rooms.keys()], rooms);
  }
  one.context.resumables.forgetOld(Number.MAX_SAFE_INTEGER); // it is not lost there
  await log.settled();
  assertEquals(tablesOf(one.database), tablesOf(two.database));
  assertEquals(two.context.resumables.find("bob", token)?.hasEnded, false);
});

Deno.test("of two servers where one name signs up, one has the account", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;
  const request = await signUp("alice");
  using first = await RawClient.connect(one.port);
  using second = await RawClient.connect(two.port);

  const answers = await Promise.all([first.ask(request), second.ask(request)]);
  await log.settled();

  assertEquals(answers.map((answer) => answer.slice(0, 9)).sort(), [
    "ERROR 113",
    "REGISTERE",
  ]);
  assertEquals(two.accounts.all(), one.accounts.all());
});

Deno.test("wrong passwords at two servers lock an account as those at one do", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;
  using _alice = await signedUp(one.port, "alice");
  await log.settled();

  const answers: string[] = [];
  for (const { port } of [one, two, one]) {
    using client = await RawClient.connect(port);
    const { prove } = await begin(client, "alice", { password: "no" });
    answers.push((await client.ask(prove)).slice(0, 9));
    await log.settled();
  }

  assertEquals(answers, ["ERROR 111", "ERROR 111", "ERROR 112"]);
  for (const { accounts } of [one, two]) {
    assertEquals(accounts.locks().map(({ account }) => account), ["alice"]);
  }
  await two.run("unblock alice");
  await log.settled();
  assertEquals(one.accounts.locks(), []);
});

Deno.test("no message to one room gets lost, or another id, when two servers store at once", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;
  const say = (server: Started, i: number) =>
    server.context.journal.append("bob", [
      { to: "#new", body: new TextEncoder().encode(`${i}`), key: `k${i % 7}` },
      { to: "#new", body: new TextEncoder().encode(`and ${i}`) },
    ]);

  const stored = await Promise.all(
    Array.from({ length: 30 }, (_, i) => say(i % 2 ? one : two, i)),
  );
  await log.settled();

  assertEquals(tablesOf(two.database), tablesOf(one.database));
  const [first, second] = [await memoryOf(one), await memoryOf(two)];
  assertEquals(second.history, first.history);
  assertEquals(first.history[0]?.length, 37);
  const ids = stored.flat().flatMap(({ count, firstId }) =>
    Array.from({ length: count }, (_, i) => firstId + i)
  );
  assertEquals(new Set(ids).size, 37);
});

Deno.test("the name of a guest of another server is kept when that has lost the guest", async () => {
  using folder = tempFolder();
  await using servers = await startTwo(folder.path);
  const { log, one, two } = servers;
  using _bob = await RawClient.enter(two.port, "bob");
  using _carol = await RawClient.enter(two.port, "carol");
  await log.settled();
  const { resumables, now } = one.context;
  resumables.lostElsewhere("carol", `${folder.path}/two.db`, now());
  const ask = async (name: string) => {
    using client = await RawClient.connect(one.port, "127.0.0.66");
    return await client.ask(`REGISTER ${name}\n\n`);
  };

  const [bob, carol] = [await ask("bob"), await ask("carol")];

  // Of bob, the claims of names would say that he is there.
  assertMatch(bob, /^REGISTERED bob/);
  assertMatch(carol, /^ERROR 104[^]*\nRetry-after: 30[01]\n/);
});
