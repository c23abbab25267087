/** Direct sessions between two real clients and a real server. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { quietServer } from "../../tools/client_tools.ts";
import { FaultProxy } from "../../tools/net/fault_proxy.ts";
import {
  connectDirectly as connect,
  directClient as client,
} from "../../tools/direct_tools.ts";
import { needs } from "../../tools/system/skips.ts";

Deno.test("two people talk directly, see the same digits, and hang up", async () => {
  await using server = quietServer();
  await using alice = client("alice", server.port);
  await using bob = client("bob", server.port);

  const [hers, his] = await connect(alice, bob);
  await alice.type("/direct hi bob\n");
  await bob.until("alice -> you (direct): hi bob");
  await bob.type("/direct\nhi alice\n");
  await alice.until("bob -> you (direct): hi alice");
  await alice.type("/hangup\n");
  await bob.until("alice ended the direct session");
  await bob.type("is anybody there?\n");
  await bob.until("Not sent: the direct session with alice is over");
  await bob.type("/hangup\nback in the room\n");
  await alice.until("#default bob: back in the room");

  assertMatch(hers!, /^\d{3} \d{3}$/);
  assertEquals(hers, his);
  const [a, b] = await Promise.all([alice.end(), bob.end()]);
  assertEquals([a.code, b.code], [0, 0]);
  assertStringIncludes(a.out, "you -> bob (direct): hi bob");
  assert(!a.out.includes("is anybody there"));
});

Deno.test("/reply answers a message of a direct session in it, and not through the server", async () => {
  await using server = quietServer();
  await using alice = client("alice", server.port);
  await using bob = client("bob", server.port);
  await using carol = client("carol", server.port);
  await connect(alice, bob);
  await carol.type("@alice: hello\n");
  await alice.until("carol -> you: hello");
  await bob.type("/direct @alice a secret\n");
  await alice.until("bob -> you (direct): a secret");

  await alice.type("/reply not now\n"); // carol has written before
  await alice.type("/reply ours alone\n");

  await bob.until("alice -> you (direct): ours alone");
  await alice.end();
  assert(!carol.out.includes("ours alone"));
});

Deno.test("two who call each other at once have one session", async () => {
  await using server = quietServer();
  await using alice = client("alice", server.port);
  await using bob = client("bob", server.port);
  await Promise.all([alice, bob].map((one) => one.until("you joined")));

  await Promise.all([alice.type("/call bob\n"), bob.type("/call alice\n")]);
  await Promise.all([alice, bob].map((one) => one.until("Compare this")));
  await alice.type("/direct at once\n");
  await bob.until("alice -> you (direct): at once");

  for (const { out } of [alice, bob]) {
    assertEquals(out.split("Compare this").length, 2);
  }
});

Deno.test("a session goes on without the server, and while it comes back", async () => {
  const server = quietServer();
  await using way = await FaultProxy.open({ target: server.port });
  await using alice = client("alice", way.port);
  await using bob = client("bob", way.port);
  await connect(alice, bob);

  await server[Symbol.asyncDispose]();
  await Promise.all([alice, bob].map((one) => one.until("Reconnecting")));
  await alice.type("/direct without it\n");
  await bob.until("alice -> you (direct): without it");
  await bob.type("/direct\n");
  await bob.type("and back\n");
  await alice.until("bob -> you (direct): and back");
  await using again = quietServer();
  way.target = again.port;
  await Promise.all([alice, bob].map((one) => one.until("Reconnected")));
  await bob.type("still there\n");
  await alice.until("bob -> you (direct): still there");

  assert(!alice.out.includes("#default bob"), "nothing went to the room");
});

Deno.test("a user who is called can decline, not listen, ignore, or be gone", async () => {
  await using server = quietServer();
  await using alice = client("alice", server.port);
  await using bob = client("bob", server.port);
  await using deaf = client("deaf", server.port, "--no-listen");
  const all = [alice, bob, deaf];
  await Promise.all(all.map((one) => one.until("you joined")));

  await alice.type("/call bob\n");
  await bob.until("alice calls you");
  await bob.type("/decline alice\n");
  await alice.until("ERROR 118 Direct refused: bob declined: not now");
  await alice.type("/call deaf\n");
  await alice.until(
    "ERROR 118 Direct refused: deaf declined: this user takes no calls",
  );
  await deaf.type("/listen on\n");
  await deaf.until("Users can call you");
  await alice.type("/call deaf\n");
  await deaf.until("alice calls you");
  await alice.type("/hangup deaf\n");
  await deaf.until("alice ended the call: cancelled by the caller");
  await bob.type("/ignore alice\n");
  await bob.until("Hiding alice");
  await alice.type("/call bob\n");
  await alice.until(
    "ERROR 118 Direct refused: bob declined: this user takes no calls",
  );
  await alice.type("/call nobody\n");
  await alice.until('ERROR 102 Unable to send: no user "nobody" is connected');
  await alice.type("/call alice\n");
  await alice.until("Cannot call yourself");
  await alice.type("/hangup\n/accept\n/direct hello\n/call\n/listen maybe\n");
  await alice.until("Usage: /listen");

  assertStringIncludes(alice.out, "There is no direct session");
  assertStringIncludes(alice.out, "There is no call and no offer to answer");
  assert(!deaf.out.includes("hello") && !bob.out.includes("hello"));
  assertEquals(bob.out.split("calls you").length, 2);
});

Deno.test("a client that cannot listen is told so, as is its caller, and both chat on", async () => {
  await using server = quietServer();
  await using alice = client("alice", server.port);
  await using bob = client("bob", server.port, "--direct-host", "192.0.2.1");
  await Promise.all([alice, bob].map((one) => one.until("you joined")));

  await bob.type("/call alice\n");
  await bob.until("Cannot listen for a direct connection: ");
  await alice.type("/call bob\n");
  await bob.until("alice calls you");
  await bob.type("/accept\n");
  await alice.until("bob declined: cannot be reached directly");
  await bob.type("so be it\n");
  await alice.until("bob: so be it");

  const [a, b] = await Promise.all([alice.end(), bob.end()]);
  assertEquals([a.code, b.code], [0, 0]);
  assertEquals(b.out.split("Cannot listen for").length, 3);
});

Deno.test(needs("threads for the pipes of four programs", {
  name: "three who call at once are answered one by one, and do not mix",
  async fn() {
    await using server = quietServer();
    await using bob = client("bob", server.port);
    await bob.until("you joined");
    await using a = client("ann", server.port);
    await using b = client("ben", server.port);
    await using c = client("cem", server.port);
    const callers = { ann: a, ben: b, cem: c };
    for (const [name, one] of Object.entries(callers)) {
      await one.until("you joined");
      await one.type("/call bob\n");
      await bob.until(`${name} calls you`);
    }

    await bob.type("/accept\n");
    await bob.until("Which one? /accept ann (the call from ann), /accept ben");
    for (const name of ["cem", "ann", "ben"] as const) {
      await bob.type(`/accept ${name}\n`);
      await callers[name].until("Compare this");
      await bob.until(`Direct session with ${name}.`);
    }
    for (const [name, one] of Object.entries(callers)) {
      await bob.type(`/direct @${name} for ${name}\n`);
      await one.until(`bob -> you (direct): for ${name}`);
      await one.type(`/direct from ${name}\n`);
      await bob.until(`${name} -> you (direct): from ${name}`);
    }
    await bob.type("/hangup ben\n");
    await b.until("bob ended the direct session");
    await bob.type("/direct @cem bye\n");
    await c.until("bob -> you (direct): bye");

    for (const [name, one] of Object.entries(callers)) {
      for (const other of Object.keys(callers)) {
        assertEquals(one.out.includes(`for ${other}`), name === other);
      }
    }
  },
}));

for (const how of ["/quit", "SIGINT", "the end of the input"] as const) {
  const fn = async () => {
    await using server = quietServer();
    await using bob = client("bob", server.port);
    await using alice = client("alice", server.port);
    await connect(alice, bob);

    if (how === "/quit") await alice.type("/quit\n");
    if (how === "SIGINT") alice.kill(how);
    const { code } = how === "SIGINT" ? await alice.ended() : await alice.end();
    await bob.until("alice ended the direct session");
    await bob.type("/hangup\n");
    await bob.until("There is no direct session");

    assertEquals(code, how === "SIGINT" ? 130 : 0);
  };
  const test = {
    name: `a user who leaves by ${how} ends the direct session`,
    fn,
  };
  Deno.test(
    how === "SIGINT" ? needs("signals between programs", test) : test,
  );
}
