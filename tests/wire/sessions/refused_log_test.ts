/** The log tells which user the server has refused, and why. */
import { assertEquals } from "@std/assert";
import { logIn, request, signedUp } from "../../tools/account_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";

import { TestClock } from "../../tools/test_clock.ts";

const LOGIN = request("LOGIN alice", "n,,n=alice,r=0123456789abcdef");

/** What an operator has to know of a request, and what came before it. */
const REFUSED: readonly [
  before: (server: TestServer) => Promise<unknown>,
  asked: string,
  logged: string,
][] = [
  [
    ({ port }) => RawClient.enter(port, "alice"),
    "REGISTER alice\n\n",
    'connection closed (Cannot use the name "alice": this name (or a similar one) is in use)',
  ],
  [
    ({ port }) => signedUp(port, "alice"),
    "REGISTER a1ice\n\n",
    'connection closed (Cannot register as "a1ice": this name (or a similar one) has an account; sign in)',
  ],
  [
    ({ console }) => Promise.resolve(console.run("ban alice")),
    "REGISTER alice\n\n",
    'removed (Cannot use this server: the name "alice" is banned)',
  ],
  [
    async ({ port }) => {
      const alice = await signedUp(port, "alice");
      for (const _try of [1, 2, 3]) {
        using _login = await logIn(port, "alice", { password: "wrong" });
      }
      return alice;
    },
    LOGIN,
    'connection closed (Cannot sign in as "alice" from your address: 3 wrong passwords in a row; try again in 15 minutes, or ask the operator to unlock the account)',
  ],
  [
    ({ port }) => signedUp(port, "bob"),
    LOGIN,
    "connection closed (Cannot sign in: alice has no account)",
  ],
  [
    () => Promise.resolve(),
    "REGISTER \u{e9}\n\n",
    "connection closed",
  ],
  [
    () => Promise.resolve(),
    "PING\n\n",
    "connection closed",
  ],
];

for (const [before, asked, logged] of REFUSED) {
  const [line = ""] = asked.split("\n");
  Deno.test(`the log says of ${line}: ${logged}`, async () => {
    // On a slow machine the other could be silent so long as if it was dead.
    await using server = startTestServer({ clock: new TestClock() });
    const other = await before(server);
    using client = await RawClient.connect(server.port);

    await client.ask(asked);
    client.close();

    const from = `<${client.address}> disconnected`;
    assertEquals(await server.logged(from), `${from}: ${logged}`);
    if (other instanceof RawClient) other.close();
  });
}

Deno.test("the log says nothing of a refusal before the user is accepted", async () => {
  await using server = startTestServer();
  using _alice = await RawClient.enter(server.port, "alice");
  using client = await RawClient.connect(server.port);

  await client.ask("REGISTER alice\n\n");
  await client.ask("REGISTER bob\n\n");
  client.close();

  const from = `<${client.address}> bob disconnected`;
  assertEquals(await server.logged(from), `${from}: connection closed`);
});
