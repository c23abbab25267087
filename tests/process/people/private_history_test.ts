/** /history @NAME: private messages again, on a terminal and with --plain. */
import { assertEquals, assertMatch } from "@std/assert";
import { makeAccount, signedUp } from "../../tools/account_tools.ts";
import {
  ClientProcess,
  quietServer,
  TmuxScreen,
} from "../../tools/client_tools.ts";
import type { RawClient } from "../../tools/net/raw_client.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

const PASSWORD = "correct horse";

/** Alice has an account and is away; Bob has sent her two messages. */
async function arrange(port: number): Promise<RawClient> {
  await makeAccount(port, "alice", PASSWORD);
  const bob = await signedUp(port, "bob");
  for (const text of ["first", "second"]) {
    await bob.say("alice", text);
    await bob.next("SENT");
  }
  return bob;
}

Deno.test("/history @bob with --plain shows what was sent both ways, page by page", async () => {
  await using server = quietServer();
  using _bob = await arrange(server.port);
  const path = await Deno.makeTempFile();
  await using _file = { [Symbol.asyncDispose]: () => Deno.remove(path) };
  await Deno.writeTextFile(path, PASSWORD);
  await Deno.chmod(path, 0o600);
  const address = `127.0.0.1:${server.port}`;
  await using alice = new ClientProcess([
    ...["alice", address, "--plain", "--password-file", path],
  ]);
  await alice.until("bob -> you: second");
  await alice.type("@bob: third\n");
  await alice.until("you -> bob: third");

  await alice.type("/history @bob\n");
  await alice.until("* No older messages with bob");
  const before = alice.out.length;
  await alice.type("/history @BOB 2\n");
  await alice.until("messages above are older");
  const shown = alice.out.slice(before);
  assertMatch(shown, /bob -> you: second\n.*you -> bob: third\n/);
  assertEquals(shown.includes("first"), false);

  await alice.type("/history @nobody\n");
  await alice.until("nobody has no account");
  await alice.type("/history bob\n");
  await alice.until('Cannot use "bob". Usage: /history [@NAME] [NUMBER]');
});

tmuxTest(
  "/history @bob on a terminal shows private messages again",
  async () => {
    await using server = quietServer();
    using _bob = await arrange(server.port);
    await using screen = await TmuxScreen.open(100);
    const address = `127.0.0.1:${server.port}`;

    await screen.client("alice", address);
    await screen.until("Password for alice:");
    await screen.line(PASSWORD);
    await screen.until("bob -> you: second");
    await screen.keys("C-l");
    await screen.line("/history @bob 20");
    await screen.until(
      /bob -> you: first\n.*bob -> you: second\n.*above are older/,
    );
    await screen.line("LOGOUT");
    await screen.until("code 0");
  },
);
