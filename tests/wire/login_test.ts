/** LOGIN and PROVE on the wire: wrong passwords, locks, and messages out of turn. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  begin,
  error,
  logIn,
  request,
  signedUp,
} from "../tools/account_tools.ts";
import { headerOf, RawClient } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";

Deno.test("LOGIN of a name without an account gets 121, however often, and locks nothing", async () => {
  await using server = startTestServer();
  const first = (name: string) => `n,,n=${name},r=${"x".repeat(20)}`;
  const refused = error(
    "121 No account",
    "LOGIN alice",
    "Cannot sign in: alice has no account",
  );
  using eve = await RawClient.connect(server.port);
  for (const body of ["", ...Array(4).fill(first("alice"))]) {
    assertEquals(await eve.ask(request("LOGIN alice", body)), refused);
  }
  (await signedUp(server.port, "alice")).close();

  using alice = await logIn(server.port, "a1ice", { password: "wrong" });
  assertEquals(headerOf(alice.answer, "Attempts-left"), "2");
  assertMatch(await eve.ask("REGISTER eve\n\n"), /^REGISTERED eve\n/);
});

Deno.test("the third wrong password in a row locks the account for that address", async () => {
  await using server = startTestServer({ lockoutMs: 900_000 });
  (await signedUp(server.port, "alice")).close();
  const attempt = async (password: string) => {
    using login = await logIn(server.port, "alice", { password });
    return login.answer;
  };

  for (const left of [2, 1]) {
    assertEquals(
      await attempt("wrong"),
      error(
        "111 Wrong password",
        "PROVE alice",
        'Cannot sign in as "alice": wrong password',
        `Attempts-left: ${left}\n`,
      ),
    );
  }
  const locked =
    'Cannot sign in as "alice" from your address: 3 wrong passwords in a row; try again in 15 minutes, or ask the operator to unlock the account';
  assertEquals(
    (await attempt("wrong")).replace(/after: (8[5-9]\d|900)$/m, "after: S"),
    error("112 Locked out", "PROVE alice", locked, "Retry-after: S\n"),
  );
  using client = await RawClient.connect(server.port);
  const first = `n,,n=alice,r=${"x".repeat(20)}`;
  const answer = await client.ask(request("LOGIN alice", first));
  assertMatch(answer, /^ERROR 112 Locked out\nFor: LOGIN alice\n/);
  await server.logged("alice: wrong password from <127.0.0.1:");
  await server.logged("alice: temporarily locked at <127.0.0.1:");
});

Deno.test("a lock holds also for logins that were begun before it, and for the right password", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  using early = await RawClient.connect(server.port);
  const { prove } = await begin(early, "alice");
  for (const _try of [1, 2, 3]) {
    using _login = await logIn(server.port, "alice", { password: "wrong" });
  }

  assertMatch(await early.ask(prove), /^ERROR 112 Locked out\n/);
});

Deno.test("many who guess at once get no more guesses than one", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  const guesses = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const client = await RawClient.connect(server.port);
      const password = `guess ${index}`;
      return { client, ...await begin(client, "alice", { password }) };
    }),
  );

  const answers = await Promise.all(
    guesses.map(({ client, prove }) => client.ask(prove)),
  );
  for (const { client } of guesses) client.close();

  const wrong = answers.filter((answer) => answer.startsWith("ERROR 111"));
  const locked = answers.filter((answer) => answer.startsWith("ERROR 112"));
  // A server of several answers when all is stored: then it may be the third guess.
  assert(wrong.length <= 2, `${wrong.length} were answered 111`);
  assertEquals(wrong.length + locked.length, answers.length);
});

Deno.test("the right password ends the row of wrong ones", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  for (const password of ["wrong", "wrong", "pencil", "wrong"]) {
    using _login = await logIn(server.port, "alice", { password });
  }

  using last = await logIn(server.port, "alice", { password: "wrong" });

  assertEquals(headerOf(last.answer, "Attempts-left"), "1");
});

Deno.test("locks, and counts, survive a restart of the server", async () => {
  const folder = await Deno.makeTempDir();
  const db = `${folder}/parley.db`;
  try {
    {
      await using server = startTestServer({ db, lockoutMs: Infinity });
      for (const name of ["alice", "bob"]) {
        (await signedUp(server.port, name)).close();
      }
      for (const name of ["alice", "alice", "alice", "bob", "bob"]) {
        using _login = await logIn(server.port, name, { password: "wrong" });
      }
    }
    await using server = startTestServer({ db, lockoutMs: Infinity });
    using client = await RawClient.connect(server.port);
    const first = `n,,n=alice,r=${"x".repeat(20)}`;

    assertEquals(
      await client.ask(request("LOGIN alice", first)),
      error(
        "112 Locked out",
        "LOGIN alice",
        'Cannot sign in as "alice" from your address: 3 wrong passwords in a row; only the operator can unlock the account',
      ),
    );
    using bob = await logIn(server.port, "bob", { password: "wrong" });
    assertMatch(bob.answer, /^ERROR 112 Locked out\n/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("PROVE is for the LOGIN before it, and for that once", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  using eve = await RawClient.connect(server.port);
  const refused = (line: string, reason: string) =>
    error("105 Unknown command", line, reason);

  assertEquals(
    await eve.ask(request("PROVE alice", "c=biws,r=x,p=x")),
    refused("PROVE alice", "Cannot prove anything before LOGIN"),
  );
  const wrong = await begin(eve, "alice", { password: "wrong" });
  assertMatch(await eve.ask(wrong.prove), /^ERROR 111 /);
  assertEquals(
    await eve.ask(wrong.prove),
    refused("PROVE alice", "Cannot prove anything before LOGIN"),
  );
  const right = await begin(eve, "alice");
  assertEquals(
    await eve.ask(right.prove.replace("PROVE alice", "PROVE bob")),
    refused("PROVE bob", "Cannot prove: the LOGIN was of alice"),
  );
  await begin(eve, "alice");
  assertEquals(
    await eve.ask(right.prove),
    refused(
      "PROVE alice",
      "Cannot sign in: the proof answers another challenge",
    ),
  );
  using alice = await RawClient.connect(server.port);
  const recorded = await begin(alice, "alice");
  assertMatch(await alice.ask(recorded.prove), /^REGISTERED alice\n/);
  assertEquals(
    await alice.ask(recorded.prove),
    refused(
      "PROVE alice",
      "Cannot sign in: you are alice already; send LOGOUT, and connect again",
    ),
  );
  await begin(eve, "alice");
  assertEquals(
    await eve.ask(recorded.prove),
    refused(
      "PROVE alice",
      "Cannot sign in: the proof answers another challenge",
    ),
  );
});

Deno.test("LOGIN is for somebody who is nobody yet, and one at a time", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  using bob = await RawClient.connect(server.port);
  const first = (name: string) => `n,,n=${name},r=${"x".repeat(20)}`;
  const { prove } = await begin(bob, "alice");

  assertEquals(
    await bob.ask(request("LOGIN alice", first("alice"))),
    error(
      "105 Unknown command",
      "LOGIN alice",
      "Cannot sign in: the LOGIN of alice waits for its PROVE",
    ),
  );
  assertMatch(await bob.ask(prove), /^REGISTERED alice\n/);
  assertEquals(
    await bob.ask(request("LOGIN bob", first("bob"))),
    error(
      "105 Unknown command",
      "LOGIN bob",
      "Cannot sign in: you are alice already; send LOGOUT, and connect again",
    ),
  );
  using eve = await RawClient.connect(server.port);
  for (const body of ["", "alice", first("bob"), `p=x${first("alice")}`]) {
    assertMatch(
      await eve.ask(request("LOGIN alice", body)),
      /^ERROR 105 Unknown command\nFor: LOGIN alice\nReason: Cannot /,
    );
  }
  assertMatch(
    await eve.ask(request("LOGIN admin", first("admin"))),
    /^ERROR 100 Malformed username\n/,
  );
});

/** A server on which alice has an account that is locked for this address. */
async function lockedServer() {
  const server = startTestServer({ lockoutMs: 900_000 });
  const alice = await signedUp(server.port, "alice");
  const token = await tokenOf(alice, server.port);
  await guess(server.port, 3);
  return { server, token };
}

/** The token of a new session of alice. */
async function tokenOf(client: RawClient, port: number): Promise<string> {
  client.close();
  using again = await logIn(port, "alice");
  return headerOf(again.answer, "Token");
}

/** Signs in with a wrong password. @returns The codes. */
async function guess(port: number, times: number, headers = "") {
  const codes: string[] = [];
  for (let i = 0; i < times; i++) {
    using wrong = await RawClient.connect(port);
    const options = { password: "wrong", headers };
    const { prove } = await begin(wrong, "alice", options);
    codes.push((await wrong.ask(prove)).slice(6, 9));
  }
  return codes;
}

const FIRST = `n,,n=alice,r=${"x".repeat(20)}`;

for (const name of ["alice", "a1ice"]) {
  Deno.test(`a client that asks for ${name} is told at REGISTER that the account is locked`, async () => {
    const { server } = await lockedServer();
    await using _server = server;
    using client = await RawClient.connect(server.port);

    const answer = await client.ask(`REGISTER ${name}\n\n`);

    assertMatch(answer, /^ERROR 112 Locked out\nFor: REGISTER \w+\n/);
    assertMatch(answer, /in 15 minutes[^]*\nRetry-after: \d+\n/);
    assertEquals(headerOf(answer, "Suggestion"), `${name}2`);
    assertMatch(await client.ask("REGISTER bob\n\n"), /^REGISTERED bob\n/);
  });
}

Deno.test("a lock that strangers caused does not hold for the token of the owner's session", async () => {
  const { server, token } = await lockedServer();
  await using _server = server;
  using client = await RawClient.connect(server.port);
  const headers = `Token: ${token}\n`;

  const refused = await client.ask(`REGISTER alice\n${headers}\n`);
  assertMatch(refused, /^ERROR 110 Login required\n/);
  const { prove } = await begin(client, "alice", { headers });
  const answer = await client.ask(prove);

  assertMatch(answer, /^REGISTERED alice\n/);
  assertEquals(headerOf(answer, "Token"), token);
  using other = await RawClient.connect(server.port);
  assertMatch(
    await other.ask(request("LOGIN alice", FIRST)),
    /^ERROR 112 Locked out\n/,
  );
});

Deno.test("with the token of a session three wrong passwords lock the account for that session", async () => {
  const { server, token } = await lockedServer();
  await using _server = server;
  const headers = `Token: ${token}\n`;

  assertEquals(await guess(server.port, 3, headers), ["111", "111", "112"]);

  using client = await RawClient.connect(server.port);
  for (const one of [headers, `Token: ${"0".repeat(32)}\n`]) {
    assertMatch(
      await client.ask(request("LOGIN alice", FIRST, one)),
      /^ERROR 112 Locked out\n/,
    );
  }
});

Deno.test("who has stolen the token cannot lock the owner out", async () => {
  await using server = startTestServer({ lockoutMs: 900_000 });
  const alice = await signedUp(server.port, "alice");
  const headers = `Token: ${await tokenOf(alice, server.port)}\n`;
  assertEquals(await guess(server.port, 3, headers), ["111", "111", "112"]);
  using client = await RawClient.connect(server.port);

  const refused = await client.ask(`REGISTER alice\n${headers}\n`);
  assertMatch(refused, /^ERROR 110 Login required\n/);
  const { prove } = await begin(client, "alice", { headers });

  assertMatch(await client.ask(prove), /^REGISTERED alice\n/);
});

Deno.test("the token of a guest whose name looks like that of the account opens no lock", async () => {
  await using server = startTestServer({ lockoutMs: 900_000 });
  using guest = await RawClient.connect(server.port);
  const token = headerOf(await guest.ask("REGISTER a1ice\n\n"), "Token");
  guest.close();
  await server.logged("a1ice disconnected");
  (await signedUp(server.port, "alice")).close();
  await guess(server.port, 3);
  using client = await RawClient.connect(server.port);

  for (const name of ["alice", "a1ice"]) {
    const first = FIRST.replace("alice", name);
    const answer = await client.ask(
      request(`LOGIN ${name}`, first, `Token: ${token}\n`),
    );
    assertMatch(answer, /^ERROR 112 Locked out\n/);
  }
});
