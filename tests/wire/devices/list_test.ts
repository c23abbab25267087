/** DEVICES and READ on the wire. */
import { assertEquals, assertMatch } from "@std/assert";
import { bodyOf, logIn, request, signedUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";

Deno.test("DEVICES lists the devices, and which program each has", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  using second = await logIn(server.port, "alice", {
    headers: "Client: A p\u{e4}rley\n",
  });
  using third = await RawClient.connect(server.port);
  third.close();

  assertMatch(
    await second.client.ask("DEVICES\n\n"),
    /^DEVICES\nContent-length: \d+\n\n1 \d{4}-\S+Z 127\.0\.0\.1 connected\n2 \d{4}-\S+Z 127\.0\.0\.1 this A p\?rley\n$/,
  );
  second.client.close();
  await server.logged("alice disconnected");
  assertMatch(
    await first.ask("DEVICES\n\n"),
    /\n1 \S+ 127\.0\.0\.1 this\n2 \S+ 127\.0\.0\.1 lost A p\?rley\n$/,
  );
});

Deno.test("DEVICES end N ends a device, whose token is worth nothing", async () => {
  for (const db of [undefined, ":memory:"]) {
    await using server = startTestServer(db === undefined ? {} : { db });
    using first = await signedUp(server.port, "alice");
    using second = await logIn(server.port, "alice");
    const token = headerOf(second.answer, "Token");

    assertEquals(
      bodyOf(await first.ask("DEVICES end 2\n\n")).split("\n").length,
      2,
    );
    assertMatch(
      await second.client.rest(),
      /^ERROR 117 Removed\nReason: .*another device of your account/,
    );
    using again = await logIn(server.port, "alice", {
      headers: `Token: ${token}\nAfter: 0\n`,
    });
    assertMatch(again.answer, /^REGISTERED alice\n/);
    assertEquals(headerOf(again.answer, "Token") === token, false);
  }
});

Deno.test("DEVICES refuses what is no device, the own one, and guests", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using guest = await RawClient.enter(server.port, "bob");

  for (
    const line of ["DEVICES end", "DEVICES end x", "DEVICES end 7", "DEVICES 1"]
  ) {
    assertMatch(await alice.ask(`${line}\n\n`), /^ERROR 105 /, line);
  }
  assertMatch(
    await alice.ask("DEVICES end 1\n\n"),
    /^ERROR 105 .*\nFor: DEVICES end 1\nReason: .*is this one; send LOGOUT/,
  );
  for (const line of ["DEVICES", "READ #lab\nId: 0"]) {
    assertMatch(await guest.ask(`${line}\n\n`), /^ERROR 122 Not allowed\n/);
  }
});

Deno.test("READ tells the other devices, once, and those that connect later", async () => {
  for (const db of [undefined, ":memory:"]) {
    await using server = startTestServer(db === undefined ? {} : { db });
    using first = await signedUp(server.port, "alice");
    using second = await logIn(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob");
    for (let id = 1; id <= 3; id++) {
      await bob.say("alice", `${id}`);
      for (const one of [first, second.client]) await one.next("FORWARD");
    }

    assertEquals(
      await first.ask("READ bob\nId: 2\n\n"),
      "READ bob\nId: 2\n\n",
    );
    assertEquals(
      await second.client.frame(),
      "NOTICE read\nTo: bob\nId: 2\n\n",
    );
    await first.ask("READ BOB\nId: 1\n\n"); // which is known
    await second.client.ask("READ bob\nId: 3\n\n");
    assertEquals(await first.frame(), "NOTICE read\nTo: bob\nId: 3\n\n");
    assertMatch(await second.client.ask("PING\n\n"), /^PONG/);

    using third = await logIn(server.port, "alice");
    assertMatch(await third.client.frame(), /^NOTICE read\nTo: bob\nId: 3\n/i);
  }
});

Deno.test("READ refuses what is no target, and an Id that no message has", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  await alice.ask(request("SEND alice", "x"));
  await alice.next("SENT");

  for (
    const line of [
      ...["READ #lab", "READ #lab\nId: -1", "READ #lab\nId: x"],
      ...["READ #lab\nId: 2", "READ a.b\nId: 1", "READ #\nId: 1", "READ"],
    ]
  ) {
    assertMatch(await alice.ask(`${line}\n\n`), /^ERROR 105 /, line);
  }
  assertMatch(await alice.ask("READ all\nId: 1\n\n"), /^READ ALL\nId: 1\n/);
});
