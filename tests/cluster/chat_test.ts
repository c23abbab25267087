/** Three servers of Parley are one chat. */
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp } from "../tools/account_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { lastingPort } from "../tools/net/test_server.ts";
import { Process } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";
import { needs } from "../tools/system/skips.ts";
import { type NatsServers, natsTest } from "./nats_servers.ts";

/** A server of Parley that uses the server of NATS of that number first. */
function start(
  nats: NatsServers,
  server: number,
  ...more: readonly string[]
): Process {
  return new Process([
    ...["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"],
    ...["--nats", nats.from(server).join(), "--server-name", `s${server}`],
    ...more,
  ]);
}

/** The value of a header of a frame. */
function valueOf(frame: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1] ?? "";
}

natsTest(
  "users of three servers are in one chat, and one that dies frees its names",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const servers = [0, 1, 2].map((n) => scope.use(start(nats, n)));
    const ports = await Promise.all(servers.map((server) => server.port()));
    const alice = scope.use(await RawClient.connect(ports[0]!));
    const bob = scope.use(await RawClient.connect(ports[1]!));

    await alice.send("REGISTER alice\n\n");
    // She is told of the other two servers, at once or with a notice.
    let told = await alice.next("REGISTERED");
    while (!ports.slice(1).every((port) => told.includes(`tcp=${port}`))) {
      told = await alice.next("NOTICE set");
    }
    assert(!told.includes(`tcp=${ports[0]}`));
    await bob.comeIn("bob", "#one");
    await alice.send("JOIN #one\n\n");
    await alice.next("JOINED");
    await bob.next("NOTICE joined");
    // Her server may hear of him later than his of her.
    for (let who = ""; !/^bob /m.test(who);) {
      await alice.send("WHO #one\n\n");
      who = await alice.next("WHO");
    }

    // A message, its id, and the history are the same everywhere.
    await alice.send("SEND #one\nKey: k1\nContent-length: 5\n\nhello");
    const sent = await alice.next("SENT");
    const forward = await bob.next("FORWARD");
    assertEquals(valueOf(forward, "Id"), valueOf(sent, "Id"));
    assertEquals(valueOf(sent, "Recipients"), "1");

    // A name is that of one user, and what looks like it, too.
    const other = scope.use(await RawClient.connect(ports[2]!));
    await other.send("REGISTER alice\n\n");
    assertMatch(await other.next("ERROR"), /^ERROR 104/);
    const classic = scope.use(await RawClient.connect(ports[2]!));
    await classic.send("REGISTER TOSEND a1ice\n\n");
    assertMatch(await classic.next("ERROR"), /^ERROR 100/);

    // The server of a user dies: the others are told, and the name is free.
    servers[0]!.kill("SIGKILL");
    await bob.next("NOTICE offline");
    const next = scope.use(await RawClient.connect(ports[2]!));
    // The third server may hear of it later than the second.
    while (!(await next.ask("REGISTER alice\n\n")).startsWith("REGISTERED")) {
      await next.ask("PING\n\n");
    }
    await next.send("HISTORY #one\n\n");
    assertEquals(
      valueOf(await next.next("FORWARD"), "Id"),
      valueOf(sent, "Id"),
    );

    // A server is not up to date while it reads an entry.
    const isWell =
      /s2 +at \d+ +up to date +heard[^]*\nNATS 2\.\d+\.\d+: the log ends at \d+; leader n\d[^]*\nWritten here: [1-9]\d* entr.* 0 refused; longest wait/;
    for (let shown = "", n = 1; !isWell.test(shown); n++) {
      await servers[1]!.type("cluster\n");
      const all = new RegExp(
        `(?:s1 \\(this server\\)[^]*?\nHash.*\nWritten.*\n[^]*?){${n}}`,
      );
      [shown] = await servers[1]!.out.until(all);
      shown = shown.slice(shown.lastIndexOf("s1 (this server)"));
      for (const line of shown.split("\n")) assert(line.length <= 80, line);
    }
  },
);

natsTest(
  "a user whose server dies goes on with its session on another one",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const servers = [0, 1].map((n) => scope.use(start(nats, n)));
    const ports = await Promise.all(servers.map((server) => server.port()));
    const alice = scope.use(await RawClient.connect(ports[0]!));
    const bob = scope.use(await RawClient.enter(ports[1]!, "bob", "#one"));
    await alice.send("REGISTER alice\n\nJOIN #one\n\n");
    const registered = await alice.next("REGISTERED");
    await alice.next("JOINED");
    await alice.send("SEND #one\nKey: k1\nContent-length: 5\n\nhello");
    const sent = await alice.next("SENT");
    await bob.next("FORWARD");

    servers[0]!.kill("SIGKILL");
    await bob.send("SEND #one\nContent-length: 6\n\nmissed");
    await bob.next("SENT");
    const again = scope.use(await RawClient.connect(ports[1]!));
    const head = ["Token", "Journal"].map((name) =>
      `${name}: ${valueOf(registered, name)}\n`
    );
    const after = `After: ${valueOf(sent, "Id")}\n`;
    await again.send(`REGISTER alice\n${head.join("")}${after}\n`);
    const back = await again.next("REGISTERED");
    assertEquals(valueOf(back, "Journal"), valueOf(registered, "Journal"));
    assertMatch(await again.next("FORWARD"), /missed/);

    // What she had sent is known by its key, and what she sends now is new.
    await again.send("JOIN #one\n\n");
    await again.send("SEND #one\nKey: k1\nContent-length: 5\n\nhello");
    assertEquals(valueOf(await again.next("SENT"), "Id"), valueOf(sent, "Id"));
    await again.send("SEND #one\nKey: k2\nContent-length: 5\n\nagain");
    await again.next("SENT");
    assertMatch(await bob.next("FORWARD"), /again/);
  },
);

natsTest("accounts, bans and locks are those of all servers", async (nats) => {
  await using scope = new AsyncDisposableStack();
  const servers = [0, 1].map((n) => scope.use(start(nats, n)));
  const ports = await Promise.all(servers.map((server) => server.port()));
  const [first, second] = ports as [number, number];
  const alice = scope.use(await signedUp(first, "alice"));

  // The owner signs in with another device elsewhere, and both are connected.
  const { client: there, answer } = scope.use(await logIn(second, "alice"));
  assertMatch(answer, /^REGISTERED alice/);
  const guest = scope.use(await RawClient.connect(first));
  await guest.send("REGISTER alice\n\n");
  assertMatch(await guest.next("ERROR"), /^ERROR 110/);

  // A ban on one server ends the user on the other one.
  await servers[0]!.type("ban alice spam\n");
  for (const one of [alice, there]) {
    assertMatch(await one.next("ERROR"), /^ERROR 117/);
  }
});

natsTest(
  "an operator kicks, and unmutes, users of all servers",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const servers = [0, 1].map((n) => scope.use(start(nats, n)));
    const [first, second] = servers as [Process, Process];
    const ports = await Promise.all(servers.map((server) => server.port()));
    const alice = scope.use(await RawClient.enter(ports[0]!, "alice", "#one"));
    const bob = scope.use(await RawClient.enter(ports[1]!, "bob", "#one"));
    await alice.next("NOTICE joined"); // so the servers know both users

    await second.type("mute 127.0.0.1\n");
    await second.out.until(/Muted the address 127\.0\.0\.1: 2 users/);
    await first.type("users\n");
    await first.out.until(
      /bob +\S+ +guest, muted with the address 127\.0\.0\.1, on s1/,
    );
    await second.type("unmute alice\n");
    await second.out.until(
      /Unmuted alice, who was muted with the address 127\.0\.0\.1/,
    );
    await alice.send("SEND #one\nContent-length: 5\n\nhello");
    await alice.next("SENT");

    using folder = tempFolder();
    await first.type(`backup ${folder.path}/copy.db\n`);
    await first.out.until(/Copied all messages and accounts to .*copy\.db/);
    using copy = new DatabaseSync(`${folder.path}/copy.db`);
    const row = copy.prepare("SELECT count(*) AS count FROM messages").get();
    assertEquals(row, { __proto__: null, count: 1 });

    await second.type("kick ALICE he spams\n");
    await second.out.until(/Disconnected alice, on s0\n/);
    assertMatch(await alice.next("ERROR 117"), /disconnected you \(he spams\)/);
    const carol = scope.use(await RawClient.enter(ports[0]!, "carol", "#one"));
    await first.type("kick 127.0.0.0/8\n");
    await first.out.until(/Disconnected 127\.0\.0\.0\/8: 2 connections\n/);
    for (const one of [bob, carol]) await one.next("ERROR 117");
  },
);

natsTest(
  "the idle holder of a name is asked whether it is there, also on another server",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    // So many as ask in these seconds are over the rate of an address.
    const servers = [0, 1].map((n) => scope.use(start(nats, n, "--no-limits")));
    const ports = await Promise.all(servers.map((server) => server.port()));
    const alice = scope.use(await RawClient.enter(ports[0]!, "alice", "#one"));

    for (let answer = "";;) {
      using next = await RawClient.connect(ports[1]!);
      await next.send("REGISTER alice\n\n");
      answer = await next.next("ERROR 104");
      if (/Retry-after: 1\d/.test(answer)) break; // when she was idle for a while
    }
    await alice.next("PING");
  },
);

natsTest(
  "without most of NATS, users read; what they send is refused or undecided, and the server lives",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const server = scope.use(start(nats, 0));
    const port = await server.port();
    const alice = scope.use(await RawClient.enter(port, "alice", "#one"));
    const bob = scope.use(await RawClient.enter(port, "bob", "#one"));
    await alice.send("SEND #one\nContent-length: 5\n\nhello");
    await alice.next("SENT");
    await nats.kill(1);
    await nats.kill(2);

    await alice.send("SEND #one\nKey: k1\nContent-length: 4\n\nheld");
    await bob.send("HISTORY #one\n\nWHO #one\n\n");
    await bob.next("FORWARD");
    assertMatch(await bob.next("WHO"), /alice/);
    await server.type("ban carol\n"); // an entry for which no client waits
    const answer = await alice.next("ERROR").catch((error: Error) =>
      error.message
    );
    assertMatch(answer, /^ERROR 119 |the server ended after ""/);
    await server.out.until(/Cannot store that|Cannot say whether/);

    nats.run(1);
    nats.run(2);
    await server.out.until(/The log takes entries again/);
    await server.type("cluster\n");
    await server.out.until(
      /Written here: .* [1-9] refused; longest wait 1\d\./,
    );
    const dora = scope.use(await RawClient.enter(port, "dora", "#one"));
    await dora.send("SEND #one\nContent-length: 3\n\nnow");
    await dora.next("SENT");
  },
);

natsTest(
  "a server that cannot follow the log stops in words, with its own exit code",
  async (nats) => {
    await using server = start(nats, 0, "--cluster", "other");
    await server.port();
    const { connectNats } = await import("../../server/cluster/nats.ts");
    await using connection = await connectNats({
      ...{ servers: nats.addresses, name: "test", log: () => {} },
    });
    const newer = new TextEncoder().encode("PRLY\u007f....and more");
    await connection.js.publish("other.log.x", newer);

    assertEquals(await server.exitCode(), 3);
    assert(/update this server/.test(server.err.text), server.err.text);
    assert(/Shutting down/.test(server.out.text));
  },
);

natsTest(
  "a server that is started before NATS serves when the servers of NATS have found each other",
  async (nats) => {
    await Promise.all([0, 1, 2].map((server) => nats.kill(server)));
    await using server = start(nats, 0);
    await server.out.until(/Waiting for NATS at /);
    for (const node of [0, 1, 2]) nats.run(node);

    using alice = await RawClient.enter(await server.port(), "alice", "#one");
    await alice.send("SEND #one\nContent-length: 5\n\nhello");
    await alice.next("SENT");
  },
);

Deno.test(needs("signals between programs", {
  name: "a server that waits for NATS says so, and can be stopped",
  async fn() {
    const port = lastingPort();
    await using server = new Process([
      ...["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"],
      ...["--nats", `127.0.0.1:${port}`, "--server-name", "a"],
    ]);
    await server.out.until(/Waiting for NATS at 127\.0\.0\.1/);

    assertEquals(await server.stop("SIGINT"), 2);
  },
}));
