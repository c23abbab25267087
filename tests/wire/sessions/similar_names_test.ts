/**
 * New names that a reader could take for that of another user, or for staff: on
 * every way in, and which of them are not new.
 */
import { assertEquals, assertMatch } from "@std/assert";
import {
  error,
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

/** All ways to come in under a new name, and the error for one that is similar. */
const WAYS: readonly [
  verb: string,
  frame: (name: string) => string | Promise<string>,
  refused: RegExp,
][] = [
  ["REGISTER", (name) => `REGISTER ${name}\n\n`, /^ERROR 104 /],
  ["SIGNUP", (name) => signUp(name), /^ERROR 104 /],
  ["TOSEND", (name) => `REGISTER TOSEND ${name}\n\n`, /^ERROR 100 /],
  ["TORECV", (name) => `REGISTER TORECV ${name}\n\n`, /^ERROR 100 /],
];

/** A similar name of any of these keeps a new user from it. */
const OWNERS: readonly [
  who: string,
  enter: (port: number, name: string) => Promise<Disposable>,
][] = [
  ["a guest", (port, name) => RawClient.enter(port, name)],
  ["a two-socket user", (port, name) => RawClient.classic(port, name)],
  ["an account that is away", async (port, name) => {
    const client = await signedUp(port, name);
    client.close();
    return client;
  }],
];

const SIMILAR: readonly [name: string, ...others: string[]][] = [
  ["ALICE", "ALlCE", "AL1CE", "al1ce"],
  ["mary", "rnary"],
  ["Swan", "5wan", "Svvan"],
  ["dean", "clean", "c1ean"],
];

for (const [who, enter] of OWNERS) {
  for (const [verb, frame, refused] of WAYS) {
    Deno.test(`${verb} gets no name that looks like that of ${who}`, async () => {
      await using server = startTestServer();

      for (const [name, ...others] of SIMILAR) {
        using _owner = await enter(server.port, name);
        for (const other of others) {
          using client = await RawClient.connect(server.port);
          assertMatch(await client.ask(await frame(other)), refused, other);
        }
      }
    });
  }
}

Deno.test("the refusal of a similar name says why, and suggests one that is free", async () => {
  await using server = startTestServer();
  using _alice = await RawClient.enter(server.port, "alice");
  using _other = await RawClient.enter(server.port, "aliceZ");
  using client = await RawClient.connect(server.port);

  assertEquals(
    await client.ask("REGISTER al1ce\n\n"),
    error(
      "104 Name in use",
      "REGISTER al1ce",
      'Cannot use the name "al1ce": it looks like "alice", the name of another user',
      "Suggestion: al1ce3\n",
    ),
  );
  assertMatch(await client.ask("REGISTER al1ce3\n\n"), /^REGISTERED al1ce3\n/);
});

Deno.test("a similar name is free when its user has gone", async () => {
  await using server = startTestServer();
  {
    using _dean = await RawClient.enter(server.port, "dean");
  }
  await server.logged("dean disconnected");

  using clean = await RawClient.enter(server.port, "clean");

  assertMatch(await clean.ask("WHO ALL\n\n"), /\n\nclean [^\n]+\n$/);
});

Deno.test("of two similar names that are signed up at once, one gets an account", async () => {
  await using server = startTestServer();
  using dean = await RawClient.connect(server.port);
  using clean = await RawClient.connect(server.port);

  const answers = await Promise.all([
    dean.ask(await signUp("dean")),
    clean.ask(await signUp("clean")),
  ]);

  assertEquals(
    answers.map((answer) => answer.split("\n")[0]!.slice(0, 10)).sort(),
    ["ERROR 104 ", "REGISTERED"],
  );
});

/** An account that is older than the rule. */
async function oldAccount(server: TestServer, name: string): Promise<void> {
  await (await server.context.accounts.load()).create({
    name,
    since: 0,
    keyScope: name,
    network: "127.0.0.1",
    verifier: await verifierFor("pencil"),
  });
}

Deno.test("two accounts with similar names sign in, and each gets its own messages", async () => {
  await using server = startTestServer();
  for (const name of ["dean", "clean"]) await oldAccount(server, name);
  using dean = await logIn(server.port, "dean");
  using clean = await logIn(server.port, "clean");

  await clean.client.say("dean", "for dean");
  await dean.client.say("clean", "for clean");

  assertMatch(await dean.client.next("FORWARD"), /\n\nfor dean$/);
  assertMatch(await clean.client.next("FORWARD"), /\n\nfor clean$/);
});

Deno.test("a token takes a name back beside a similar one; then it gets no account", async () => {
  await using server = startTestServer();
  const first = await RawClient.connect(server.port);
  const token = headerOf(await first.ask("REGISTER clean\n\n"), "Token");
  first.close();
  await server.logged("clean disconnected");
  using _dean = await signedUp(server.port, "dean");
  using clean = await RawClient.connect(server.port);
  using other = await RawClient.connect(server.port);

  assertMatch(await other.ask("REGISTER clean\nToken: x\n\n"), /^ERROR 104 /);
  assertMatch(
    await clean.ask(`REGISTER clean\nToken: ${token}\n\n`),
    /^REGISTERED clean\n/,
  );
  assertMatch(await clean.ask(await signUp("clean")), /^ERROR 113 /);
});

const STAFF = [
  "operator",
  "M0derator",
  "r00t",
  "H0ST",
  "1nstructor",
  "t3acher2",
]
  .concat("ADM1N", "Syst3m", "5erver", "Par1ey", "y0u");

for (const [verb, frame] of WAYS) {
  Deno.test(`${verb} gets no name that means staff or the server`, async () => {
    await using server = startTestServer();

    for (const name of STAFF) {
      using client = await RawClient.connect(server.port);
      assertMatch(
        await client.ask(await frame(name)),
        /^ERROR 100 Malformed username\n/,
        name,
      );
    }
  });
}

Deno.test("the refusal of a reserved name suggests another one", async () => {
  await using server = startTestServer();
  using _user2 = await RawClient.enter(server.port, "user2");
  using client = await RawClient.connect(server.port);

  assertEquals(
    await client.ask("REGISTER t3acher\n\n"),
    error(
      "100 Malformed username",
      "REGISTER t3acher",
      'Cannot use the name "t3acher": names like "teacher" are reserved; choose another name',
      "Suggestion: user3\n",
    ),
  );
  assertMatch(await client.ask("REGISTER user3\n\n"), /^REGISTERED user3\n/);
});

Deno.test("an account that is called teacher keeps its name, for its owner alone", async () => {
  await using server = startTestServer();
  await oldAccount(server, "Teacher");
  using other = await RawClient.connect(server.port);
  const first = `n,,n=t3acher,r=${"x".repeat(20)}`;

  assertMatch(await other.ask("REGISTER teacher\n\n"), /^ERROR 110 /);
  assertMatch(await other.ask(request("LOGIN t3acher", first)), /^ERROR 100 /);
  using teacher = await logIn(server.port, "teacher");
  assertMatch(teacher.answer, /^REGISTERED Teacher\n/);
});
