/** Codes on the wire: signing up in place of a lost password, and with a class list. */
import { assertEquals, assertMatch } from "@std/assert";
import { Login } from "../../../core/scram.ts";
import {
  logIn,
  request,
  signedUp,
  signUp,
  verifierFor,
} from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import { startTlsServer } from "../../tools/net/tls_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

/** A SIGNUP with a code, as bytes on the wire. */
async function withCode(name: string, code: string, password = "crayon") {
  const verifier = await verifierFor(password);
  return request(`SIGNUP ${name}`, verifier, `Code: ${code}\n`);
}

/** What `reset` prints as the code. */
async function reset({ console }: TestServer, name: string): Promise<string> {
  const answer = await console.run(`reset ${name}`);
  const [, code = ""] = /\n {2}(\S+)$/.exec(answer) ?? [];
  assertMatch(code, /^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$/);
  return code;
}

Deno.test("after reset the password and all tokens are void, and with the code the account goes on", async () => {
  await using server = await startTlsServer();
  const { tlsPort, certificate: { cert } } = server;
  using alice = await RawClient.connectTls(tlsPort, cert);
  const token = headerOf(await alice.ask(await signUp("Alice")), "Token");
  await server.console.run("op alice");
  await alice.next("NOTICE set");

  const code = await reset(server, "alice");

  assertMatch(
    await alice.rest(),
    /^ERROR 117 Removed\nReason: .*"Alice" needs a code of the operator now/,
  );
  using bob = await RawClient.enter(server.port, "bob");
  await bob.say("alice", "meanwhile");
  assertMatch(await bob.frame(), /^SENT Alice\n/);
  for (
    const stranger of [
      `REGISTER alice\nToken: ${token}\n\n`,
      "REGISTER a1ice\n\n",
      request("LOGIN alice", new Login("alice").first),
      await signUp("alice"),
      await signUp("alIce"),
    ]
  ) {
    using thief = await RawClient.connectTls(tlsPort, cert);
    assertMatch(
      await thief.ask(stranger),
      /^ERROR 123 Code required\nFor: .*\nReason: Cannot register as ".*": its owner signs up with a code/,
    );
  }
  using again = await RawClient.connectTls(tlsPort, cert);
  const answer = await again.ask(await withCode("alice", code));
  assertMatch(answer, /^REGISTERED Alice\n[^]*\nRole: moderator\n/);
  assertMatch(await again.frame(), /^FORWARD bob\n[^]*meanwhile$/);
  await server.logged("Alice signed up with a code from <127.0.0.1:");
  again.close();
  await server.logged("Alice disconnected");
  using signedIn = await logIn(server.port, "alice", { password: "crayon" });
  assertMatch(signedIn.answer, /^REGISTERED Alice\n/);
});

Deno.test("a code is good once, in any writing, and only for its name", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  (await signedUp(server.port, "bob")).close();
  const first = await reset(server, "alice");
  const code = await reset(server, "alice");
  const ask = async (frame: string) => {
    using client = await RawClient.connect(server.port);
    return await client.ask(frame);
  };

  assertMatch(await ask(await withCode("alice", first)), /^ERROR 111 /);
  assertMatch(
    await ask(await withCode("bob", code)),
    /^ERROR 113 [^]*the account has a password; sign in\n/,
  );
  assertMatch(
    await ask(await withCode("carol", code)),
    /^ERROR 121 No account\n[^]*no account carol that waits for one/,
  );
  const twice = request("SIGNUP alice", "x", `Code: ${code}\nCode: ${code}\n`);
  assertMatch(await ask(twice), /^ERROR 105 /);
  const typed = ` ${
    code.toUpperCase().replaceAll("-", " ").replaceAll("0", "O")
  }`;
  assertMatch(
    await ask(await withCode("ALICE", typed.replaceAll("1", "l"))),
    /^REGISTERED alice\n/,
  );
  assertMatch(
    await ask(await withCode("alice", code)),
    /^ERROR 113 Account exists\n[^]*the code was used/,
  );
});

Deno.test("of ten clients that use one code at once one wins", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  const code = await reset(server, "alice");
  using closing = new DisposableStack();
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => RawClient.connect(server.port)),
  );
  for (const client of clients) closing.use(client);
  const frame = await withCode("alice", code);

  const answers = await Promise.all(clients.map((one) => one.ask(frame)));

  const kinds = answers.map((one) => one.split(" ", 2).join(" ")).sort();
  assertEquals(kinds.filter((one) => one !== "ERROR 113"), [
    "REGISTERED alice\nServer:",
  ]);
});

Deno.test("wrong codes lock the account as wrong passwords do, and the operator lifts it", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  const code = await reset(server, "alice");
  using client = await RawClient.connect(server.port);
  const tries: string[] = [];

  for (let i = 0; i < 10; i++) {
    const answer = await client.ask(await withCode("alice", "wrong"));
    tries.push(`${answer.slice(6, 9)} ${headerOf(answer, "Attempts-left")}`);
  }

  assertEquals(tries, ["111 2", "111 1", ...Array(8).fill("112 ")]);
  assertMatch(
    await client.ask(await withCode("alice", code)),
    /^ERROR 112 Locked out\n/,
  );
  assertEquals(await server.console.run("unblock alice"), "Unlocked alice");
  assertMatch(
    await client.ask(await withCode("alice", code)),
    /^REGISTERED alice\n/,
  );
});

Deno.test("a class list makes accounts that only their codes open, also after a restart", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const list = `${folder.path}/class.csv`;
  await Deno.writeTextFile(list, "Name;Group\nAda;1\nBert;2\n");
  let codes: Map<string, string>;
  {
    await using server = startTestServer({ db });
    const answer = await server.console.run(`accounts import ${list}`);
    assertMatch(
      answer,
      /^Made 2 accounts\. Their owners sign up with the codes in .*class-codes\.csv, until /,
    );
    codes = await codesIn(`${folder.path}/class-codes.csv`);
  }
  await using server = startTestServer({ db });

  assertEquals([...codes.keys()], ["Ada", "Bert"]);
  using thief = await RawClient.connect(server.port);
  assertMatch(await thief.ask("REGISTER ada\n\n"), /^ERROR 123 /);
  assertMatch(await thief.ask(await signUp("ada")), /^ERROR 123 /);
  assertMatch(
    await thief.ask(await withCode("ada", codes.get("Bert")!)),
    /^ERROR 111 /,
  );
  using bert = await RawClient.connect(server.port);
  assertMatch(
    await bert.ask(await withCode("bert", codes.get("Bert")!)),
    /^REGISTERED Bert\n/,
  );
  assertMatch(
    await server.console.run("accounts"),
    /Ada .*without password, its code is good until .*\n.*Bert .*connected/,
  );
});

Deno.test("a guest whose name gets an account by a class list cannot stay, or come back by a token", async () => {
  await using server = await startTlsServer();
  const { tlsPort, certificate: { cert } } = server;
  using folder = tempFolder();
  const list = `${folder.path}/class`;
  await Deno.writeTextFile(list, "ada\nbert\n");
  using ada = await RawClient.connectTls(tlsPort, cert);
  const token = headerOf(await ada.ask("REGISTER ada\n\n"), "Token");

  const there = await server.console.run(`accounts import ${list}`);
  assertMatch(there, /^Made 1 account\.[^]*line 1: "ada": .* is in use/);
  ada.close();
  await server.logged("ada disconnected");
  await Deno.remove(`${list}-codes.csv`);
  const gone = await server.console.run(`accounts import ${list}`);
  assertMatch(gone, /^Made 1 account\.[^]*line 2: bert has an account$/);

  using again = await RawClient.connectTls(tlsPort, cert);
  assertMatch(
    await again.ask(`REGISTER ada\nToken: ${token}\n\n`),
    /^ERROR 123 Code required\n/,
  );
});

async function codesIn(path: string): Promise<Map<string, string>> {
  const [title, ...rows] = (await Deno.readTextFile(path)).trimEnd()
    .split("\n");
  assertEquals(title, "name,code,good until");
  return new Map(
    rows.map((row) => row.split(",").slice(0, 2) as [string, string]),
  );
}
