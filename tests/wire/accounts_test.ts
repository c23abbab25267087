/** Accounts on the wire: signing up, coming in as the owner, and who else may not. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  begin,
  bodyOf,
  error,
  logIn,
  request,
  signedUp,
  signUp,
  verifierFor,
} from "../tools/account_tools.ts";
import { headerOf, RawClient, sent, steady } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { startTlsServer } from "../tools/net/tls_tools.ts";

/** What follows REGISTERED and the name. */
const WELCOME = "Server: S\nProtocol: parley/1\nMax-body: 65536\nToken: T\n" +
  "Journal: J\nOldest-id: 1\nLast-id: 0\n";

Deno.test("SIGNUP makes an account and lets its owner in", async () => {
  await using server = startTestServer();
  using alice = await RawClient.connect(server.port);

  assertEquals(
    steady(await alice.ask(await signUp("alice"))),
    `REGISTERED alice\n${WELCOME}\n`,
  );
  assertMatch(await alice.ask("WHO ALL\n\n"), /alice 127.*:\d+ account\n$/);
  await server.logged("alice signed up from <127.0.0.1:");
});

Deno.test("SIGNUP makes the name of a guest an account", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "Alice", "#lab");

  assertMatch(await alice.ask("WHO #lab\n\n"), / guest\n$/);
  assertEquals(
    steady(await alice.ask(await signUp("alice"))),
    `REGISTERED Alice\n${WELCOME}\n`,
  );
  assertMatch(await alice.ask("WHO #lab\n\n"), /Alice .* account\n$/);

  using again = await logIn(server.port, "alice");
  assertMatch(again.answer, /^REGISTERED Alice\n/);
  assertMatch(await alice.ask("WHO #lab\n\n"), /Alice .* account\n$/);
});

Deno.test("SIGNUP that is repeated, as its answer was lost, is answered again", async () => {
  await using server = await startTlsServer();
  const { tlsPort, certificate: { cert } } = server;
  const verifier = await signUp("alice");
  let token: string;
  {
    using alice = await RawClient.connectTls(tlsPort, cert);
    token = headerOf(await alice.ask(verifier), "Token");
  }
  using again = await RawClient.connectTls(tlsPort, cert);
  await again.ask(`REGISTER alice\nToken: ${token}\n\n`);

  assertMatch(await again.ask(verifier), /^REGISTERED alice\n/);
  assertMatch(await again.ask(await signUp("alice", "other")), /^ERROR 113 /);
});

Deno.test("LOGIN and PROVE let the owner in, and the server proves itself", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice", "p\u00e4ss w\u00f6rd")).close();
  using alice = await RawClient.connect(server.port);

  const password = "p\u00e4ss w\u00f6rd";
  const { prove, login } = await begin(alice, "alice", { password });
  const answer = await alice.ask(prove);

  assertMatch(steady(answer), /^REGISTERED alice\nServer: S\n/);
  login.check(bodyOf(answer));
  assertMatch(await alice.ask("WHO ALL\n\n"), /alice 127.*:\d+ account\n$/);
});

Deno.test("SIGNUP refuses what has an account, is in use, or is no name", async () => {
  await using server = startTestServer();
  using _alice = await signedUp(server.port, "alice");
  using _bob = await RawClient.enter(server.port, "bob");
  using eve = await RawClient.connect(server.port);

  for (const name of ["alice", "ALICE", "a1ice", "aIice"]) {
    assertEquals(
      await eve.ask(await signUp(name)),
      error(
        "113 Account exists",
        `SIGNUP ${name}`,
        `Cannot sign up as "${name}": this name (or a similar one) has an account; sign in, or choose another name`,
      ),
    );
  }
  for (const name of ["bob", "B0b", "b0b"]) {
    assertMatch(await eve.ask(await signUp(name)), /^ERROR 104 Name in use\n/);
  }
  for (const name of ["admin", "x".repeat(33), "a-b", "\u00e9"]) {
    assertMatch(await eve.ask(await signUp(name)), /^ERROR 100 Malformed/);
  }
  assertMatch(await eve.ask("SIGNUP\n\n"), /^ERROR 105 /);
  assertMatch(await eve.ask("SIGNUP eve you\n\n"), /^ERROR 105 /);
});

Deno.test("SIGNUP refuses bodies that are no verifier, and keeps nothing of them", async () => {
  await using server = startTestServer();
  using eve = await RawClient.connect(server.port);
  const good = await verifierFor("pencil");

  for (
    const body of [
      "",
      "pencil",
      good.replace("$4096:", "$1:"),
      good.replace("$4096:", "$1000001:"),
      good.replace("$4096:", `$${"9".repeat(300)}:`),
      good.replace("SHA-256", "SHA-1"),
      good.slice(0, -10),
    ]
  ) {
    const answer = await eve.ask(request("SIGNUP eve", body));
    assertMatch(
      answer,
      /^ERROR 105 Unknown command\nFor: SIGNUP eve\nReason: /,
    );
  }
  assertMatch(await eve.ask("SIGNUP eve\n\n"), /^ERROR 105 /);
  await eve.send("SIGNUP eve\nContent-length: 2\n\n", new Uint8Array([255, 0]));
  assertMatch(await eve.frame(), /^ERROR 107 Not UTF-8\n/);
  assertMatch(
    await eve.ask(request("SIGNUP eve", "x".repeat(4_097))),
    /^ERROR 106 Too large\n/,
  );
  assertMatch(await eve.ask("REGISTER eve\n\n"), /^REGISTERED eve\n/);
});

Deno.test("SIGNUP is for one's own name, and once", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  assertEquals(
    await alice.ask(await signUp("bob")),
    error(
      "105 Unknown command",
      "SIGNUP bob",
      'Cannot sign up as "bob": you are alice',
    ),
  );
  assertMatch(await alice.ask(await signUp("alice")), /^REGISTERED alice\n/);
  assertMatch(
    await alice.ask(await signUp("alice", "other")),
    /^ERROR 113 Account exists\n/,
  );
  alice.close();
  using again = await logIn(server.port, "alice");
  assertMatch(again.answer, /^REGISTERED /, "the first password holds");
});

Deno.test("two who sign up under one name at once cannot both have it", async () => {
  await using server = startTestServer();
  using one = await RawClient.connect(server.port);
  using other = await RawClient.connect(server.port);
  const asking = await signUp("alice");

  const answers = await Promise.all([one.ask(asking), other.ask(asking)]);

  assertMatch(
    answers.map((answer) => answer.split("\n")[0]).sort().join(),
    /^ERROR (104 Name in use|113 Account exists),REGISTERED alice$/,
  );
});

Deno.test("a guest cannot have the name of an account, or one that looks like it", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "Alice")).close();
  using eve = await RawClient.connect(server.port);

  for (const name of ["Alice", "alice", "A1ice", "AIice"]) {
    assertEquals(
      await eve.ask(`REGISTER ${name}\n\n`),
      error(
        "110 Login required",
        `REGISTER ${name}`,
        `Cannot register as "${name}": this name (or a similar one) has an account; sign in`,
        `Account: Alice\nSuggestion: ${name}2\n`,
      ),
    );
  }
  assertEquals(
    await eve.ask("REGISTER TOSEND alice\n\n"),
    "ERROR 100 Malformed username\n\n",
  );
  assertMatch(await eve.ask("REGISTER eve\n\n"), /^REGISTERED eve\n/);
});

Deno.test("--require-login lets in accounts only", async () => {
  await using server = startTestServer({ requireLogin: true });
  using eve = await RawClient.connect(server.port);

  assertEquals(
    await eve.ask("REGISTER eve\n\n"),
    error(
      "110 Login required",
      "REGISTER eve",
      'Cannot register as "eve": guests are not allowed; sign in or sign up',
    ),
  );
  assertMatch(await eve.ask("REGISTER a-b\n\n"), /^ERROR 100 /);
  assertEquals(
    await eve.ask("REGISTER TORECV eve\n\n"),
    "ERROR 110 Login required\n\n",
  );
  const answer = await eve.ask(await signUp("eve"));
  assertMatch(answer, /^REGISTERED eve\n/);
});

Deno.test("the token of an account's visit is enough over TLS, where nobody else heard it", async () => {
  await using server = await startTlsServer({ requireLogin: true });
  const { port, tlsPort, certificate: { cert } } = server;
  using eve = await RawClient.connectTls(tlsPort, cert);
  const token = headerOf(await eve.ask(await signUp("eve")), "Token");

  using plain = await RawClient.connect(port);
  const refused = await plain.ask(`REGISTER eve\nToken: ${token}\n\n`);
  using again = await RawClient.connectTls(tlsPort, cert);
  const taken = await again.ask(`REGISTER eve\nToken: ${token}\n\n`);
  using proved = await logIn(port, "eve", { headers: `Token: ${token}\n` });

  assertMatch(refused, /^ERROR 110 [^]*\nAccount: eve\n/);
  assertMatch(taken, /^REGISTERED eve\n/);
  assertEquals(headerOf(taken, "Token"), token);
  assertEquals(headerOf(proved.answer, "Token"), token);
});

Deno.test("a challenge that was left unanswered hinders nobody", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  using eve = await RawClient.connect(server.port);
  await begin(eve, "alice");

  assertMatch(await eve.ask("REGISTER eve\n\n"), /^REGISTERED eve\n/);
  assertMatch(
    await eve.ask(request("PROVE alice", "c=biws,r=x,p=x")),
    /^ERROR 105 Unknown command\nFor: PROVE alice\nReason: Cannot sign in: you are eve already; send LOGOUT, and connect again\n/,
  );
});

Deno.test("a LOGIN leaves an older one of the account connected", async () => {
  await using server = startTestServer();
  using older = await signedUp(server.port, "alice");
  await older.ask("JOIN #lab\n\n");
  using bob = await RawClient.enter(server.port, "bob", "#lab");

  using newer = await logIn(server.port, "ALICE");

  assertMatch(newer.answer, /^REGISTERED alice\n/);
  await bob.say("alice", "both?");
  for (const one of [older, newer.client]) await one.next("FORWARD bob");
});

Deno.test("a guest who lost the name to an account cannot come back by token", async () => {
  await using server = startTestServer();
  using guest = await RawClient.connect(server.port);
  const token = headerOf(await guest.ask("REGISTER alice\n\n"), "Token");
  guest.close();
  await server.logged("alice disconnected");
  (await signedUp(server.port, "alice")).close();

  using again = await RawClient.connect(server.port);

  assertMatch(
    await again.ask(`REGISTER alice\nToken: ${token}\n\n`),
    /^ERROR 110 Login required\n/,
  );
});

Deno.test("a token for a look-alike does not open an account", async () => {
  await using server = startTestServer();
  using guest = await RawClient.connect(server.port);
  const token = headerOf(await guest.ask("REGISTER a1ice\n\n"), "Token");
  guest.close();
  await server.logged("a1ice disconnected");
  (await signedUp(server.port, "alice")).close();

  using again = await RawClient.connect(server.port);

  for (const name of ["a1ice", "alice"]) {
    assertMatch(
      await again.ask(`REGISTER ${name}\nToken: ${token}\n\n`),
      /^ERROR 110 Login required\n/,
    );
  }
});

Deno.test("the token of somebody else is none", async () => {
  await using server = startTestServer();
  using bob = await RawClient.connect(server.port);
  const token = headerOf(await bob.ask(await signUp("bob")), "Token");
  (await signedUp(server.port, "alice")).close();
  using eve = await RawClient.connect(server.port);

  assertMatch(
    await eve.ask(`REGISTER alice\nToken: ${token}\n\n`),
    /^ERROR 110 Login required\n/,
  );
  assertMatch(
    await eve.ask(`REGISTER bob\nToken: ${"0".repeat(32)}\n\n`),
    /^ERROR 110 Login required\n/,
  );
});

Deno.test("an account's Key means the same at every login", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#lab");
  await alice.say("#lab", "once", "Key: k1\n");
  assertEquals(steady(await alice.next("SENT")), sent("#lab", 1, 0));
  assertMatch(await alice.ask(await signUp("alice")), /^REGISTERED /);
  await alice.say("#lab", "twice", "Key: k2\n");
  assertEquals(steady(await alice.next("SENT")), sent("#lab", 2, 0));
  using other = await RawClient.enter(server.port, "other", "#lab");

  using again = await logIn(server.port, "alice");
  await again.client.send("JOIN #lab\n\n");
  await again.client.next("JOINED");
  await again.client.say("#lab", "another body", "Key: k1\n");
  assertEquals(steady(await again.client.next("SENT")), sent("#lab", 1, 0));
  await again.client.say("#lab", "twice", "Key: k2\n");
  assertEquals(steady(await again.client.next("SENT")), sent("#lab", 2, 0));
  await other.say("#lab", "mine", "Key: k1\n");
  assertEquals(steady(await other.next("SENT")), sent("#lab", 3, 1));
});
