import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  Connection,
  type PendingRequest,
} from "../../../core/net/connection.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import { EXIT } from "../../../client/view/failure.ts";
import { ChatError, MAX_HEAD_BYTES } from "../../../protocol.ts";
import { exitCodeOf, FakeServer } from "../../tools/client_tools.ts";

/** A connection to a fake server, and that server's end of it. */
async function connected() {
  using server = new FakeServer();
  const peer = server.accept();
  const stream = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.port,
  });
  const connection = new Connection(stream);
  const end = await peer;
  return {
    connection,
    peer: end,
    [Symbol.dispose]() {
      connection.close();
      end[Symbol.dispose]();
    },
  };
}

/** A request that outlives its connection. */
function lasting(verb: "SEND" | "JOIN"): PendingRequest {
  return { verb, args: ["#x"], body: new Uint8Array(), lasting: true };
}

/** What comes, each as its first line and whether it belongs to a request. */
async function eventsOf(
  connection: Connection,
  seen: string[] = [],
): Promise<string[]> {
  for await (const batch of connection.batches()) {
    for (const { frame, request } of batch) {
      seen.push(
        [frame.verb, ...frame.args, request ? `<${request.verb}>` : ""].join(
          " ",
        ).trim(),
      );
    }
  }
  return seen;
}

Deno.test("Connection gives answers to their requests in order, with anything between", async () => {
  using ends = await connected();
  const { connection, peer } = ends;
  const reading = eventsOf(connection);

  const joined = connection.request("JOIN", ["#lab"]);
  const refused = assertRejects(
    () => connection.request("SEND", ["bob"], {}, "hi"),
    ChatError,
  );
  const history = connection.request("HISTORY", ["#lab"]);
  const left = connection.request("LOGOUT");
  await peer.say(
    "NOTICE joined\nUser: bob\n\nJOINED #lab\nMembers: 2\n\n" +
      "FORWARD bob\nTo: #lab\nContent-length: 2\n\nhi" +
      "ERROR 102 Unable to send\nFor: SEND bob\nReason: gone\n\nNEWER thing\n\n" +
      "FORWARD bob\nTo: #LAB\nContent-length: 2\n\nhi" +
      "FORWARD bob\nTo: #other\nContent-length: 2\n\nhi" +
      "HISTORY #lab\nCount: 1\n\nBYE\n\n",
  );

  assertEquals((await joined).args, ["#lab"]);
  assertEquals((await history).messages.map(({ args }) => args), [["bob"]]);
  assertEquals((await left).verb, "BYE");
  const error = await refused;
  assertEquals([error.code, error.message], [102, "gone"]);
  assertEquals(await reading, [
    "NOTICE joined",
    "JOINED #lab <JOIN>",
    "FORWARD bob",
    "ERROR 102 Unable to send <SEND>",
    "FORWARD bob",
    "HISTORY #lab <HISTORY>",
    "BYE <LOGOUT>",
  ]);
});

Deno.test("Connection answers PING and shows nobody", async () => {
  using ends = await connected();
  const { connection, peer } = ends;
  const reading = eventsOf(connection);

  await peer.say("PING\n\n");

  assertEquals(await peer.request(), "PONG");
  connection.close();
  assertEquals(await reading, []);
});

const ENDS: readonly [why: string, said: string, code: number, text: string][] =
  [
    [
      "an answer nobody asked for",
      "JOINED #x\n\n",
      EXIT.protocol,
      "without a request",
    ],
    [
      "another answer than was asked for",
      "LEFT #x\n\n",
      EXIT.protocol,
      "without a request",
    ],
    [
      "another protocol",
      "HTTP/1.1 400 Bad Request\nA: b\n\n",
      EXIT.protocol,
      "HTTP/1.1",
    ],
    [
      "a greeting of another protocol",
      "220 mail ESMTP\r\n\r\n",
      EXIT.protocol,
      "220",
    ],
    [
      "a head without end",
      "X".repeat(MAX_HEAD_BYTES + 1),
      EXIT.protocol,
      "4096",
    ],
    ["a broken head", "FORWARD x\n\n", EXIT.protocol, "Content-length"],
    [
      "an absurd length",
      "FORWARD x\nContent-length: 99999999\n\n",
      EXIT.protocol,
      "Content-length",
    ],
    ["a silent end", "", EXIT.protocol, "without an answer"],
    ["an end", "NOTICE x\n\n", EXIT.failed, "Connection lost"],
    ["half a frame", "NOTICE x\n\nNOTI", EXIT.failed, "Connection lost"],
    [
      "115",
      "ERROR 115 Too slow\nReason: r\n\n",
      EXIT.removed,
      "ERROR 115 Too slow: r",
    ],
    ["116", "ERROR 116 Idle\n\n", EXIT.removed, "ERROR 116 Idle"],
    ["117", "ERROR 117 Removed\n\n", EXIT.removed, "ERROR 117 Removed"],
  ];

for (const [why, said, code, text] of ENDS) {
  Deno.test(`Connection ends with exit code ${code} after ${why}`, async () => {
    using ends = await connected();
    const { connection, peer } = ends;
    const waiting = assertRejects(
      () => connection.request("PING"),
      ConnectionError,
    );
    connection.send(lasting("SEND"));
    connection.send(lasting("JOIN"));

    await peer.request();
    await peer.say(said);
    peer[Symbol.dispose]();
    const failure = await assertRejects(
      () => eventsOf(connection),
      ConnectionError,
    );

    assertEquals(exitCodeOf(failure), code);
    assertStringIncludes(failure.message, text);
    assertEquals((await waiting).message, failure.message);
    assertEquals(connection.unanswered.map(({ verb }) => verb), [
      "SEND",
      "JOIN",
    ]);
  });
}

for (const error of ["108 Slow down", "114 Server full"]) {
  Deno.test(`Connection says ${error} before a request as what it is`, async () => {
    using ends = await connected();
    const { connection, peer } = ends;

    await peer.say(`ERROR ${error}\nReason: 10 are here\n\n`);
    const failure = await assertRejects(
      () => eventsOf(connection),
      ConnectionError,
    );

    assertEquals(exitCodeOf(failure), EXIT.refused);
    assert(failure.passing);
  });
}

Deno.test("Connection finds the same frames in single bytes", async () => {
  using ends = await connected();
  const { connection, peer } = ends;
  const reading = eventsOf(connection);

  const left = connection.request("LOGOUT");
  for (const byte of "FORWARD bob\nTo: x\nContent-length: 3\n\na\n\nBYE\n\n") {
    await peer.say(byte);
  }

  assertEquals(await reading, ["FORWARD bob", "BYE <LOGOUT>"]);
  await left;
});
