/**
 * Anything can arrive on a socket. After each of these the server still serves
 * the others, who notice nothing.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { DEFAULT_RATES } from "../../../server/limits/rates.ts";
import { join, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { needsOfWine } from "../../tools/system/skips.ts";

/** A small generator with a seed, so that a failure can be repeated. */
function randomBytes(seed: number, count: number): Uint8Array {
  let state = seed >>> 0 || 1;
  return Uint8Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}

const HTTP = "GET / HTTP/1.1\r\nHost: localhost:9898\r\nAccept: */*\r\n\r\n";
const TLS_HELLO = join(
  new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
  randomBytes(7, 500),
);

/** What somebody does with a connection, registered or not. */
const ATTACKS: readonly [
  what: string,
  attack: (peer: RawClient) => Promise<unknown>,
][] = [
  ["says nothing", () => Promise.resolve()],
  ["closes at once", (peer) => Promise.resolve(peer.close())],
  ["ends its direction at once", (peer) => peer.closeWrite()],
  ["speaks HTTP", (peer) => peer.send(HTTP)],
  ["speaks TLS", (peer) => peer.send(TLS_HELLO)],
  ["sends zeros", (peer) => peer.send(new Uint8Array(100_000))],
  ["sends line feeds", (peer) => peer.send("\n".repeat(1_000_000))],
  ["sends spaces", (peer) => peer.send(" ".repeat(4_000))],
  ["sends half a head", (peer) => peer.send("SEND ALL\nContent-len")],
  [
    "sends half a body",
    (peer) => peer.send("SEND ALL\nContent-length: 9\n\nx"),
  ],
  [
    "lies about a length",
    (peer) => peer.send("SEND ALL\nContent-length: 3\n\nhello\n\nPING\n\n"),
  ],
  ["sends a head that never ends", (peer) => peer.send("A".repeat(1_000_000))],
  [
    "sends headers that never end",
    (peer) => peer.send("PING\n" + "A: b\n".repeat(200_000)),
  ],
  [
    "sends what is no UTF-8",
    (peer) =>
      peer.send(
        join("SEND ALL\nContent-length: 2\n\n", new Uint8Array([0xc3, 0x28])),
      ),
  ],
  ["pipelines nonsense", (peer) => peer.send("FLY\n\n".repeat(20_000))],
  [
    "asks much and reads nothing",
    (peer) =>
      peer.send(
        "WHO ALL\n\nROOMS\n\nHISTORY #r\nLimit: 1000\n\n".repeat(3_000),
      ),
  ],
  ["tries every verb with every word", (peer) =>
    peer.send(
      [
        "REGISTER",
        "JOIN",
        "LEAVE",
        "ROOMS",
        "WHO",
        "HISTORY",
        "PONG",
        "RECEIVED",
        "ERROR",
        "FORWARD\nContent-length: 0",
        "NOTICE",
        "SENT",
      ]
        .flatMap((verb) =>
          [
            "",
            " ",
            " ALL",
            " #",
            " #default",
            " __proto__",
            " TOSEND",
            " TORECV x y",
            " \u{1f600}",
          ]
            .map((words) => verb.replace(/^\w+/, `$&${words}`) + "\n\n")
        ).join(""),
    )],
  ["sends and is reset in the middle of a frame", async (peer) => {
    await peer.send("PING\n\n".repeat(1_000), "SEND ALL\nContent-le");
    peer.close(); // with answers unread: a reset
  }],
];

for (const [what, attack] of ATTACKS) {
  for (const registered of [false, true]) {
    const who = registered ? "a user" : "a stranger";
    Deno.test(`no client notices ${who} who ${what}`, async () => {
      await using server = startTestServer();
      using alice = await RawClient.enter(server.port, "alice", "#r");
      using bob = await RawClient.enter(server.port, "bob", "#r");
      using peer = await RawClient.connect(server.port);
      if (registered) await peer.ask("REGISTER eve\n\n");

      const attacking = attack(peer).catch(() => {});
      await alice.say("bob", "still here?");
      await bob.next("FORWARD alice\nTo: bob\n");
      await bob.say("alice", "yes");

      // An attack may be a message to ALL: then the ids are others.
      const got = await alice.next("FORWARD bob\n");
      assertMatch(got, /^FORWARD bob\nTo: alice\n[^]*\n\nyes$/);
      peer.close();
      await attacking;
      using late = await RawClient.enter(server.port, "late");
      assertEquals(await late.ask("PING\n\n"), "PONG\n\n");
    });
  }
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`no client notices random bytes, seed ${seed}`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");
    using peer = await RawClient.connect(server.port);

    const attacking = (async () => {
      await peer.send("REGISTER eve\n\n", randomBytes(seed, 20_000));
      await peer.rest();
    })().catch(() => {});
    const answer = await alice.ask("PING\n\n");
    peer.close();
    await attacking;

    assertEquals(answer, "PONG\n\n");
    assertMatch(await alice.ask("ROOMS\n\n"), /^ROOMS\n/);
  });
}

const vanish = "many that connect and vanish leave nothing behind";

Deno.test(needsOfWine("fast sockets", { name: vanish, fn: comeAndVanish }));

async function comeAndVanish(): Promise<void> {
  const rates = { ...DEFAULT_RATES, requests: Infinity }; // a whole log
  await using server = startTestServer({ rates });
  using alice = await RawClient.enter(server.port, "alice", "#r");

  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      using peer = await RawClient.connect(server.port);
      await peer.send(`REGISTER u${i}\n\nJOIN #r\n\nSEND #r\nContent-`)
        .catch(() => {});
    }));
  }
  using late = await RawClient.enter(server.port, "late"); // after all of them
  await server.onlyConnected(2);

  const list = `alice ${alice.address} guest\n`;
  assertEquals(
    await late.ask("WHO #r\n\n"),
    `WHO #r\nContent-length: ${list.length}\n\n${list}`,
  );
}

Deno.test("a client that asks for much at once does not keep others from their turn", async () => {
  await using server = startTestServer();
  using greedy = await RawClient.enter(server.port, "greedy");
  using bob = await RawClient.enter(server.port, "bob");

  await greedy.send("HISTORY #default\n\n".repeat(50_000) + "JOIN #done\n\n");
  const pong = await bob.ask("PING\n\n");

  assertEquals(pong, "PONG\n\n");
  assertEquals(server.log.filter((line) => line.includes("[done]")), []);
});
