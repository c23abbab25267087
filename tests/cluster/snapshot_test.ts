/**
 * The log in NATS reaches back for a while; servers that need what was before load
 * a snapshot of another one.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { connectNats, type Nats } from "../../server/cluster/nats.ts";
import { logIn, signedUp } from "../tools/account_tools.ts";
import { headerOf, RawClient } from "../tools/net/raw_client.ts";
import { Process } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";
import { subjectsOf } from "../../server/cluster/names.ts";
import { type NatsServers, natsTest } from "./nats_servers.ts";

const STREAM = "PARLEY_parley";
const MEMORY = ":memory:";

/** A server of Parley with the name `name`. */
function start(
  nats: NatsServers,
  name: string,
  { db, more = [] }: { db: string; more?: readonly string[] },
): Process {
  return new Process([
    ...["--port", "0", "--host", "127.0.0.1", "--db", db],
    ...["--nats", nats.addresses.join(), "--server-name", name, ...more],
  ]);
}

/** A connection to NATS, for the test itself. */
function connected(nats: NatsServers): Promise<Nats> {
  return connectNats({ servers: nats.addresses, name: "test", log: () => {} });
}

/** How far the log goes, and its bounds. */
async function infoOf({ jsm }: Nats) {
  const { config, state } = await jsm.streams.info(STREAM);
  return { ...config, first: state.first_seq, last: state.last_seq };
}

/** Has NATS delete all but the newest `bytes` of the log, as it does with time. */
async function shorten({ jsm }: Nats, bytes: number): Promise<void> {
  const { max_bytes: before, discard } =
    (await jsm.streams.info(STREAM)).config;
  await jsm.streams.update(STREAM, { max_bytes: bytes, discard });
  await jsm.streams.update(STREAM, { max_bytes: before });
}

/** Sends a message to #one, and waits until it is stored. */
async function say(client: RawClient, body: string): Promise<void> {
  await client.say("#one", body);
  await client.next("SENT");
}

/** The bodies and ids of the messages that a server has of #one. */
async function history(port: number, name: string): Promise<string[]> {
  using reader = await RawClient.enter(port, name);
  await reader.send("HISTORY #one\nLimit: 1000\n\n");
  const found: string[] = [];
  for (;;) {
    const frame = await reader.frame();
    if (frame.startsWith("HISTORY ")) return found;
    if (!frame.startsWith("FORWARD ")) continue;
    found.push(`${headerOf(frame, "Id")} ${frame.split("\n\n")[1]}`);
  }
}

/** The rows of some tables, all of which change with messages alone or not at all. */
function rowsOf(path: string) {
  using database = new DatabaseSync(path, { readOnly: true });
  const rows = ["journal", "bans", "mutes", "rooms", "messages"].map((table) =>
    [table, database.prepare(`SELECT * FROM ${table}`).all()] as const
  );
  return Object.fromEntries(rows);
}

natsTest(
  "a server that was away for longer than the log reaches back, and new ones, load a snapshot",
  async (nats) => {
    using folder = tempFolder();
    await using scope = new AsyncDisposableStack();
    const own = scope.use(await connected(nats));
    const db = (name: string) => `${folder.path}/${name}.db`;
    const a = scope.use(start(nats, "a", { db: db("a") }));
    const port = await a.port();
    {
      await using away = start(nats, "away", { db: db("away") });
      await away.port();
      assertEquals(await away.stop("SIGTERM"), 0);
    }
    const { last } = await infoOf(own);
    using alice = await signedUp(port, "alice");
    await alice.send("JOIN #one\n\n");
    await alice.next("JOINED");
    await a.type("ban mallory spam\nmute eve\n");
    await a.out.until(/mallory[^]*eve/);
    for (let n = 0; n < 30; n++) await say(alice, `${n} ${"x".repeat(1_000)}`);
    await shorten(own, 4_000);
    assert((await infoOf(own)).first > last + 1);

    const texts = await history(port, "r0");
    assertEquals(texts.length, 30);
    // All at once: one copy is for all of them. Users of its server go on.
    await alice.send("JOIN #two\n\n");
    await alice.next("JOINED");
    let isOver = false;
    const sending = (async () => {
      for (let n = 0; !isOver; n++) {
        await alice.say("#two", `${n}`);
        await alice.next("SENT");
      }
    })();
    const all = await Promise.all(
      Object.entries({ away: db("away"), empty: db("empty"), memory: MEMORY })
        .map(async ([name, file]) => {
          const server = scope.use(start(nats, name, { db: file }));
          return { name, server, port: await server.port() };
        }),
    );
    isOver = true;
    await sending;
    for (const { name, server, port: there } of all) {
      assertMatch(server.out.text, /Loaded the snapshot of a/);
      assertEquals(await history(there, `r${name}`), texts);
      using banned = await RawClient.connect(there);
      assertMatch(await banned.ask("REGISTER mallory\n\n"), /^ERROR 11/);
    }
    for (const { name, port: there } of all) {
      using signed = (await logIn(there, "alice")).client;
      await signed.send("JOIN #one\n\n");
      await signed.next("JOINED");
      await say(signed, `from ${name}`);
      const last = (await history(there, `s${name}`)).at(-1);
      assertMatch(last!, new RegExp(`from ${name}$`));
    }
    for (const { server } of all) {
      assertEquals(await server.stop("SIGTERM"), 0);
    }
    assertEquals(
      Array.from(Deno.readDirSync(folder.path), ({ name }) => name)
        .filter((name) => /^(away|empty).*snapshot/.test(name)),
      [],
    );
    // Those that have a file have the same in it, as far as they were there.
    await a.stop("SIGTERM");
    const { messages, ...rows } = rowsOf(db("a"));
    for (const name of ["away", "empty"]) {
      const { messages: found, ...others } = rowsOf(db(name));
      assertEquals(others, rows, name);
      const newest = Number(found!.at(-1)!["first_id"]);
      assert(newest > 30);
      assertEquals(
        found,
        messages!.filter(({ first_id: id }) => Number(id) <= newest),
      );
    }
  },
);

natsTest(
  "a server asks another one if the first is killed while it sends its snapshot",
  async (nats) => {
    using folder = tempFolder();
    await using scope = new AsyncDisposableStack();
    const own = scope.use(await connected(nats));
    const servers = new Map(
      ["a", "b"].map((name) => [
        name,
        scope.use(start(nats, name, { db: `${folder.path}/${name}.db` })),
      ]),
    );
    const ports = await Promise.all(
      Array.from(servers.values(), (server) => server.port()),
    );
    using alice = await RawClient.enter(ports[0]!, "alice", "#one");
    using bob = await RawClient.enter(ports[1]!, "bob", "#one");
    const read = (async () => {
      while (!(await bob.next("FORWARD")).includes("\n\n99 "));
    })();
    for (let n = 0; n < 100; n++) {
      await say(alice, `${n} ${"x".repeat(60_000)}`);
    }
    await read; // the other server has all of it, too
    await shorten(own, 200_000);

    // A request for a part of the snapshot has its place in it.
    let parts = 0;
    const { promise: killed, resolve } = Promise.withResolvers<string>();
    scope.use(own.subscribe("parley.snap.*", ({ subject, bytes }) => {
      if (!new TextDecoder().decode(bytes).includes('"at"')) return;
      if (++parts !== 3) return;
      const name = subject.slice("parley.snap.".length);
      servers.get(name)?.kill("SIGKILL");
      resolve(name);
    }));
    const c = scope.use(start(nats, "c", { db: `${folder.path}/c.db` }));
    const port = await c.port();
    const first = await killed;
    const other = first === "a" ? "b" : "a";

    assertMatch(c.out.text, new RegExp(`Cannot use a snapshot of ${first}: `));
    assertMatch(c.out.text, new RegExp(`Loaded the snapshot of ${other}`));
    assertEquals((await history(port, "reader")).length, 100);
  },
);

/** Answers as a server that gives snapshots, as `offer` and `ready` say. */
function impostor(
  own: Nats,
  offer: Record<string, unknown>,
  ready: Record<string, unknown>,
): Disposable {
  const scope = new DisposableStack();
  const json = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value));
  scope.use(own.subscribe("parley.snap", ({ reply }) => {
    own.publish(reply!, json(offer));
  }));
  scope.use(own.subscribe(`parley.snap.${offer["server"]}`, (message) => {
    const { at } = JSON.parse(new TextDecoder().decode(message.bytes));
    const left = Number(ready["bytes"]) - Number(at);
    const part = new Uint8Array(Math.min(left, 256 * 1024));
    own.publish(message.reply!, at === undefined ? json(ready) : part);
  }));
  return scope;
}

natsTest(
  "a snapshot that is damaged on its way, of another log, or not there is not used; one of a newer version is refused",
  async (nats) => {
    using folder = tempFolder();
    await using scope = new AsyncDisposableStack();
    const own = scope.use(await connected(nats));
    const db = `${folder.path}/a.db`;
    {
      await using a = start(nats, "a", { db });
      using alice = await RawClient.enter(await a.port(), "alice", "#one");
      for (let n = 0; n < 20; n++) await say(alice, "x".repeat(1_000));
      await shorten(own, 4_000);
      assertEquals(await a.stop("SIGTERM"), 0);
    }
    const { last, metadata } = await infoOf(own);
    const mark = metadata?.["parley"];
    const schema = version(db);
    const bytes = 1_000_000;
    const place = { mark, sequence: last, hash: "h", id: "i", bytes };
    const ready = { state: "ready", ...place, sha256: "0" };
    const offer = { server: "evil", sequence: last, schema, gives: true };

    await using b = start(nats, "b", { db: MEMORY });
    for (
      const [answers, why] of [
        [ready, /snapshot of evil: it was damaged on its way/],
        [{ ...ready, mark: "other" }, /snapshot of evil: it is of another log/],
        [
          { ...ready, bytes: 0, sha256: EMPTY },
          /snapshot of evil: it is not what its server has told/,
        ],
        [
          { state: "failed", why: "its disk is full" },
          /evil: its disk is full/,
        ],
      ] as const
    ) {
      using _evil = impostor(own, offer, answers);
      await b.out.until(why);
    }
    await b.out.until(/Waiting for a snapshot from a: /);
    await using a = start(nats, "a", { db });
    await a.port();
    const port = await b.port();
    assertMatch(b.out.text, /Loaded the snapshot of a/);
    assertEquals((await history(port, "reader")).length, 20);
    await Promise.all([a.stop("SIGTERM"), b.stop("SIGTERM")]);

    using _newer = impostor(own, { ...offer, schema: schema + 1 }, ready);
    await using c = start(nats, "c", { db: MEMORY });
    assertEquals(await c.exitCode(), 3);
    assertMatch(c.err.text, /evil has a newer version[^]*update this server/);
  },
);

/** The SHA-256 of nothing. */
const EMPTY =
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function version(path: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  return Number(database.prepare("PRAGMA user_version").get()!["user_version"]);
}

natsTest(
  "if all servers have lost their files, they say so, and invent nothing",
  async (nats) => {
    using folder = tempFolder();
    await using scope = new AsyncDisposableStack();
    const own = scope.use(await connected(nats));
    const names = ["a", "b"];
    const run = (name: string) =>
      scope.use(start(nats, name, { db: `${folder.path}/${name}.db` }));
    {
      const servers = names.map(run);
      const ports = await Promise.all(servers.map((server) => server.port()));
      using alice = await RawClient.enter(ports[0]!, "alice", "#one");
      for (let n = 0; n < 20; n++) await say(alice, "x".repeat(1_000));
      await Promise.all(servers.map((server) => server.stop("SIGTERM")));
    }
    await shorten(own, 2_000);
    const before = await infoOf(own);
    assert(before.first > 1 && before.first <= before.last);
    for (const { name } of [...Deno.readDirSync(folder.path)]) {
      Deno.removeSync(`${folder.path}/${name}`);
    }

    const a = run("a");
    await a.out.until(/Waiting for a snapshot from b: start a server that/);
    const c = run("c"); // the log does not know it
    await c.out.until(/Waiting for a snapshot from b: start a server that/);
    assertEquals(await c.stop("SIGINT"), 2);
    const b = run("b");
    for (const server of [a, b]) {
      assertEquals(await server.exitCode(), 3);
      assertMatch(
        server.err.text,
        /No server has what is before entry \d+ of the log: (. up to 0(, |\.)){2,3}/,
      );
    }
    assertEquals((await infoOf(own)).last, before.last);
  },
);

natsTest(
  "the log reaches back as --keep and --keep-bytes say, and servers that differ are told",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const own = scope.use(await connected(nats));
    const a = scope.use(start(nats, "a", {
      db: MEMORY,
      more: ["--keep", "12h", "--keep-bytes", "20MB"],
    }));
    await a.port();
    const made = await infoOf(own);
    assertEquals([made.max_age, made.max_bytes], [12 * 3_600e9, 20_000_000]);

    const b = scope.use(start(nats, "b", { db: MEMORY }));
    await b.port();
    await b.out.until(
      /keeps entries for 30d, in 2 GB now, [^\n]*before, for 12h, in 20 MB/,
    );
    await a.out.until(
      /Another server has other values of --keep [^\n]* for 30d, in 2 GB, and this server says for 12h, in 20 MB/,
    );
    const set = await infoOf(own);
    assertEquals([set.max_age, set.max_bytes], [720 * 3_600e9, 2e9]);
    assertEquals(
      { ...set, max_age: 0, max_bytes: 0, last: 0 },
      { ...made, max_age: 0, max_bytes: 0, last: 0 },
    );

    // A log of an earlier version has no bounds.
    const { max_age: _age, max_bytes: _bytes, ...old } =
      (await own.jsm.streams.info(STREAM)).config;
    await own.jsm.streams.add({
      ...{ ...old, name: "PARLEY_old", subjects: ["old.log.>"] },
      ...{ discard: "new", republish: { src: "old.log.>", dest: "old.rep.>" } },
    });
    const more = ["--cluster", "old"];
    const c = scope.use(start(nats, "c", { db: MEMORY, more }));
    await c.out.until(/30d, in 2 GB now, [^\n]*before, without an end, of any/);
    const { config } = await own.jsm.streams.info("PARLEY_old");
    assertEquals([config.discard, config.max_bytes], ["old", 2e9]);
  },
);

natsTest(
  "a log for which NATS has no room is not made, and one that is there stays as it is",
  async (nats) => {
    const large = ["--keep-bytes", "1TB"];
    {
      await using none = start(nats, "a", { db: MEMORY, more: large });
      assertEquals(await none.exitCode(), 2);
      assertMatch(
        none.err.text,
        /Cannot store 1000 GB in the stream [^\n]*max_file[^]*--keep-bytes/,
      );
    }
    await using a = start(nats, "a", { db: MEMORY });
    await a.port();
    await using b = start(nats, "b", { db: MEMORY, more: large });
    const port = await b.port();
    await b.out.until(/Cannot store 1000 GB in the stream/);
    using alice = await RawClient.enter(port, "alice", "#one");
    await say(alice, "there is");
  },
);

natsTest(
  "a server that begins with a backup of another one reads the rest, and is the same journal",
  async (nats) => {
    using folder = tempFolder();
    await using scope = new AsyncDisposableStack();
    const a = scope.use(start(nats, "a", { db: `${folder.path}/a.db` }));
    const port = await a.port();
    using alice = await RawClient.enter(port, "alice", "#one");
    await say(alice, "before");
    await a.type(`backup ${folder.path}/b.db\n`);
    await a.out.until(/Copied all messages/);
    await say(alice, "after");

    const b = scope.use(start(nats, "b", { db: `${folder.path}/b.db` }));
    const there = await b.port();
    assertEquals(await history(there, "bob"), await history(port, "carol"));
    const journals = await Promise.all([port, there].map(async (at, index) => {
      using client = await RawClient.connect(at);
      return headerOf(await client.ask(`REGISTER d${index}\n\n`), "Journal");
    }));
    assertEquals(journals[0], journals[1]);
  },
);

natsTest(
  "a server that was killed while it gave a snapshot deletes the copy at its next start",
  async (nats) => {
    using folder = tempFolder();
    await using own = await connected(nats);
    const db = `${folder.path}/a.db`;
    const files = () =>
      Array.from(Deno.readDirSync(folder.path), ({ name }) => name)
        .filter((name) => name.includes("snapshot"));
    {
      await using a = start(nats, "a", { db });
      await a.port();
      const subject = `${subjectsOf("parley").snapshot}.a`;
      const request = new TextEncoder().encode('{"from":0}');
      for (let state = ""; state !== "ready";) {
        const answer = await own.request(subject, request, 2_000);
        state = JSON.parse(new TextDecoder().decode(answer)).state;
      }
      await a.stop("SIGKILL");
      assertEquals(files(), ["a.db.snapshot"]);
    }

    await using again = start(nats, "a", { db });
    await again.port();

    assertEquals(files(), []);
  },
);
