/**
 * What is loaded when it is needed holds all the same for the first frame that
 * reaches a server after a restart.
 */
import { assertMatch } from "@std/assert";
import { request, signUp } from "../../tools/account_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

Deno.test("accounts, bans and mutes hold for the first frames after a restart", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  {
    await using server = startTestServer({ db });
    using alice = await RawClient.connect(server.port);
    await alice.send(await signUp("alice"));
    await alice.next("REGISTERED");
    await server.console.run("ban eve");
    await server.console.run("mute bob");
  }

  await using server = startTestServer({ db });
  using first = await RawClient.connect(server.port);
  await first.send("REGISTER alice\n\nREGISTER bob\n\n");
  await first.send(request("SEND ALL", "hi"));
  assertMatch(await first.frame(), /^ERROR 110 .*\nFor: REGISTER alice\n/);
  assertMatch(await first.frame(), /^REGISTERED bob\n/);
  assertMatch(await first.frame(), /^ERROR 120 .*\nFor: SEND ALL\n/);
  using second = await RawClient.connect(server.port);
  await second.send("REGISTER eve\n\n");
  assertMatch(await second.frame(), /^ERROR 117 .*\nFor: REGISTER eve\n/);
});
