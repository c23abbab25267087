/** The name of a guest who may come back is kept from other addresses. */
import { assertEquals, assertMatch } from "@std/assert";
import { RESUME_WINDOW_MS } from "../../../server/accounts/resume_tokens.ts";
import { signUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";
import { TestClock } from "../../tools/test_clock.ts";

const FOE = "127.0.0.66";

/** A guest whose connection is lost; gives the token. */
async function lose(
  server: ReturnType<typeof startTestServer>,
  name: string,
): Promise<string> {
  using client = await RawClient.connect(server.port);
  const answer = await client.ask(`REGISTER ${name}\n\n`);
  client.close();
  await server.logged(`${name} disconnected`);
  return headerOf(answer, "Token");
}

/** What a request is answered that comes first from `from`. */
async function ask(port: number, from: string, request: string) {
  using client = await RawClient.connect(port, from);
  return await client.ask(request);
}

Deno.test("the name of a guest whose connection is lost is kept from other addresses", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ clock });
  const { port } = server;
  const token = await lose(server, "alice");

  const guest = await ask(port, FOE, "REGISTER Alice\n\n");
  const account = await ask(port, FOE, await signUp("alice"));
  const classic = await ask(port, FOE, "REGISTER TOSEND alice\n\n");
  const own = await ask(port, FOE, `REGISTER alice\nToken: ${token}\n\n`);

  const kept =
    /^ERROR 104 Name in use\n[^]*it is free in 301 seconds[^]*\nSuggestion: alice2\nRetry-after: 301\n/i;
  assertMatch(guest, kept);
  assertMatch(account, kept);
  assertMatch(classic, /^ERROR 100 /);
  assertMatch(own, /^REGISTERED alice\n/);
});

Deno.test("the name is free for others when the time to resume is over", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ clock });
  await lose(server, "alice");

  clock.pass(RESUME_WINDOW_MS - 1);
  const before = await ask(server.port, FOE, "REGISTER alice\n\n");
  clock.pass(1);
  const after = await ask(server.port, FOE, "REGISTER alice\n\n");

  assertMatch(before, /^ERROR 104 /);
  assertMatch(after, /^REGISTERED alice\n/);
});

Deno.test("the name is free at once after LOGOUT, and for clients of its address", async () => {
  await using server = startTestServer();
  const { port } = server;
  await lose(server, "alice");
  const same = await ask(port, "127.0.0.1", "REGISTER alice\n\n");
  await server.logged("alice disconnected");
  {
    using bob = await RawClient.enter(port, "bob");
    await bob.send("LOGOUT\n\n");
    assertEquals(await bob.rest(), "BYE\n\n");
  }
  await server.logged("bob disconnected");
  const other = await ask(port, FOE, "REGISTER bob\n\n");

  assertMatch(same, /^REGISTERED alice\n/);
  assertMatch(other, /^REGISTERED bob\n/);
});

Deno.test("after a restart no other address takes the names of those who come back", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const names = ["alice", "bob", "carol"];
  const tokens: string[] = [];
  {
    await using server = startTestServer({ db });
    for (const name of names) tokens.push(await lose(server, name));
  }
  await using server = startTestServer({ db });

  for (const [i, name] of names.entries()) {
    const taken = await ask(server.port, FOE, `REGISTER ${name}\n\n`);
    const token = `Token: ${tokens[i]}\n`;
    const back = await ask(
      server.port,
      "127.0.0.1",
      `REGISTER ${name}\n${token}\n`,
    );

    assertMatch(taken, /^ERROR 104 /);
    assertEquals(headerOf(back, "Token"), tokens[i]);
  }
});
