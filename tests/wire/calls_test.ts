/** CALL, ACCEPT and DECLINE on the wire: who is told what, and what is refused. */
import { assertEquals, assertMatch } from "@std/assert";
import { RawClient } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";

const SESSION = "0123456789abcdef".repeat(2);
const KEY = "fedcba9876543210".repeat(4);
const CALL = `Session: ${SESSION}\nAddress: 192.168.1.5:40001\n` +
  `Address: [fd00::2]:40001\nCommit: ${KEY}\nPurpose: chat\n`;

Deno.test("a CALL reaches the one who is named, with the caller's address", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "Bob");

  assertEquals(
    await alice.ask(`CALL bob\n${CALL}X-evil: 1\nFrom: 10.0.0.1:1\n\n`),
    "CALLING Bob\n\n",
  );
  assertEquals(
    await bob.frame(),
    `CALL alice\nSession: ${SESSION}\nFrom: ${alice.address}\n` +
      "Address: 192.168.1.5:40001\nAddress: [fd00::2]:40001\n" +
      `Commit: ${KEY}\nPurpose: chat\n\n`,
  );
});

Deno.test("a CALL for files says what they are called and how large they are", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  const file = CALL.replace("chat", "file") +
    "Name: h\u{f6}rsaal.pdf\nSize: 5000000000\nFiles: 3\n";

  assertEquals(await alice.ask(`CALL bob\n${file}\n`), "CALLING bob\n\n");
  assertMatch(
    await bob.frame(),
    /\nPurpose: file\nName: h\u{f6}rsaal.pdf\nSize: 5000000000\nFiles: 3\n\n$/u,
  );
});

Deno.test("ACCEPT and DECLINE reach the caller", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  const session = `Session: ${SESSION}\n`;

  assertEquals(
    await bob.ask(
      `ACCEPT alice\n${session}Address: 10.0.0.7:40002\nKey: ${KEY}\n\n`,
    ),
    "ACCEPTED alice\n\n",
  );
  assertEquals(
    await alice.frame(),
    `ACCEPT bob\n${session}From: ${bob.address}\n` +
      `Address: 10.0.0.7:40002\nKey: ${KEY}\n\n`,
  );
  assertEquals(
    await bob.ask(`DECLINE alice\n${session}Reason: not now\n\n`),
    "DECLINED alice\n\n",
  );
  assertEquals(
    await alice.frame(),
    `DECLINE bob\n${session}Reason: not now\n\n`,
  );
});

const REFUSED: readonly [why: string, call: string, answer: RegExp][] = [
  ["nobody", `CALL carol\n${CALL}`, /^ERROR 102 .*\nFor: CALL carol\n/],
  ["oneself", `CALL alice\n${CALL}`, /^ERROR 118 Direct refused\n/],
  ["a room", `CALL #default\n${CALL}`, /^ERROR 102 /],
  ["everybody", `CALL ALL\n${CALL}`, /^ERROR 102 /],
  ["two people", `CALL bob carol\n${CALL}`, /^ERROR 105 /],
  ["no session", "CALL bob\n", /^ERROR 105 .*\n.*\n.*Session is missing/],
  [
    "a session of another form",
    `CALL bob\n${CALL.replace("0123", "zzzz")}`,
    /^ERROR 105 .*\n.*\n.*Session is of the wrong form/,
  ],
  [
    "a commitment of another length",
    `CALL bob\n${CALL.replace(KEY, KEY.slice(1))}`,
    /^ERROR 105 .*\n.*\n.*Commit is of the wrong form/,
  ],
  [
    "a host name for an address",
    `CALL bob\n${CALL}Address: example.org:80\n`,
    /^ERROR 105 .*\n.*\n.*Address is no address/,
  ],
  [
    "nine addresses",
    `CALL bob\n${CALL}${"Address: 10.0.0.1:5000\n".repeat(7)}`,
    /^ERROR 105 .*\n.*\n.*over 8 of Address/,
  ],
  [
    "another purpose",
    `CALL bob\n${CALL.replace("chat", "harm")}`,
    /^ERROR 105 .*\n.*\n.*Purpose is of the wrong form/,
  ],
  [
    "a file without a size",
    `CALL bob\n${CALL.replace("chat", "file")}Name: x\n`,
    /^ERROR 105 .*\n.*\n.*Size is missing/,
  ],
];

for (const [why, call, answer] of REFUSED) {
  Deno.test(`a CALL to or with ${why} is refused, and nobody is told`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob");

    assertMatch(await alice.ask(`${call}\n`), answer);
    assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
  });
}

Deno.test("a user of a two-socket client cannot be called, which the caller is told at once", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using _carl = await RawClient.classic(server.port, "carl");

  assertMatch(
    await alice.ask(`CALL carl\n${CALL}\n`),
    /^ERROR 118 Direct refused\n.*\nReason: "carl" has a client without/,
  );
});

Deno.test("a muted user cannot call, but can answer", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  await server.console.run("mute alice");

  assertMatch(await alice.ask(`CALL bob\n${CALL}\n`), /^ERROR 120 Muted\n/);
  assertEquals(
    await alice.ask(`DECLINE bob\nSession: ${SESSION}\n\n`),
    "DECLINED bob\n\n",
  );
  assertEquals(await bob.frame(), `DECLINE alice\nSession: ${SESSION}\n\n`);
});

Deno.test("what a muted user declines has no Reason", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  const decline = `DECLINE bob\nSession: ${SESSION}\nReason: you fool\n\n`;
  await server.console.run("mute alice");

  assertEquals(await alice.ask(decline), "DECLINED bob\n\n");
  const muted = await bob.next("DECLINE");
  await server.console.run("unmute alice");
  assertEquals(await alice.ask(decline), "DECLINED bob\n\n");
  const unmuted = await bob.next("DECLINE");

  const bare = `DECLINE alice\nSession: ${SESSION}\n`;
  assertEquals([muted, unmuted], [
    `${bare}\n`,
    `${bare}Reason: you fool\n\n`,
  ]);
});
