/**
 * Names that could be taken for others, through the wire and in every way in:
 * reserved words however they are written, and look-alikes of somebody.
 */
import { UserNames } from "../../server/chat/names/names.ts";
import { ChatError } from "../../protocol.ts";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { request, signedUp, signUp } from "../tools/account_tools.ts";
import {
  forward,
  headerOf,
  RawClient,
  steady,
} from "../tools/net/raw_client.ts";
import { fullServerTest, startTestServer } from "../tools/net/test_server.ts";

/** Reserved words, and what somebody may take for one. */
const RESERVED = [
  ...["ALL", "all", "All", "aLL", "alL", "a11", "A11", "A1l", "aIl", "aII"],
  ...["TOSEND", "ToSend", "tosend", "T0SEND", "t0send"],
  ...["TORECV", "torecv", "T0recv"],
  ...["SERVER", "server", "System", "SYSTEM", "ADMIN", "Admin", "admin"],
  ...["you", "You", "Y0U"], // clients show it for their own user
];

/** All ways to come in under a name. */
const WAYS: readonly [
  verb: string,
  frame: (name: string) => string | Promise<string>,
][] = [
  ["REGISTER", (name) => `REGISTER ${name}\n\n`],
  ["SIGNUP", (name) => signUp(name)],
  ["LOGIN", (name) => request(`LOGIN ${name}`, `n,,n=${name},r=${NONCE}`)],
  ["REGISTER TOSEND", (name) => `REGISTER TOSEND ${name}\n\n`],
  ["REGISTER TORECV", (name) => `REGISTER TORECV ${name}\n\n`],
];

const NONCE = "0123456789abcdef01234567";

for (const [verb, frame] of WAYS) {
  fullServerTest(
    `${verb} takes no reserved word, however it is written`,
    async () => {
      await using server = startTestServer();

      for (const name of RESERVED) {
        using client = await RawClient.connect(server.port);
        // Two roles are words of the classic way in, which then has no name.
        const answer = await client.ask(await frame(name));
        assertMatch(answer, /^ERROR 100 Malformed username\n/, name);
      }
    },
  );
}

for (const name of ["Ali", "ALI", "AII", "Allan", "serverless1", "toSender"]) {
  Deno.test(`${name} is a name like any other beside ALL`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);

    assertMatch(
      await client.ask(`REGISTER ${name}\n\n`),
      new RegExp(`^REGISTERED ${name}\n`),
    );
  });
}

const LOOK_ALIKES = ["alice", "ALICE", "aLiCe", "a1ice", "A1ICE", "aIice"];

/** The user who has the name, and the refusals of those who ask for it later. */
const OWNERS: readonly [
  who: string,
  enter: (port: number) => Promise<Disposable>,
  refused: Readonly<Record<string, RegExp>>,
][] = [
  ["a guest", (port) => RawClient.enter(port, "alice"), {
    REGISTER: /^ERROR 104 /,
    SIGNUP: /^ERROR 104 /,
    "REGISTER TOSEND": /^ERROR 100 /,
    "REGISTER TORECV": /^ERROR 100 /,
  }],
  ["an account", (port) => signedUp(port, "alice"), {
    REGISTER: /^ERROR 110 [^]*\nAccount: alice\n/,
    SIGNUP: /^ERROR 113 /,
    "REGISTER TOSEND": /^ERROR 100 /,
    "REGISTER TORECV": /^ERROR 100 /,
  }],
  ["a classic user", (port) => RawClient.classic(port, "alice"), {
    REGISTER: /^ERROR 104 /,
    SIGNUP: /^ERROR 104 /,
    "REGISTER TOSEND": /^ERROR 100 /,
    "REGISTER TORECV": /^ERROR 100 /,
  }],
];

for (const [who, enter, refused] of OWNERS) {
  for (const [verb, frame] of WAYS.filter(([verb]) => verb in refused)) {
    fullServerTest(
      `${verb} lets nobody sit beside alice, ${who}, under her name`,
      async () => {
        await using server = startTestServer();
        using _alice = await enter(server.port);

        for (const name of LOOK_ALIKES) {
          using client = await RawClient.connect(server.port);
          assertMatch(
            await client.ask(await frame(name)),
            refused[verb]!,
            name,
          );
        }
      },
    );
  }
}

Deno.test("a message to a look-alike of a name reaches the user who has the name", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");

  for (const [i, name] of LOOK_ALIKES.entries()) {
    await bob.say(name, "hi");
    assertMatch(await bob.frame(), /^SENT alice\nId: \d+\n/);
    assertEquals(
      steady(await alice.frame()),
      forward("bob", "alice", i + 1, "hi"),
    );
  }
});

Deno.test("ALL in any case is everybody, and no look-alike of it is anybody", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");

  for (const word of ["ALL", "all", "aLl"]) {
    await bob.say(word, "hi");
    assertMatch(await bob.frame(), /^SENT ALL\n[^]*\nRecipients: 1\n\n$/);
    assertEquals(headerOf(await alice.frame(), "To"), "ALL");
  }
  for (const word of ["a11", "A1L", "aIl"]) {
    await bob.say(word, "hi");
    assertMatch(await bob.frame(), /^ERROR 102 Unable to send\n/);
  }
});

fullServerTest(
  "rooms that look alike are one room, for every request",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice", "#Pool");
    using bob = await RawClient.enter(server.port, "bob");

    assertMatch(await bob.ask("JOIN #p00l\n\n"), /^JOINED #Pool\nMembers: 2\n/);
    await alice.next("NOTICE");
    await alice.say("#POOL", "hi");
    assertMatch(await alice.frame(), /^SENT #Pool\n/);
    assertMatch(await bob.frame(), /^FORWARD alice\nTo: #Pool\n/);
    assertMatch(await bob.ask("WHO #poo1\n\n"), /^WHO #Pool\n/);
    await bob.send("HISTORY #P001\n\n");
    assertMatch(await bob.next("HISTORY"), /^HISTORY #Pool\nCount: 1\n/);
    assertMatch(await bob.ask("LEAVE #pooI\n\n"), /^LEFT #Pool\n/);
    assertMatch(await bob.ask("ROOMS\n\n"), /\n\n#default 0\n#Pool 1\n$/);
  },
);

Deno.test("an account that was called you before keeps its name", () => {
  const rules = {
    refusal: () => undefined,
    isConnected: () => false,
    isElsewhere: () => false,
    similar: () => undefined,
  };
  const names = (owned?: string) =>
    new UserNames({ ...rules, owned: () => owned });

  names("you").check("you");
  assertThrows(() => names().check("you"), ChatError, 'names like "you" are');
});
