/** Devices of one account on several servers. */
import { assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { Process } from "../../tools/server_process.ts";
import { type NatsServers, natsTest } from "../nats_servers.ts";

function start(nats: NatsServers, server: number): Process {
  return new Process([
    ...["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"],
    ...["--nats", nats.from(server).join(), "--server-name", `s${server}`],
  ]);
}

natsTest(
  "devices of an account are on several servers at once",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const servers = [0, 1].map((n) => scope.use(start(nats, n)));
    const [zero, one] = servers as [Process, Process];
    const [first, second] = await Promise.all([zero.port(), one.port()]);
    const alice = scope.use(await signedUp(first, "alice"));
    const bob = scope.use(await RawClient.enter(second, "bob", "#lab"));
    const { client: there, answer } = scope.use(await logIn(second, "alice"));
    assertMatch(answer, /^REGISTERED alice\n/);

    // A room of one is the room of all, and members are told once.
    await alice.ask("JOIN #lab\n\n");
    assertMatch(
      await there.next("NOTICE joined"),
      /\nRoom: #lab\nUser: alice\n[^]*\nLast-id: 0\n/,
    );
    assertMatch(await bob.next("NOTICE joined"), /User: alice\n/);
    await bob.say("#lab", "to both");
    assertMatch(await bob.frame(), /^SENT #lab\n[^]*Recipients: 1\n/);
    for (const device of [alice, there]) {
      await device.next("FORWARD bob");
    }
    assertEquals((await bob.ask("WHO #lab\n\n")).match(/alice/g)?.length, 1);

    // What one sends reaches the other.
    await alice.say("#lab", "mine");
    const sent = await alice.next("SENT");
    const echo = await there.next("FORWARD alice");
    assertEquals(headerOf(echo, "Id"), headerOf(sent, "Id"));
    assertMatch(await bob.next("FORWARD alice"), /mine$/);
    await there.say("bob", "psst");
    assertMatch(await alice.next("FORWARD alice"), /\nTo: bob\n[^]*psst$/);
    await bob.next("FORWARD alice");

    // A call rings on both, and is answered once.
    const session = `Session: ${"a".repeat(32)}\n`;
    await bob.ask(
      `CALL alice\n${session}Address: 10.0.0.1:5000\nCommit: ${
        "b".repeat(64)
      }\n` +
        "Purpose: chat\n\n",
    );
    for (const device of [alice, there]) await device.next("CALL bob");
    await alice.ask(
      `ACCEPT bob\n${session}Address: 10.0.0.2:5000\nKey: ${
        "c".repeat(64)
      }\n\n`,
    );
    await bob.next("ACCEPT alice");
    await there.next("DECLINE bob");

    // One leaves the room for both; a kick ends both.
    await there.ask("LEAVE #lab\n\n");
    assertMatch(await alice.next("NOTICE left"), /User: alice\n/);
    assertMatch(await bob.next("NOTICE left"), /User: alice\n/);
    await zero.type("kick alice\n");
    for (const device of [alice, there]) await device.next("ERROR 117");
  },
);
