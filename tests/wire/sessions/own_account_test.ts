/** What owners do with their accounts on the wire: PASSWORD and UNREGISTER. */
import { assertEquals, assertMatch } from "@std/assert";
import { deriveKeys, Login, parseChallenge } from "../../../core/scram.ts";
import {
  begin,
  bodyOf,
  logIn,
  request,
  signedUp,
  signUp,
  verifierFor,
} from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { startTlsServer } from "../../tools/net/tls_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

/** A proof of the own password over the open session, and what checks the answer. */
async function proofOf(client: RawClient, name: string, password = "pencil") {
  const login = new Login(name);
  const answer = await client.ask(request(`LOGIN ${name}`, login.first));
  assertMatch(answer, new RegExp(`^CHALLENGE ${name}\n`));
  const challenge = bodyOf(answer);
  const { salt, iterations } = parseChallenge(challenge);
  const keys = await deriveKeys(password, salt, iterations);
  return { proof: await login.prove(challenge, keys), login };
}

/** A PASSWORD, as bytes on the wire. */
async function change(
  client: RawClient,
  name: string,
  { from = "pencil", to = "crayon" } = {},
) {
  const { proof, login } = await proofOf(client, name, from);
  const body = `${proof}\n${await verifierFor(to)}`;
  return { frame: request(`PASSWORD ${name}`, body), login };
}

Deno.test("PASSWORD changes the password, ends all other tokens, and goes on with a new one", async () => {
  await using server = await startTlsServer();
  const { tlsPort, certificate: { cert } } = server;
  using alice = await RawClient.connectTls(tlsPort, cert);
  const old = headerOf(await alice.ask(await signUp("alice")), "Token");
  await alice.ask("JOIN #lab\n\n");

  const { frame, login } = await change(alice, "alice");
  const answer = await alice.ask(frame);

  assertMatch(answer, /^REGISTERED alice\n/);
  login.check(bodyOf(answer));
  const token = headerOf(answer, "Token");
  assertEquals(token === old, false);
  assertMatch(await alice.ask("WHO #lab\n\n"), /^WHO #lab\n[^]*\nalice /);
  await server.logged("alice changed the password from <127.0.0.1:");
  using thief = await RawClient.connectTls(tlsPort, cert);
  assertMatch(
    await thief.ask(`REGISTER alice\nToken: ${old}\n\n`),
    /^ERROR 110 /,
  );
  {
    using wrong = await logIn(server.port, "alice", { password: "pencil" });
    assertMatch(wrong.answer, /^ERROR 111 Wrong password\n/);
  }
  alice.close();
  await server.logged("alice disconnected");
  using again = await RawClient.connectTls(tlsPort, cert);
  assertMatch(
    await again.ask(`REGISTER alice\nToken: ${token}\nAfter: 0\n\n`),
    /^REGISTERED alice\n/,
  );
  again.close();
  using signedIn = await logIn(server.port, "alice", { password: "crayon" });
  assertMatch(signedIn.answer, /^REGISTERED alice\n/);
});

Deno.test("PASSWORD and UNREGISTER need the proof of the own password, of this LOGIN, once", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  (await signedUp(server.port, "carol")).close();
  const verifier = await verifierFor("crayon");

  for (const verb of ["PASSWORD", "UNREGISTER"]) {
    assertMatch(
      await alice.ask(request(`${verb} alice`, `x\n${verifier}`)),
      /^ERROR 105 /,
    );
    assertMatch(await bob.ask(request(`${verb} bob`, "x")), /^ERROR 105 /);
    assertMatch(await alice.ask(`${verb}\n\n`), /^ERROR 105 /);
    assertMatch(await alice.ask(`${verb} a b\n\n`), /^ERROR 105 /);
  }
  for (const name of ["carol", "bob", "nobody"]) {
    const { first } = new Login(name);
    const asked = request(`LOGIN ${name}`, first);
    assertMatch(
      await alice.ask(asked),
      /^ERROR 105 [^]*you are alice already;/,
    );
    assertMatch(await bob.ask(asked), /^ERROR 105 [^]*you are bob already;/);
  }
  const { proof } = await proofOf(alice, "alice");
  for (const body of [proof, `${proof}\n`, `${proof}\nno verifier`]) {
    assertMatch(
      await alice.ask(request("PASSWORD alice", body)),
      /^ERROR 105 /,
      "it does not use the challenge up",
    );
  }
  assertMatch(
    await alice.ask(request("PASSWORD carol", `${proof}\n${verifier}`)),
    /^ERROR 105 [^]*the LOGIN was of alice/,
  );
  assertMatch(
    await alice.ask(request("PASSWORD alice", `${proof}\n${verifier}`)),
    /^ERROR 105 [^]*before LOGIN/,
  );
  using still = await logIn(server.port, "alice");
  assertMatch(still.answer, /^REGISTERED alice\n/);
});

Deno.test("three wrong passwords for PASSWORD lock the session, and then the address", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  const tries: string[] = [];

  for (let i = 0; i < 6; i++) {
    const { frame } = await change(alice, "alice", { from: "wrong" });
    const answer = await alice.ask(frame);
    tries.push(answer.slice(0, 9), headerOf(answer, "Attempts-left"));
  }

  const wrong = ["ERROR 111", "2", "ERROR 111", "1", "ERROR 112", ""];
  assertEquals(tries, [...wrong, ...wrong]);
  const asked = request("LOGIN alice", new Login("alice").first);
  assertMatch(await alice.ask(asked), /^ERROR 112 Locked out\n/);
  assertMatch(await alice.ask("WHO ALL\n\n"), /alice .* account\n$/);
});

Deno.test("of ten connections that change the password at once one wins", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  const { frame } = await change(alice, "alice", { to: "mine" });
  const others = await Promise.all(
    Array.from({ length: 9 }, () => RawClient.connect(server.port)),
  );
  using _closing = new DisposableStack();
  for (const one of others) _closing.use(one);
  const proofs = await Promise.all(others.map((one) => begin(one, "alice")));

  await alice.send(frame);
  await Promise.all(others.map((one, i) => one.send(proofs[i]!.prove)));
  const [own, ...answers] = await Promise.all([
    alice.next(""),
    ...others.map((one) => one.next("")),
  ]);

  if (own.startsWith("REGISTERED")) {
    for (const answer of answers) {
      assertMatch(answer, /^(REGISTERED|ERROR 11[17]) /);
    }
    using signedIn = await logIn(server.port, "alice", { password: "mine" });
    assertMatch(signedIn.answer, /^REGISTERED alice\n/);
  } else assertMatch(own, /^ERROR 117 /); // one of the others took the name before
  for (const one of others) {
    assertMatch(await one.rest(), /^$|ERROR 117 |FORWARD/);
  }
});

Deno.test("a PROVE whose challenge is older than the password is refused, and counts as no attempt", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using thief = await RawClient.connect(server.port);
  const { frame } = await change(alice, "alice");
  await begin(thief, "alice");

  assertMatch(await alice.ask(frame), /^REGISTERED alice\n/);

  assertMatch(await thief.rest(), /^ERROR 117 [^]*password of "alice" was/);
});

for (const db of ["file", "memory"]) {
  Deno.test(`UNREGISTER deletes the account; what it said in rooms stays (${db})`, async () => {
    using folder = tempFolder();
    await using server = startTestServer(
      db === "file" ? { db: `${folder.path}/chat.db` } : {},
    );
    using alice = await signedUp(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob", "#lab");
    await alice.ask("JOIN #lab\n\n");
    await bob.next("NOTICE joined");
    await alice.say("#lab", "I was here");
    await alice.next("SENT");
    await bob.next("FORWARD");
    const { proof, login } = await proofOf(alice, "alice");

    const answer = await alice.ask(request("UNREGISTER alice", proof));

    assertMatch(answer, /^BYE\n/);
    login.check(bodyOf(answer));
    assertEquals(await alice.rest(), "");
    assertMatch(await bob.frame(), /^NOTICE offline\n/);
    assertEquals(await server.console.run("accounts"), "No accounts");
    await bob.say("alice", "for the old owner");
    assertMatch(await bob.frame(), /^ERROR 102 /);
    using guest = await RawClient.connect(server.port);
    assertMatch(await guest.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
    assertMatch(
      await guest.ask("HISTORY #lab\n\n"),
      /^FORWARD alice\n[^]*I was here$/,
    );
  });
}

Deno.test("another password holds after a restart, and the old tokens do not", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  let [old, token] = ["", ""];
  {
    await using server = startTestServer({ db });
    using alice = await RawClient.connect(server.port);
    old = headerOf(await alice.ask(await signUp("alice")), "Token");
    const { frame } = await change(alice, "alice");
    token = headerOf(await alice.ask(frame), "Token");
  }
  await using server = startTestServer({ db });
  using signedIn = await logIn(server.port, "alice", {
    ...{ password: "crayon", headers: `Token: ${old}\nAfter: 0\n` },
  });
  assertEquals(headerOf(signedIn.answer, "Token") === old, false);
  signedIn.client.close();
  await server.logged("alice disconnected");
  using wrong = await logIn(server.port, "alice", { password: "pencil" });
  assertMatch(wrong.answer, /^ERROR 111 /);
  assertEquals(token === "", false);
});

Deno.test("after UNREGISTER the name is free at once, and the token is worth nothing", async () => {
  await using server = startTestServer();
  using alice = await RawClient.connect(server.port);
  const token = headerOf(await alice.ask(await signUp("alice")), "Token");
  await alice.ask("JOIN #lab\n\n");
  const { proof } = await proofOf(alice, "alice");
  assertMatch(await alice.ask(request("UNREGISTER alice", proof)), /^BYE\n/);
  assertEquals(await alice.rest(), "");
  {
    using again = await RawClient.connect(server.port);
    const asked = `REGISTER alice\nToken: ${token}\nAfter: 0\n\n`;
    const answer = await again.ask(asked);
    assertEquals(headerOf(answer, "Token") === token, false);
    await again.ask("LOGOUT\n\n");
  }
  await server.logged("alice disconnected: logged out");
  using other = await RawClient.connect(server.port, "127.0.0.2");
  assertMatch(await other.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
});
