/** /topic, /quiet and /voice: on a terminal, and with --plain. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { request, signedUp } from "../../tools/account_tools.ts";
import {
  ClientProcess,
  quietServer,
  TmuxScreen,
} from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

Deno.test("a user with --plain reads topic and quiet, is given voice, and sets nothing", async () => {
  await using server = quietServer();
  using mia = await signedUp(server.port, "mia");
  await mia.ask("JOIN #lab\n\n");
  await mia.send(request("SET #lab", "Tea at 4", "Quiet: yes\n"));
  await mia.next("CHANGED");
  const address = `127.0.0.1:${server.port}`;
  await using bob = new ClientProcess(["bob", address, "--plain"]);
  await bob.until("you joined #default");
  await bob.type("/join lab\n");

  await bob.until("* Topic: Tea at 4\n");
  await bob.until(
    "* This room is quiet: its owner, moderators and users with voice send.\n",
  );
  await bob.type("hello\n");
  await bob.until("! ERROR 120 Muted: Cannot send to #lab: it is quiet");
  await bob.until("* Not sent: hello\n");
  await mia.send("SET #lab\nVoice: bob\n\n");
  await bob.until("* mia gave you voice in #lab\n");
  await bob.type("hello again\n");
  await bob.until("bob: hello again\n");
  await bob.type("/quiet\n");
  await bob.until("* This room is quiet. You can send.\n* With voice: bob\n");
  await bob.type("/topic mine\n");
  await bob.until("Cannot change #lab: only its owner and moderators can");
  await bob.type("/topic\n");
  await bob.until("* Topic of #lab: Tea at 4\n");
  await bob.type("/rooms\n");
  await bob.until(" * lab <2>  Tea at 4\n");
  await bob.type("/quiet perhaps\n");
  await bob.until('Cannot use "perhaps". Usage: /quiet [on | off]');
  await bob.type("/voice\n");
  await bob.until("Missing argument. Usage: /voice NAME [off]");
  await mia.send(request("SET #lab", "", "Quiet: no\n"));
  await bob.until("* mia ended the quiet in #lab: all users in it can send\n");
  await bob.until("* mia removed the topic of #lab\n");
});

tmuxTest(
  "the owner of a room sets it on a terminal, and all who are in it see that",
  async () => {
    await using server = quietServer();
    using bob = await RawClient.enter(server.port, "bob");
    await using screen = await TmuxScreen.open(100);
    await screen.client("alice", `127.0.0.1:${server.port}`);
    await screen.until("alice #default>");
    await screen.line("/signup");
    for (const prompt of ["New password for alice", "Repeat"]) {
      await screen.until(prompt);
      await screen.line("correct horse");
    }
    await screen.until("You now have the account alice");
    await screen.line("/join own");
    await screen.until("alice #own>");
    await bob.send("JOIN #own\n\n");
    assertStringIncludes(await bob.next("JOINED"), "\nOwner: alice\n");
    await screen.until("bob joined");

    await screen.line("/topic Bring a laptop");
    await screen.until("You set the topic of #own: Bring a laptop");
    await screen.line("/quiet on");
    await screen.until("You made #own quiet");
    await screen.line("/voice bob");
    await screen.until("You gave bob voice in #own");
    await bob.say("#own", "thanks");
    await screen.until(/bob: thanks/);
    await screen.line("/voice bob off");
    await screen.until("You took bob's voice in #own");
    await bob.say("#own", "x");
    assertStringIncludes(await bob.next("ERROR"), "ERROR 120 Muted");
    await screen.line("/voice ghost");
    await screen.until('no user "ghost" is connected');
    await screen.line("/topic none");
    await screen.until("You removed the topic of #own");
    await screen.line("LOGOUT");
    await screen.until("code 0");
    assertEquals(server.context.hub.roomNamed("#own")?.quiet, true);
  },
);
