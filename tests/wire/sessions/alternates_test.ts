/** What a server tells its clients of the other servers of the chat. */
import { assertEquals, assertMatch } from "@std/assert";
import { AlternateList, TELL_EVERY_MS } from "../../../server/alternates.ts";
import { RawClient, steady } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { TestClock } from "../../tools/test_clock.ts";

const SHA = "c31c".repeat(16);

const B = {
  hostname: "10.0.0.2",
  ports: { tcp: 9898, tls: 9899, http: 8080 },
  sha256: SHA,
  names: ["lab2"],
};
const C = { hostname: "lab3.example", ports: { https: 443 } };
const TOLD_B =
  `Alternate: 10.0.0.2 tcp=9898 tls=9899 http=8080 sha256=${SHA}\n`;
const TOLD_C = "Alternate: lab3.example https=443\n";

const HEAD = "REGISTERED alice\nServer: S\nProtocol: parley/1\n" +
  "Max-body: 65536\nToken: T\nJournal: J\nOldest-id: 1\nLast-id: 0\n";

/** A server that knows a list of others. */
function startServer() {
  const clock = new TestClock();
  const alternates = new AlternateList(clock.after);
  const server = startTestServer({ alternates, clock });
  return {
    port: server.port,
    clock,
    alternates,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

Deno.test("a server tells of the others when it registers a client", async () => {
  await using server = startServer();
  server.alternates.set([C, B]);
  using alice = await RawClient.connect(server.port);

  const answer = await alice.ask("REGISTER alice\n\n");

  assertEquals(steady(answer), `${HEAD}${TOLD_B}${TOLD_C}\n`);
});

Deno.test("a server that knows of no others says nothing of them", async () => {
  await using server = startServer();
  await using alone = startTestServer();
  for (const { port } of [server, alone]) {
    using alice = await RawClient.connect(port);

    assertEquals(
      steady(await alice.ask("REGISTER alice\n\n")),
      `${HEAD}\n`,
    );
  }
});

Deno.test("a change is told to all, whole, and an empty list too", async () => {
  await using server = startServer();
  const { alternates, clock, port } = server;
  using alice = await RawClient.enter(port, "alice");
  using bob = await RawClient.enter(port, "bob");

  alternates.set([B]);
  for (const user of [alice, bob]) {
    assertEquals(await user.frame(), `NOTICE set\n${TOLD_B}\n`);
  }
  clock.pass(TELL_EVERY_MS);
  alternates.set([]);
  for (const user of [alice, bob]) {
    assertEquals(await user.frame(), "NOTICE set\n\n");
  }
});

Deno.test("changes that follow each other are told together, after three seconds", async () => {
  await using server = startServer();
  const { alternates, clock, port } = server;
  using alice = await RawClient.enter(port, "alice");

  alternates.set([B]);
  assertEquals(await alice.frame(), `NOTICE set\n${TOLD_B}\n`);
  for (const others of [[], [C], [B], [B, C]]) alternates.set(others);
  clock.pass(TELL_EVERY_MS - 1);
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  clock.pass(1);
  assertEquals(await alice.frame(), `NOTICE set\n${TOLD_B}${TOLD_C}\n`);

  for (const others of [[], [C, B]]) alternates.set(others); // as it was
  clock.pass(10 * TELL_EVERY_MS);
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("a classic client is told nothing of other servers", async () => {
  await using server = startServer();
  server.alternates.set([B]);
  using carol = await RawClient.classic(server.port, "carol");
  using alice = await RawClient.enter(server.port, "alice");

  server.alternates.set([C]);
  server.clock.pass(TELL_EVERY_MS);
  assertMatch(await alice.frame(), /^NOTICE set\n/);
  await alice.say("carol", "hi");

  assertMatch(await carol.in.frame(), /^FORWARD alice\n/);
});

Deno.test("a list has at most eight servers, always the same, and none that clients leave out", async () => {
  await using server = startServer();
  const many = Array.from({ length: 100 }, (_, at) => ({
    hostname: `10.0.1.${at}`,
    ports: { tcp: 9898 },
  }));
  const bad = ["0.0.0.0", "a b", "a\nToken: x", "x".repeat(65_536), ""]
    .map((hostname) => ({ hostname, ports: { tcp: 1 } }));

  server.alternates.set([...bad, ...many]);
  const { texts } = server.alternates;
  server.alternates.set([...many.toReversed(), ...bad]);
  using alice = await RawClient.connect(server.port);
  const answer = await alice.ask("REGISTER alice\n\n");

  assertEquals(server.alternates.texts, texts);
  assertEquals(texts.length, 8);
  assertEquals(
    answer.match(/^Alternate: 10\.0\.1\.\d+ tcp=9898$/gm)?.length,
    8,
  );
  assertEquals(server.alternates.list().length, 8);
});

Deno.test("nobody is told any more once the server has stopped", async () => {
  const server = startServer();
  await server[Symbol.asyncDispose]();

  server.alternates.set([B]);
  server.alternates[Symbol.dispose]();

  assertEquals(server.alternates.texts.length, 1);
});
