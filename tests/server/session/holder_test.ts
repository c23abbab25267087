/** A name that a client asks for, while a connection that may be dead has it. */
import { assertEquals, assertMatch } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { arrange, turn } from "../../tools/net/fake_peers.ts";
import { signUp } from "../../tools/account_tools.ts";

const NO_ANSWER =
  /^ERROR 104 Name in use\nFor: \w+ alice\nReason: .* does not answer; .+\nSuggestion: alice2\nRetry-after: 14\n\n$/;
const TAKEN =
  /^ERROR 104 Name in use\nFor: \w+ alice\nReason: [^\n]+ is in use\nSuggestion: alice2\n\n$/;

/** alice, who has been idle for `ms`, and a client that asks for her name. */
async function arrangeHolder(
  ms: number,
  request = "REGISTER alice\n\n",
  host?: string,
) {
  const { wait, connect, ...rest } = arrange();
  const peers: ReturnType<typeof connect>[] = [];
  const join = (text: string, host?: string) => {
    const peer = connect(undefined, undefined, host);
    peers.push(peer);
    peer.wire.say(text);
    return peer;
  };
  const alice = join("REGISTER alice\n\n");
  await alice.wire.heard("REGISTERED alice");
  wait(ms);
  const asking = join(request, host);
  await turn();
  return {
    ...{ ...rest, wait, join, alice, asking },
    async close() {
      for (const { wire } of peers) wire.close();
      await Promise.all(peers.map(({ done }) => done));
    },
  };
}

for (
  const request of [
    "REGISTER alice\n\n",
    "REGISTER ALICE\nToken: 0123456789abcdef0123456789abcdef\n\n",
    await signUp("alice"),
  ]
) {
  const [what] = request.split("\n");
  Deno.test(`${what}: a dead connection has the name for 15 seconds, and no longer`, async () => {
    const { alice, asking, wait, join, close } = await arrangeHolder(
      3_000,
      request,
    );
    await alice.wire.heard("PING\n\n");
    assertEquals(asking.wire.got, "");
    wait(2_000);
    await asking.wire.heard("\n\n");
    assertMatch(
      asking.wire.got.replaceAll("ALICE", "alice"),
      NO_ANSWER,
    );

    wait(14_000);

    assertEquals((alice.connection.ending as ChatError).code, 116);
    const again = join("REGISTER alice\n\n");
    await again.wire.heard("REGISTERED alice\n");
    await close();
  });
}

Deno.test("a client that is there keeps its name, and the other is told at once", async () => {
  const { alice, asking, wait, close } = await arrangeHolder(3_000);
  await alice.wire.heard("PING\n\n");

  alice.wire.say("PONG\n\n");
  await asking.wire.heard("\n\n");
  assertMatch(asking.wire.got, TAKEN);
  wait(20_000);

  assertEquals(alice.connection.ending, undefined);
  await close();
});

Deno.test("a client that sends anything within the 15 seconds keeps its name", async () => {
  const { alice, asking, wait, close } = await arrangeHolder(3_000);
  wait(2_000);
  await asking.wire.heard("Retry-after: 14");

  alice.wire.say("JOIN #default\n\n");
  await alice.wire.heard("JOINED");
  wait(20_000);

  assertEquals(alice.connection.ending, undefined);
  await close();
});

Deno.test("clients that ask together wait together, and one that asks later waits anew", async () => {
  const { alice, asking, wait, join, close } = await arrangeHolder(3_000);
  await alice.wire.heard("PING\n\n");
  wait(1_000);
  const second = join("REGISTER alice\n\n");
  await turn();

  wait(1_000);
  for (const { wire } of [asking, second]) {
    await wire.heard("\n\n");
    assertMatch(wire.got, NO_ANSWER);
  }
  const third = join("REGISTER alice\n\n");
  await turn();
  assertEquals(third.wire.got, "");
  alice.wire.say("PONG\n\n");
  await third.wire.heard("\n\n");

  assertMatch(third.wire.got, TAKEN);
  assertEquals(alice.wire.got.split("PING").length, 2, "one PING");
  await close();
});

Deno.test("a client that was heard a moment ago is not asked", async () => {
  const { alice, asking, close } = await arrangeHolder(2_900);

  await asking.wire.heard("\n\n");

  assertMatch(asking.wire.got, TAKEN);
  assertEquals(alice.wire.got.includes("PING"), false);
  await close();
});

Deno.test("a client that leaves while the holder is asked does not keep the name", async () => {
  const { alice, asking, wait, join, close } = await arrangeHolder(3_000);
  await alice.wire.heard("PING\n\n");

  asking.wire.close();
  asking.connection.end("gone");
  alice.wire.close();
  await alice.done;
  wait(2_000);
  await asking.done;

  const again = join("REGISTER alice\n\n");
  await again.wire.heard("REGISTERED alice\n");
  await close();
});

Deno.test("another address takes no name from a client that hangs for less than it may", async () => {
  const { alice, asking, wait, join, close } = await arrangeHolder(
    3_000,
    "REGISTER alice\n\n",
    "10.0.0.66",
  );
  await alice.wire.heard("PING\n\n");
  wait(2_000);
  await asking.wire.heard("\n\n");
  assertMatch(asking.wire.got, /Reason: .* it is free in 86 seconds .*\n/);
  for (let second = 0; second < 80; second += 4) {
    join("REGISTER alice\n\n", "10.0.0.66");
    wait(4_000);
  }

  assertEquals(alice.connection.ending, undefined);
  alice.wire.say("PONG\n\n");
  await turn();
  wait(20_000);
  assertEquals(alice.connection.ending, undefined);
  await close();
});
