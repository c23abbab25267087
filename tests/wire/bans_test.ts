/** A banned user cannot connect, whichever way. */
import { assertEquals, assertMatch } from "@std/assert";
import { request, verifierFor } from "../tools/account_tools.ts";
import { bytes, RawClient } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { tempFolder } from "../tools/temp.ts";

/** A server that was told so in an earlier life. */
async function serverWithBan(target: string) {
  const folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  {
    await using before = startTestServer({ db });
    await before.ready;
    await before.console.run(`ban ${target} spam`);
  }
  const server = startTestServer({ db });
  return {
    port: server.port,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

const REFUSED: readonly [how: string, asked: () => Promise<string> | string][] =
  [
    ["REGISTER", () => "REGISTER mallory\n\n"],
    ["REGISTER of a look-alike", () => "REGISTER ma11ory\n\n"],
    [
      "LOGIN",
      () => request("LOGIN mallory", "n,,n=mallory,r=0123456789abcdef"),
    ],
    [
      "SIGNUP",
      async () => request("SIGNUP mallory", await verifierFor("pencil")),
    ],
  ];

for (const [how, asked] of REFUSED) {
  Deno.test(`${how} with a name that is banned is refused with the reason`, async () => {
    await using server = await serverWithBan("mallory");
    using mallory = await RawClient.connect(server.port);
    const frame = await asked();

    await mallory.send(frame);

    assertEquals(
      await mallory.rest(),
      `ERROR 117 Removed\nFor: ${frame.split("\n")[0]}\n` +
        'Reason: Cannot use this server: the name "mallory" is banned (spam)\n\n',
    );
  });
}

Deno.test("a classic client is refused a name that is banned, and others are not", async () => {
  await using server = await serverWithBan("mallory");
  using mallory = await RawClient.connect(server.port);

  await mallory.send("REGISTER TOSEND Mallory\n\n");

  assertEquals(await mallory.rest(), "ERROR 117 Removed\n\n");
  using alice = await RawClient.classic(server.port, "alice");
  assertMatch(await alice.out.ask("SEND bob\nContent-length: 0\n\n"), /102/);
});

Deno.test("a client from a banned address is told why at once", async () => {
  await using server = await serverWithBan("127.0.0.1");
  using eager = await RawClient.connect(server.port);
  using silent = await RawClient.connect(server.port);
  const refusal = "ERROR 117 Removed\n" +
    "Reason: Cannot use this server: the address 127.0.0.1 is banned (spam)\n\n";

  await eager.send("REGISTER alice\n\n", bytes("x".repeat(100_000)));

  assertEquals(await silent.rest(), refusal);
  assertEquals(await eager.rest(), refusal);
});

Deno.test("a ban of another address concerns nobody here", async () => {
  await using server = await serverWithBan("127.0.0.2");

  using alice = await RawClient.enter(server.port, "alice");

  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});
