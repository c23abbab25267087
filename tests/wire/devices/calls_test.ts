/** Calls to an account with several devices, and from one, on the wire. */
import { assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp } from "../../tools/account_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";

const SESSION = `Session: ${"a".repeat(32)}\n`;
const CALL = `${SESSION}Address: 10.0.0.1:5000\nCommit: ${"b".repeat(64)}\n` +
  "Purpose: chat\n\n";

/** An ACCEPT with a key of that digit. */
function accept(digit: string): string {
  return `ACCEPT bob\n${SESSION}Address: 10.0.0.2:5000\nKey: ${
    digit.repeat(64)
  }\n\n`;
}

/** Two devices of alice, and two of bob. */
async function four() {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(startTestServer());
  const { port } = server;
  const alice = opened.use(await signedUp(port, "alice"));
  const alice2 = opened.use((await logIn(port, "alice")).client);
  const bob = opened.use(await signedUp(port, "bob"));
  const bob2 = opened.use((await logIn(port, "bob")).client);
  const all = opened.move();
  return {
    ...{ server, alice, alice2, bob, bob2 },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A sign that everything before it has come. */
async function nothingElse(...clients: RawClient[]): Promise<void> {
  for (const one of clients) {
    assertEquals(await one.ask("PING\n\n"), "PONG\n\n");
  }
}

Deno.test("a call rings on all devices; the first that accepts it gets it", async () => {
  await using all = await four();
  const { alice, alice2, bob, bob2 } = all;

  assertEquals(await bob.ask(`CALL alice\n${CALL}`), "CALLING alice\n\n");
  for (const one of [alice, alice2]) await one.next("CALL bob");
  assertEquals(await alice2.ask(accept("1")), "ACCEPTED bob\n\n");

  assertMatch(
    await alice.frame(),
    /^DECLINE bob\nSession: a+\nReason: another device of yours has answered\n/,
  );
  assertMatch(await bob.frame(), /^ACCEPT alice\n[^]*\nKey: 1+\n/);
  await nothingElse(alice2, bob2);

  // The other one was too late.
  assertMatch(await alice.ask(accept("2")), /^DECLINE bob\n/);
  assertEquals(await alice.frame(), "ACCEPTED bob\n\n");
  await nothingElse(alice2, bob, bob2);
});

Deno.test("a call is declined when all devices have declined it", async () => {
  await using all = await four();
  const { alice, alice2, bob, bob2 } = all;
  await bob.ask(`CALL alice\n${CALL}`);
  for (const one of [alice, alice2]) await one.next("CALL bob");
  const decline = `DECLINE bob\n${SESSION}\n`;

  assertEquals(await alice.ask(decline), "DECLINED bob\n\n");
  assertEquals(await alice.ask(decline), "DECLINED bob\n\n"); // again
  await nothingElse(bob, bob2);
  assertEquals(await alice2.ask(decline), "DECLINED bob\n\n");
  assertMatch(await bob.frame(), /^DECLINE alice\n/);
  await nothingElse(bob2, alice);
});

Deno.test("a caller who gives up ends the ringing of all devices", async () => {
  await using all = await four();
  const { alice, alice2, bob, bob2 } = all;
  await bob2.ask(`CALL alice\n${CALL}`);
  for (const one of [alice, alice2]) await one.next("CALL bob");

  await bob2.ask(`DECLINE alice\n${SESSION}\n`);

  for (const one of [alice, alice2]) {
    assertMatch(await one.frame(), /^DECLINE bob\n/);
  }
  await nothingElse(bob);
});

Deno.test("a late DECLINE of one device does not end what another has accepted", async () => {
  await using all = await four();
  const { alice, alice2, bob } = all;
  await bob.ask(`CALL alice\n${CALL}`);
  for (const one of [alice, alice2]) await one.next("CALL bob");
  await alice.ask(accept("1"));
  await bob.next("ACCEPT alice");

  await alice2.next("DECLINE bob");
  await alice2.ask(`DECLINE bob\n${SESSION}\n`);
  await nothingElse(bob);
  await alice.ask(`DECLINE bob\n${SESSION}\n`);
  assertMatch(await bob.frame(), /^DECLINE alice\n/);
});
