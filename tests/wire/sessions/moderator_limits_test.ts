/** What moderators could do with their commands against the others, and the operator. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  begin,
  bodyOf,
  logIn,
  moderate,
  newModerator,
  request,
  signUp,
} from "../../tools/account_tools.ts";
import { LOG_LINES } from "../../../server/session/log_lines.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";

function moderator(server: TestServer, name: string): Promise<RawClient> {
  return newModerator(server, name, server.port);
}

/** What the server does with the last SEND of `client`. */
async function isStored(client: RawClient): Promise<boolean> {
  for (;;) {
    const frame = await client.frame();
    if (/^(SENT|ERROR)/.test(frame)) return frame.startsWith("SENT");
  }
}

/** Rates that these tests do not reach; an address has its shares. */
const RATES = {
  ...{ joins: 1e6, requests: 1e6, messages: 1e6, bytes: 1e9, connects: 1e6 },
};

/** The lines of the log about commands of moderators, without addresses. */
function commandsIn({ log }: TestServer): string[] {
  return log.filter((line) => line.startsWith("The moderator"))
    .map((line) => line.replace(/<.*?>/, "<>"));
}

Deno.test("the log has each command of a moderator, however many, long or forbidden", async () => {
  await using server = startTestServer({ rates: RATES });
  using alice = await moderator(server, "alice");
  // More lines than the log takes of one address.
  const joins = LOG_LINES.burst;
  await alice.send("JOIN #r\n\nLEAVE #r\n\n".repeat(joins));
  await alice.frames(2 * joins);

  await moderate(alice, "help");
  await moderate(alice, "stop \u2028 now\x1b[2J");
  await moderate(alice, `kick ${"x".repeat(60_000)}`);

  assertEquals(commandsIn(server), [
    "The moderator alice <>: help",
    "The moderator alice <>: stop <U+2028> now␛[2J",
    `The moderator alice <>: kick ${"x".repeat(295)}…`,
  ]);
});

Deno.test("a notice of a moderator begins with the name, which no text can hide", async () => {
  await using server = startTestServer();
  using alice = await moderator(server, "alice");
  using bob = await RawClient.enter(server.port, "bob");

  await moderate(alice, "say Stopping (dean, a moderator)\u2028");

  const notice = await bob.next("FORWARD SERVER");
  assertEquals(
    bodyOf(notice),
    "The moderator alice: Stopping (dean, a moderator)",
  );
});

Deno.test("a muted moderator sends no notices, and stays muted", async () => {
  await using server = startTestServer();
  using alice = await moderator(server, "alice");
  using _bob = await RawClient.enter(server.port, "bob");
  await server.console.run("mute alice");

  for (const line of ["say hello", "unmute alice", "/UNMUTE a1ice"]) {
    assertMatch(await moderate(alice, line), /^ERROR 120 Muted\n/, line);
  }
  assertMatch(await moderate(alice, "mute bob 10m"), /^MODERATED\n/);
  await server.console.run("unmute alice");
  assertMatch(await moderate(alice, "unmute bob"), /Unmuted bob$/);
});

Deno.test("a notice of a moderator counts as what the address stores", async () => {
  await using server = startTestServer({ rates: RATES });
  using alice = await moderator(server, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  const text = "x".repeat(60_000);
  do await bob.send(request("SEND bob", text)); while (await isStored(bob));

  assertMatch(
    bodyOf(await moderate(alice, `say ${text}`)),
    /^Cannot send now: limit for your address: /,
  );
  assertMatch(await moderate(alice, "kick bob"), /Disconnected bob$/);
});

Deno.test("a moderator cannot lift the locks of passwords again and again", async () => {
  await using server = startTestServer();
  using alice = await moderator(server, "alice");
  using _dean = await moderator(server, "dean");
  const guess = async () => {
    using login = await logIn(server.port, "dean", { password: "wrong" });
    return login.answer;
  };

  for (let n = 0; n < 10; n++) {
    assertMatch(await guess(), /^Attempts-left: 2$/m);
    assertMatch(await moderate(alice, "unblock dean"), /Unlocked dean$/);
  }

  assertMatch(await guess(), /^Attempts-left: 2$/m);
  assertMatch(
    bodyOf(await moderate(alice, "unblock dean")),
    /^Cannot unblock: a moderator can do that 10 times, and then once in 6 minutes\./,
  );
  assertMatch(await guess(), /^Attempts-left: 1$/m);
  assertEquals(await server.console.run("unblock dean"), "Unlocked dean");
});

Deno.test("a moderator is safe from the others however the name is written, and on all devices", async () => {
  await using server = startTestServer();
  using mark = await moderator(server, "mark");
  using dean = await RawClient.connect(server.port, "127.0.0.2");
  await dean.ask(await signUp("dean"));
  await server.console.run("op dean");
  using second = await RawClient.connect(server.port, "127.0.0.3");
  const { prove } = await begin(second, "mark");
  assertMatch(await second.ask(prove), /^REGISTERED mark\n/);

  for (const name of ["mark", "MARK", "mar\u212a"]) {
    assertMatch(
      bodyOf(await moderate(dean, `kick ${name}`)),
      /^Cannot kick mark: mark is a moderator, too\./,
      name,
    );
  }
  for (const place of ["127.0.0.1", "127.0.0.3", "127.0.0.3/32"]) {
    for (const deed of ["kick", "ban", "mute"]) {
      assertMatch(
        bodyOf(await moderate(dean, `${deed} ${place}`)),
        /^Cannot .* the moderator mark is connected from there\./,
        `${deed} ${place}`,
      );
    }
  }
  assertMatch(
    bodyOf(await moderate(mark, "ban 127.0.0.3")),
    /^Cannot ban the address 127\.0\.0\.3: you are connected from there\./,
  );
});
