/** LOGIN and PROVE on the wire: wrong passwords, locks, and messages out of turn. */
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import {
  begin,
  bodyOf,
  error,
  logIn,
  request,
  signedUp,
} from "../tools/account_tools.ts";
import {
  headerOf,
  RawClient,
  startTestServer,
} from "../tools/net/raw_client.ts";

Deno.test("an unknown account is challenged, and fails as a wrong password does", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  const told = async (name: string) => {
    const answers: string[] = [];
    for (const _try of [1, 2, 3]) {
      using login = await logIn(server.port, name, { password: "wrong" });
      answers.push(login.answer.replaceAll(name, "NAME"));
    }
    using client = await RawClient.connect(server.port);
    const line = request(`LOGIN ${name}`, `n,,n=${name},r=${"x".repeat(20)}`);
    answers.push((await client.ask(line)).replaceAll(name, "NAME"));
    return answers.map((answer) => answer.replace(/\d{3}\n\n$/, "N\n\n"));
  };

  assertEquals(await told("nobody"), await told("alice"));
});

Deno.test("an unknown account is challenged with the same salt every time", async () => {
  await using server = startTestServer();
  const challenged = async (name: string) => {
    using client = await RawClient.connect(server.port);
    const first = `n,,n=${name},r=${"x".repeat(20)}`;
    const body = bodyOf(await client.ask(request(`LOGIN ${name}`, first)));
    return body.replace(/^r=[^,]+/, "");
  };

  assertEquals(await challenged("nobody"), await challenged("Nobody"));
  assertNotEquals(await challenged("nobody"), await challenged("somebody"));
  assertMatch(await challenged("nobody"), /^,s=[^,]{22}==,i=600000$/);
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
  assertEquals([wrong.length, locked.length], [2, 18]);
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
    refused("PROVE alice", "Cannot sign in: you are alice"),
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
    error("105 Unknown command", "LOGIN bob", "Cannot sign in: you are alice"),
  );
  using eve = await RawClient.connect(server.port);
  for (const body of ["", "alice", first("bob"), `p=x${first("eve")}`]) {
    assertMatch(
      await eve.ask(request("LOGIN eve", body)),
      /^ERROR 105 Unknown command\nFor: LOGIN eve\nReason: Cannot /,
    );
  }
  assertMatch(
    await eve.ask(request("LOGIN admin", first("admin"))),
    /^ERROR 100 Malformed username\n/,
  );
});
