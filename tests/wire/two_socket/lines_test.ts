/**
 * What a two-socket receiver is sent of a message: lines, each alone, and nothing
 * that could be taken for the frame of another user. The receivers behave like the
 * programs of the course that were seen.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { arrange, turn } from "../../tools/net/fake_peers.ts";
import {
  bytes,
  forward,
  RawClient,
  sent,
  steady,
} from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import {
  CourseReceiver,
  type Kind,
  KINDS,
} from "../../tools/net/two_socket_clients.ts";
import { ResumableSessions } from "../../../server/accounts/resume_tokens.ts";
import { PAUSE_MS } from "../../../server/session/two_socket/users.ts";

const UNABLE = "ERROR 102 Unable to send\n\n";

/** All kinds but the one that no length can please together with the others. */
const SEEN = Object.keys(KINDS).filter((kind) => kind !== "counts bytes");

/** Registers the receiver of a test. */
const enterBob = ({ port }: TestServer, kind: Kind) =>
  CourseReceiver.enter(port, "bob", kind);

const TAKEN: readonly [what: string, body: string, lines: string[]][] = [
  ["\u{e9}", "\u{e9}", ["\u{e9}"]],
  ["one code point of two UTF-16 units", "\u{1f600}!", ["\u{1f600}!"]],
  ["an emoji of five code points", "\u{1f469}\u200d\u{1f469}\u200d\u{1f467}", [
    "\u{1f469}\u200d\u{1f469}\u200d\u{1f467}",
  ]],
  ["two lines", "one\ntwo", ["one", "two"]],
  ["CR LF, blank lines and lines of blanks", "\r\none\r\n \n\n\ttwo\n", [
    "one",
    "\ttwo",
  ]],
  ["a byte order mark", "\ufeffone\ntwo", ["\ufeffone", "two"]],
  ["a lone CR", "one\rtwo", ["one", "two"]],
  ["U+2028, which is no line feed", "one\u2028two", ["one\u2028two"]],
  ["an example of the protocol", "\u{e9}\nSEND bob\nContent-length: 2\n\nhi", [
    ...["\u{e9}", "SEND bob", "Content-length: 2", "hi"],
  ]],
];

for (const kind of SEEN as Kind[]) {
  for (const [what, body, lines] of TAKEN) {
    Deno.test(`a receiver that ${kind} takes ${what}, whoever sends it`, async () => {
      await using server = startTestServer();
      using carol = await RawClient.classic(server.port, "carol");
      using alice = await RawClient.enter(server.port, "alice");
      using receiver = await enterBob(server, kind);
      const expected = (name: string) =>
        lines.map((line) => `${name}: ${line}`);

      await alice.say("bob", body);
      assertEquals(await receiver.take(lines.length), expected("alice"));
      for (const length of [[...body].length, bytes(body).length]) {
        await carol.out.send(`SEND bob\nContent-length: ${length}\n\n${body}`);
        assertEquals(await receiver.take(lines.length), expected("carol"));
        assertEquals(await carol.out.frame(), "SEND bob\n\n");
      }
    });
  }

  Deno.test(`a receiver that ${kind} takes a burst, each message alone`, async () => {
    await using server = startTestServer();
    using receiver = await enterBob(server, kind);
    using alice = await RawClient.enter(server.port, "alice");
    const texts = Array.from({ length: 30 }, (_, i) => `${i} \u{e9}`);

    await alice.send(
      ...texts.map((text) =>
        `SEND bob\nContent-length: ${bytes(text).length}\n\n${text}`
      ),
    );

    const expected = texts.map((text) => `alice: ${text}`);
    assertEquals(await receiver.take(texts.length), expected);
    assertEquals(
      receiver.reads,
      texts.map((text) =>
        `FORWARD alice\nContent-length: ${[...text].length}\n\n${text}`
      ),
    );
  });
}

for (
  const [count, remark] of [
    [99, undefined],
    [100, undefined],
    [101, "[1 more lines]"],
    [150, "[50 more lines]"],
  ] as const
) {
  Deno.test(`of ${count} lines a receiver is sent ${remark ?? "all"}`, async () => {
    await using server = startTestServer();
    using receiver = await enterBob(server, "answers 103 when in doubt");
    using alice = await RawClient.classic(server.port, "alice");
    const lines = Array.from({ length: count }, (_, i) => `line ${i}`);
    const body = lines.join("\n\n");

    await alice.out.send(
      `SEND bob\nContent-length: ${body.length}\n\n${body}`,
      "SEND bob\nContent-length: 4\n\nnext",
    );

    const shown = [...lines.slice(0, 100), remark ?? [], "next"].flat();
    const expected = shown.map((line) => `alice: ${line}`);
    assertEquals(await receiver.take(expected.length), expected);
    const answers = await alice.out.frames(2);
    assertEquals(answers, ["SEND bob\n\n", "SEND bob\n\n"]);
  });
}

for (const body of ["", "\n", " \r\n\t\n\u2028\n", "\n".repeat(65_536)]) {
  const what = JSON.stringify(body.slice(0, 12));
  Deno.test(`a message of ${what}, ${body.length} long, is acknowledged without a FORWARD`, async () => {
    await using server = startTestServer();
    using receiver = await enterBob(server, "answers 103 when in doubt");
    using alice = await RawClient.classic(server.port, "alice");
    const length = bytes(body).length;

    await alice.out.send(`SEND bob\nContent-length: ${length}\n\n${body}`);
    assertEquals(await alice.out.frame(), "SEND bob\n\n");
    await alice.out.send("SEND bob\nContent-length: 4\n\nnext");

    assertEquals(await receiver.next(), "alice: next");
    assertEquals(await alice.out.frame(), "SEND bob\n\n");
  });
}

/** A two-socket user, and a sender of the same protocol, on a test's clock. */
async function pair(resumables = new ResumableSessions()) {
  const { clock, connect, context } = arrange(undefined, resumables);
  const peers = ["bob", "alice"].flatMap((name) =>
    ["TORECV", "TOSEND"].map((role) => {
      const peer = connect();
      peer.wire.say(`REGISTER ${role} ${name}\n\n`);
      return peer;
    })
  );
  for (const { wire } of peers) await wire.heard("\n\n");
  clock.pass(PAUSE_MS);
  const [receiver, , , sender] = peers.map(({ wire }) => wire);
  return {
    ...{ clock, context, receiver: receiver!, sender: sender! },
    async close() {
      for (const { wire } of peers) wire.close();
      await Promise.all(peers.map(({ done }) => done));
    },
  };
}

Deno.test("each line has its own time for its RECEIVED", async () => {
  const { clock, receiver, sender, close } = await pair();
  sender.say("SEND bob\nContent-length: 9\n\na\nb\nc\nd\ne");

  for (const line of "abcde") {
    await receiver.heard(`\n\n${line}`);
    clock.pass(900); // of 1,000
    assert(!sender.got.includes("SEND bob"), "not before the last line");
    receiver.say("RECEIVED alice\n\n");
  }
  await sender.heard("SEND bob\n\n");
  sender.say("SEND bob\nContent-length: 3\n\nf\ng");
  await receiver.heard("\n\nf");
  receiver.say("RECEIVED alice\n\n");
  await receiver.heard("\n\ng");
  clock.pass(1_001);
  await sender.heard(UNABLE);
  await close();
});

Deno.test("one slow receiver holds up the answer to a sender for 15 seconds at most", async () => {
  const { clock, receiver, sender, close } = await pair();
  const lines = Array.from({ length: 20 }, (_, i) => `<${i}>`);
  const body = lines.join("\n");
  sender.say(`SEND bob\nContent-length: ${body.length}\n\n${body}`);

  for (const line of lines.slice(0, 17)) {
    await receiver.heard(`\n\n${line}`);
    clock.pass(900); // of 1,000
    receiver.say("RECEIVED alice\n\n");
  }

  await sender.heard(UNABLE);
  await receiver.heard("\n\n<17>"); // it stays
  await close();
});

for (const to of ["ALL", "#default"]) {
  Deno.test(`a receiver that is late each time holds up few senders to ${to}`, async () => {
    const { clock, receiver, sender, close } = await pair();
    const say = async (text: string) => {
      sender.got = "";
      sender.say(`SEND ${to}\nContent-length: ${text.length}\n\n${text}`);
      await receiver.heard(`\n\n${text}`);
    };
    let waited = 0;
    for (let message = 0; message < 5; message++) {
      await say(`<${message}>`);
      for (let ms = 0; ms < 900; ms += 100) { // of 1,000
        await turn();
        if (sender.got === "") waited += 100;
        clock.pass(100);
      }
      receiver.say("RECEIVED alice\n\n");
      await sender.heard(`SEND ${to}\n\n`);
    }

    assertEquals(waited, 4 * 900, "after 2 s of waiting beyond 250 ms each");
    clock.pass(60_000);
    await say("later");
    await turn();
    assertEquals(sender.got, "", "a minute later it is waited for again");
    await close();
  });
}

Deno.test("a private message to a receiver that is late waits for it each time", async () => {
  const { clock, receiver, sender, close } = await pair();
  for (let message = 0; message < 5; message++) {
    sender.got = "";
    sender.say("SEND bob\nContent-length: 1\n\nx");
    await receiver.heard("\n\nx");
    receiver.got = "";
    clock.pass(900);
    await turn();
    assertEquals(sender.got, "");
    receiver.say("RECEIVED alice\n\n");
    await sender.heard("SEND bob\n\n");
  }
  await close();
});

Deno.test("a receiver that is late is sent what no sender waits for, and a slow one is removed", async () => {
  const { clock, context, receiver, sender, close } = await pair();
  for (let message = 0; message < 6; message++) {
    sender.say("SEND ALL\nContent-length: 1\n\nx");
    await receiver.heard("\n\nx");
    receiver.got = "";
    clock.pass(900);
    receiver.say("RECEIVED alice\n\n");
    await sender.heard("SEND ALL\n\n");
    sender.got = "";
  }
  sender.say("SEND ALL\nContent-length: 1\n\ny");
  await receiver.heard("\n\ny");
  clock.pass(1_001);
  while (context.hub.userNamed("bob")) await turn();
  await close();
});

Deno.test("REGISTERED comes before the first FORWARD, and alone", async () => {
  class Slow extends ResumableSessions {
    readonly forgetting = Promise.withResolvers<void>();
    override async forget(): Promise<void> {
      await this.forgetting.promise;
    }
  }
  const slow = new Slow();
  const { clock, connect, context } = arrange(undefined, slow);
  const [out, receiver, alice] = [connect(), connect(), connect()];
  alice.wire.say("REGISTER alice\n\nJOIN #default\n\n");
  await alice.wire.heard("JOINED");
  out.wire.say("REGISTER TOSEND bob\n\n");
  receiver.wire.say("REGISTER TORECV bob\n\n");
  await turn();
  alice.wire.say("SEND #default\nContent-length: 5\n\nearly");
  await alice.wire.heard("SENT");
  slow.forgetting.resolve();
  await receiver.wire.heard("REGISTERED TORECV bob\n\n");
  alice.wire.say("SEND #default\nContent-length: 5\n\nfirst");
  await alice.wire.heard("Id: 2");
  assertEquals(receiver.wire.got, "REGISTERED TORECV bob\n\n");

  clock.pass(PAUSE_MS);
  await receiver.wire.heard("\n\nfirst");

  assertEquals(
    receiver.wire.got,
    "REGISTERED TORECV bob\n\nFORWARD alice\nContent-length: 5\n\nfirst",
  );
  assert(context.hub.userNamed("bob"));
  for (const { wire } of [out, receiver, alice]) wire.close();
  await Promise.all([out, receiver, alice].map(({ done }) => done));
});

Deno.test("a receiver that answers 103 is removed after the third message in a row", async () => {
  await using server = startTestServer();
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.classic(server.port, "bob");
  const answers = [..."103 103 RECEIVED 103 103 103".split(" ")];

  for (const answer of answers) {
    await alice.out.send("SEND bob\nContent-length: 5\n\na\nb\nc");
    if (answer === "103") {
      assertMatch(await bob.in.frame(), /\n\na$/);
      await bob.in.send("ERROR 103 Header Incomplete\n\n");
      assertEquals(await alice.out.frame(), UNABLE);
      continue;
    }
    for (const line of "abc") {
      assertMatch(await bob.in.frame(), new RegExp(`\n\n${line}$`));
      await bob.in.send("RECEIVED alice\n\n");
    }
    assertEquals(await alice.out.frame(), "SEND bob\n\n");
  }

  assertEquals(await bob.in.rest(), "");
  assertEquals(await bob.out.rest(), "");
  const next = await alice.out.ask("SEND bob\nContent-length: 1\n\nx");
  assertEquals(next, UNABLE);
  using again = await RawClient.connect(server.port);
  assertMatch(await again.ask("REGISTER bob\n\n"), /^REGISTERED bob\n/);
});

Deno.test("a receiver that answers one long message with several 103 has refused one", async () => {
  const { clock, receiver, sender, close } = await pair();
  const message = "SEND bob\nContent-length: 1\n\n";
  sender.say(`${message}x${message}y`);
  await receiver.heard("\n\nx");

  receiver.say("ERROR 103 Header Incomplete\n\n".repeat(5));
  await sender.heard(UNABLE);
  clock.pass(PAUSE_MS);
  await receiver.heard("\n\ny");
  receiver.say("RECEIVED alice\n\n");

  await sender.heard("SEND bob\n\n");
  await close();
});

Deno.test("a receiver that leaves in the middle of a message is a 102 to the sender", async () => {
  await using server = startTestServer();
  using alice = await RawClient.classic(server.port, "alice");
  const receiver = await enterBob(server, "splits at line feeds");

  await alice.out.send("SEND bob\nContent-length: 7\n\na\nb\nc\nd");
  assertEquals(await receiver.take(2), ["alice: a", "alice: b"]);
  receiver[Symbol.dispose]();

  assertEquals(await alice.out.frame(), UNABLE);
});

/** Bodies whose end a receiver that counts bytes takes for another's frame. */
const FORGED: readonly [what: string, body: string][] = [
  [
    "behind a line feed",
    `${"\u{e9}".repeat(60)}\nFORWARD carol\nContent-length: 2\n\nhi`,
  ],
  ["at the end of a line", `${"\u{e9}".repeat(14)}FORWARD carol `],
  [
    "at the end of a line that is not the last",
    `${"\u{e9}".repeat(14)}FORWARD carol \nthe end of it`,
  ],
  [
    "behind half a character",
    `${"\u{1f600}".repeat(3)}ERROR 1\n`,
  ],
  [
    "behind U+2028, at which splitlines() cuts",
    `${
      "\u{e9}".repeat(60)
    }\u2028FORWARD carol\u2028Content-length: 2\u2028\u2028hi`,
  ],
  [
    "in UTF-16 units, which Java and JavaScript count",
    `${"\u{1f600}".repeat(14)}FORWARD carol `,
  ],
  ["behind U+001F", `${"\u{e9}".repeat(15)}\x1fFORWARD\x1fcarol `],
  ["behind U+0000", `${"\u{e9}".repeat(15)}\x00FORWARD carol `],
  ["behind U+200B", `${"\u{e9}".repeat(15)}\u200bFORWARD carol `],
];

for (const [what, body] of FORGED) {
  Deno.test(`a frame of another user ${what} is not sent to a two-socket receiver`, async () => {
    await using server = startTestServer();
    using mallory = await RawClient.classic(server.port, "mallory");
    using receiver = await enterBob(server, "counts bytes");
    using native = await RawClient.enter(server.port, "native", "#default");
    const length = [...body].length;

    await mallory.out.send(
      `SEND #default\nContent-length: ${length}\n\n${body}`,
    );
    assertEquals(await mallory.out.frame(), UNABLE);
    assertEquals(
      steady(await native.next("FORWARD")),
      forward("mallory", "#default", 1, body),
    );
    await native.say("bob", body);
    assertMatch(
      await native.frame(),
      /^ERROR 102 Unable to send\nFor: SEND bob\n/,
    );
    await native.say("#default", body);
    assertMatch(await native.frame(), /\nRecipients: 0\n/);

    await native.say("#default", "good");
    assertEquals(await receiver.next(), "native: good");
    assertEquals(receiver.reads.length, 1);
  });
}

Deno.test("a receiver that counts bytes takes ASCII, and refuses no more than that", async () => {
  await using server = startTestServer();
  using receiver = await enterBob(server, "counts bytes");
  using alice = await RawClient.enter(server.port, "alice");

  for (const body of ["FORWARD carol\nContent-length: 2\n\nhi", "ERROR 1"]) {
    const lines = body.split("\n").filter((line) => line !== "");
    await alice.say("bob", body);
    assertEquals(
      await receiver.take(lines.length),
      lines.map((line) => `alice: ${line}`),
    );
  }
});

Deno.test("64 KiB of line feeds are one queued message", async () => {
  await using server = startTestServer({ acknowledgeWithinMs: 60_000 });
  using receiver = await enterBob(server, "compares whole strings");
  using alice = await RawClient.enter(server.port, "alice");
  await alice.say("bob", "first");
  assertEquals(await alice.frame().then(steady), sent("bob", 1, 1));
  const bodies = 40;

  for (let i = 0; i < bodies; i++) await alice.say("bob", "\n".repeat(65_536));
  await alice.say("bob", "last");
  await alice.frames(bodies + 1);

  assertEquals(await receiver.take(2), ["alice: first", "alice: last"]);
});
