/**
 * The end of a session: after LOGOUT or a ban its resume token is
 * worth nothing, and what comes for an account meanwhile is stored as before.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { logIn, signUp } from "../../tools/account_tools.ts";
import {
  forward,
  headerOf,
  RawClient,
  steady,
} from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { startTlsServer } from "../../tools/net/tls_tools.ts";
import { Process } from "../../tools/server_process.ts";
import { tempFolder } from "../../tools/temp.ts";

/** Registers, and gives the token too. */
async function enter(port: number, name: string, headers = "") {
  const client = await RawClient.connect(port);
  const answer = await client.ask(`REGISTER ${name}\n${headers}\n`);
  return { client, answer, token: headerOf(answer, "Token") };
}

/** Registers with a token and After; gives the frames up to a PONG. */
async function resume(port: number, name: string, token: string) {
  const { client, answer, token: next } = await enter(
    port,
    name,
    `Token: ${token}\nAfter: 0\n`,
  );
  using _client = client;
  assertMatch(answer, /^REGISTERED /);
  await client.send("PING\n\n");
  const missed: string[] = [];
  for (;;) {
    const frame = await client.frame();
    if (frame.startsWith("PONG")) return { token: next, missed };
    missed.push(steady(frame));
  }
}

Deno.test("after LOGOUT the token gives a new session, and nothing that was missed", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const { client, token } = await enter(server.port, "alice");
  using alice = client;
  await alice.ask("JOIN #r\n\n");
  await bob.next("NOTICE joined");
  await bob.say("alice", "private");
  await alice.next("FORWARD");

  await alice.send("LOGOUT\n\n");
  assertEquals(await alice.rest(), "BYE\n\n");
  await bob.next("NOTICE offline");
  await bob.say("#r", "later");
  await bob.next("SENT #r");
  const again = await resume(server.port, "alice", token);

  assertNotEquals(again.token, token);
  assertEquals(again.missed, []);
});

Deno.test("after a lost connection the token gives what was missed, as before", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const { client, token } = await enter(server.port, "alice");
  await bob.say("alice", "private");
  await client.next("FORWARD");
  client.close();
  await server.logged("alice disconnected");

  const again = await resume(server.port, "alice", token);

  assertEquals(again.token, token);
  assertEquals(again.missed, [forward("bob", "alice", 1, "private")]);
});

Deno.test("over TLS an account cannot register with the token of a session that logged out", async () => {
  await using server = await startTlsServer();
  const connect = () =>
    RawClient.connectTls(server.tlsPort, server.certificate.cert);
  using alice = await connect();
  const token = headerOf(await alice.ask(await signUp("alice")), "Token");
  using second = await connect();
  const taken = await second.ask(`REGISTER alice\nToken: ${token}\n\n`);
  assertMatch(taken, /^REGISTERED alice\n/); // it is good until LOGOUT
  await second.send("LOGOUT\n\n");
  assertEquals(await second.rest(), "BYE\n\n");

  using thief = await connect();
  const answer = await thief.ask(`REGISTER alice\nToken: ${token}\n\n`);

  assertMatch(answer, /^ERROR 110 Login required\n/);
});

Deno.test("the token of an account that was ever sent without TLS is no proof over TLS", async () => {
  await using server = await startTlsServer();
  const connect = () =>
    RawClient.connectTls(server.tlsPort, server.certificate.cert);
  using alice = await RawClient.connect(server.port);
  const recorded = headerOf(await alice.ask(await signUp("alice")), "Token");
  using bob = await connect();
  const secret = headerOf(await bob.ask(await signUp("bob")), "Token");
  const headers = `Token: ${secret}\n`;
  using again = await logIn(server.port, "bob", { headers }); // without TLS
  assertEquals(headerOf(again.answer, "Token"), secret);

  for (const [name, token] of [["alice", recorded], ["bob", secret]]) {
    using thief = await connect();
    const answer = await thief.ask(`REGISTER ${name}\nToken: ${token}\n\n`);
    assertMatch(answer, /^ERROR 110 Login required\n/);
  }
});

Deno.test("what comes for an account after LOGOUT is stored until its owner signs in", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  using alice = await RawClient.connect(server.port);
  const token = headerOf(await alice.ask(await signUp("alice")), "Token");
  await bob.say("alice", "before");
  await alice.next("FORWARD");
  await alice.send("LOGOUT\n\n");
  await alice.rest();
  await bob.say("alice", "after");
  await bob.next("SENT alice\nId: 2");

  using again = await logIn(server.port, "alice", {
    headers: `Token: ${token}\n`,
  });
  const missed = await again.client.frame();

  assertNotEquals(headerOf(again.answer, "Token"), token);
  assertEquals(steady(missed), forward("bob", "alice", 2, "after"));
});

Deno.test("LOGOUT of a connection whose session another has taken does not end it", async () => {
  await using server = startTestServer();
  const { client: first, token } = await enter(server.port, "alice");
  using _first = first;

  const taking = enter(server.port, "alice", `Token: ${token}\n`);
  const { client: second, answer } = await taking;
  using _second = second;
  await first.send("LOGOUT\n\n").catch(() => {}); // it is closed already
  assertMatch(await first.rest(), /^ERROR 117 Removed\n/);
  second.close();
  await server.onlyConnected(0);
  const again = await resume(server.port, "alice", token);

  assertEquals(headerOf(answer, "Token"), token);
  assertEquals(again.token, token);
});

Deno.test("LOGOUT after a flood ends the session, and all of the flood is answered", async () => {
  await using server = startTestServer();
  const { client, token } = await enter(server.port, "alice");
  using alice = client;
  const send = "SEND ALL\nContent-length: 1\n\nx";

  await alice.send(send.repeat(1_000) + "JOIN #r\n\nLOGOUT\n\nJOIN #late\n\n");
  const rest = await alice.rest();
  const again = await resume(server.port, "alice", token);

  assertEquals(rest.match(/^SENT /gm)?.length, 1_000);
  assert(rest.endsWith("BYE\n\n"));
  assertNotEquals(again.token, token);
});

Deno.test("LOGOUT is stored before BYE: after SIGKILL the token is worth nothing", async () => {
  using folder = tempFolder();
  const args = ["--host", "127.0.0.1", "--db", `${folder.path}/chat.db`];
  const tokens = { alice: "", bob: "" };
  {
    await using server = new Process([...args, "--port", "0"]);
    const port = await server.port();
    const alice = await enter(port, "alice");
    const bob = await enter(port, "bob");
    using _bob = bob.client;
    using client = alice.client;
    Object.assign(tokens, { alice: alice.token, bob: bob.token });
    await client.ask("JOIN #r\n\n"); // the end of the connection must not store it
    await client.send("LOGOUT\n\n");
    assertEquals(await client.frame(), "BYE\n\n");
    await server.stop("SIGKILL");
  }
  await using server = new Process([...args, "--port", "0"]);
  const port = await server.port();

  const alice = await resume(port, "alice", tokens.alice);
  const bob = await resume(port, "bob", tokens.bob);

  assertNotEquals(alice.token, tokens.alice);
  assertEquals(bob.token, tokens.bob); // it did not log out
});

for (
  const [target, why] of [
    ["alice", "of the name"],
    ["a1ice", "of a name that looks like it"],
    ["127.0.0.1", "of its address"],
  ]
) {
  Deno.test(`a ban ${why} ends a session that could be resumed`, async () => {
    await using server = startTestServer();
    const { client, token } = await enter(server.port, "alice");
    client.close();
    await server.logged("alice disconnected");

    await server.console.run(`ban ${target} 10m`);
    assertMatch(await server.console.run(`unban ${target}`), /^Removed/);
    const again = await resume(server.port, "alice", token);

    assertNotEquals(again.token, token);
  });
}

Deno.test("a ban of an address ends its sessions from before a restart", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  let token = "";
  {
    await using server = startTestServer({ db });
    const alice = await enter(server.port, "alice");
    token = alice.token;
    alice.client.close();
    await server.logged("alice disconnected");
  }
  await using server = startTestServer({ db });

  await server.console.run("ban 127.0.0.1 10m");
  await server.console.run("unban 127.0.0.1");
  const again = await resume(server.port, "alice", token);

  assertNotEquals(again.token, token);
});

Deno.test("a ban of another name ends no session", async () => {
  await using server = startTestServer();
  const { client, token } = await enter(server.port, "alice");
  client.close();
  await server.logged("alice disconnected");

  await server.console.run("ban bob 10m");
  await server.console.run("ban 127.0.0.2 10m");
  const again = await resume(server.port, "alice", token);

  assertEquals(again.token, token);
});

Deno.test("a ban ends the session of a user who is connected", async () => {
  await using server = startTestServer();
  const { client, token } = await enter(server.port, "alice");
  using alice = client;

  await server.console.run("ban alice 10m");
  assertMatch(await alice.rest(), /^ERROR 117 Removed\n/);
  await server.console.run("unban alice");
  const again = await resume(server.port, "alice", token);

  assertNotEquals(again.token, token);
});

Deno.test("a user who is kicked may go on with the same session", async () => {
  await using server = startTestServer();
  const { client, token } = await enter(server.port, "alice");
  using alice = client;

  await server.console.run("kick alice");
  assertMatch(await alice.rest(), /^ERROR 117 Removed\n/);
  const again = await resume(server.port, "alice", token);

  assertEquals(again.token, token);
});
