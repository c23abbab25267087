/** What clients are sent about users of another server of their chat. */
import { assertEquals, assertMatch } from "@std/assert";
import type { BusMessage } from "../../../server/cluster/bus.ts";
import {
  ClusterPresence,
  type PresenceOptions,
} from "../../../server/cluster/presence/presence.ts";
import { CLOCK } from "../../../server/net/clock.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";

/** A bus within this process. */
function localBus(): PresenceOptions["bus"] {
  const listeners = new Set<(message: BusMessage) => void>();
  return {
    publish(subject, bytes) {
      const message = {
        subject,
        bytes,
        reply: undefined,
        header: () => undefined,
      };
      for (const on of listeners) queueMicrotask(() => on(message));
    },
    subscribe(_subject, on) {
      listeners.add(on);
      return { [Symbol.dispose]: () => void listeners.delete(on) };
    },
  };
}

/** Two servers with one chat. */
function startTwo() {
  const stack = new AsyncDisposableStack();
  const bus = localBus();
  const [one, two] = ["one", "two"].map((server) => {
    const started = stack.use(startTestServer());
    const { hub, limits } = started.context;
    stack.use(
      new ClusterPresence({
        ...{ bus, hub, limits, server, clock: CLOCK, maxUsers: 100 },
        subject: "test.here",
        life: { epoch: `${server}-1`, since: 1 },
        log: () => {},
      }),
    );
    return started;
  });
  return {
    one: one!,
    two: two!,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("WHO, ROOMS, Members and notices are about the users of all servers", async () => {
  await using chat = startTwo();
  const { one, two } = chat;
  using alice = await RawClient.enter(one.port, "alice", "#r");
  using bob = await RawClient.enter(two.port, "bob", "#s", "#r");
  const joined = await alice.next("NOTICE joined");

  const answers = [
    await alice.ask("WHO #R\n\n"),
    await alice.ask("WHO ALL\n\n"),
    await alice.ask("WHO #S\n\n"),
    await alice.ask("ROOMS\n\n"),
  ].map((frame) => frame.split("\n\n")[1]);
  const again = await alice.ask("JOIN #r\n\n");
  await bob.send("LEAVE #r\n\n");
  const left = await alice.frame();
  bob.close();
  const users = `alice ${alice.address} guest\nbob ${bob.address} guest\n`;

  assertEquals(headerOf(joined, "User"), "bob");
  assertEquals(headerOf(joined, "From"), bob.address);
  assertEquals(headerOf(joined, "Members"), "2");
  assertEquals(answers, [
    users,
    users,
    `bob ${bob.address} guest\n`,
    "#default 0\n#r 2\n#s 1\n",
  ]);
  assertEquals(headerOf(again, "Members"), "2");
  assertMatch(left, /^NOTICE left\nRoom: #r\nUser: bob\nMembers: 1\n/);
});

Deno.test("a user of another server can be sent to, and has the name", async () => {
  await using chat = startTwo();
  const { one, two } = chat;
  using alice = await RawClient.enter(one.port, "alice", "#r");
  using _bob = await RawClient.enter(two.port, "bob", "#r");
  await alice.next("NOTICE joined");

  await alice.say("BOB", "hi");
  const sent = await alice.frame();
  await alice.say("#r", "hi");
  const toRoom = await alice.frame();
  await alice.say("carol", "hi");
  const refused = await alice.frame();
  using other = await RawClient.connect(one.port);
  const taken = await other.ask("REGISTER b0b\n\n");

  assertMatch(sent, /^SENT bob\n/);
  assertEquals(headerOf(sent, "Recipients"), "1");
  assertEquals(headerOf(toRoom, "Recipients"), "1");
  assertMatch(refused, /^ERROR 102 /);
  assertMatch(taken, /^ERROR 104 /);
});

Deno.test("a call reaches a user of another server, and so does its answer", async () => {
  await using chat = startTwo();
  const { one, two } = chat;
  using alice = await RawClient.enter(one.port, "alice", "#r");
  using _eve = await RawClient.classic(two.port, "eve");
  using bob = await RawClient.enter(two.port, "Bob", "#r");
  await alice.next("NOTICE joined");
  const session = `Session: ${"0123456789abcdef".repeat(2)}\n`;
  const key = "fedcba9876543210".repeat(4);
  const address = "Address: 192.168.1.5:40001\nAddress: [fd00::2]:40001\n";
  const call = `${address}Commit: ${key}\nPurpose: chat\n\n`;

  const calling = await alice.ask(`CALL bob\n${session}${call}`);
  const called = await bob.next("CALL ");
  const accept = `${address}Key: ${key}\n\n`;
  await bob.send(`ACCEPT alice\n${session}${accept}`);
  const accepted = await bob.next("ACCEPTED");
  const answer = await alice.frame();
  const reason = `${session}Reason: sp\u00e4ter\n\n`;
  const declined = await bob.ask(`DECLINE alice\n${reason}`);
  const refusal = await alice.frame();
  const refused = [
    await alice.ask(`CALL eve\n${session}${call}`),
    await alice.ask(`CALL carol\n${session}${call}`),
  ].map((frame) => frame.slice(0, 9));

  assertEquals([calling, accepted, declined], [
    "CALLING Bob\n\n",
    "ACCEPTED alice\n\n",
    "DECLINED alice\n\n",
  ]);
  const from = `From: ${alice.address}\n`;
  assertEquals(called, `CALL alice\n${session}${from}${call}`);
  assertEquals(
    answer,
    `ACCEPT Bob\n${session}From: ${bob.address}\n${accept}`,
  );
  assertEquals(refusal, `DECLINE Bob\n${reason}`);
  assertEquals(refused, ["ERROR 118", "ERROR 102"]);
});

/** What is sent on one server is delivered on the other, as by their log. */
function share(from: TestServer, to: TestServer): void {
  const { hub } = from.context;
  const deliver = hub.deliver.bind(hub);
  hub.deliver = (batch, forwards) => {
    to.context.hub.deliver(batch, forwards);
    return deliver(batch, forwards);
  };
}

for (const target of ["bob", "#default", "ALL"]) {
  Deno.test(`a two-socket sender waits for a two-socket receiver on another server of ${target}`, async () => {
    await using chat = startTwo();
    const { one, two } = chat;
    share(one, two);
    using watcher = await RawClient.enter(one.port, "watcher", "#default");
    using alice = await RawClient.classic(one.port, "alice");
    await watcher.next("NOTICE joined");
    using bob = await RawClient.classic(two.port, "bob");
    await watcher.next("NOTICE joined");
    using _other = await RawClient.enter(two.port, "other", "#default");
    await watcher.next("NOTICE joined");

    const answers: string[] = [];
    for (
      const answer of ["RECEIVED alice\n\n", "ERROR 103 Header Incomplete\n\n"]
    ) {
      await alice.out.say(target, "hi");
      assertMatch(await bob.in.frame(), /^FORWARD alice\n/);
      await bob.in.send(answer);
      answers.push(await alice.out.frame());
    }
    bob.out.close();
    await watcher.next("NOTICE offline");
    await alice.out.say(target, "hi");
    answers.push(await alice.out.frame());

    const refused = "ERROR 102 Unable to send\n\n";
    assertEquals(answers, [
      `SEND ${target}\n\n`,
      refused,
      target === "bob" ? refused : `SEND ${target}\n\n`,
    ]);
  });
}

Deno.test("the operator sees the users of all servers, and where they are", async () => {
  await using chat = startTwo();
  const { one, two } = chat;
  using alice = await RawClient.enter(one.port, "alice", "#r");
  using bob = await RawClient.enter(two.port, "bob", "#s", "#r");
  await alice.next("NOTICE joined");

  const users = await one.console.run("users");
  const rooms = await one.console.run("rooms");
  const kicked = await one.console.run("kick BOB");

  assertEquals(users.replaceAll(/ +/g, " ").split("\n"), [
    "2 users:",
    ` alice ${alice.address} guest #r`,
    ` bob ${bob.address} guest, on two #s #r`,
  ]);
  assertMatch(rooms, /#r +2 /);
  assertEquals(
    kicked,
    "Cannot kick bob: no answer comes from two, where the user is connected",
  );
});
