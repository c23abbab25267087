/** The operator's console on a terminal, which it shares with the log. */
import { assertEquals, assertMatch } from "@std/assert";
import { TmuxScreen } from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { HERE, RUN } from "../../tools/server_process.ts";
import { shellCommand } from "../../tools/system/programs.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

const COMMAND = shellCommand(Deno.execPath(), ...RUN, ...HERE);

/** Starts a server on the terminal, and waits for its prompt; gives its port. */
async function serve(screen: TmuxScreen): Promise<number> {
  const port = await start(screen, '; echo "code $?"');
  await screen.until(/^Type help for commands\.\n>$/m);
  return port;
}

async function start(screen: TmuxScreen, after: string): Promise<number> {
  await screen.line(`clear; ${COMMAND} ${after}`);
  const shown = await screen.until(/Listening on port \d+\./);
  return Number(/Listening on port (\d+)\./.exec(shown)![1]);
}

tmuxTest("the log leaves whole what the operator has half typed", async () => {
  await using screen = await TmuxScreen.open();
  const before = await settings(screen);
  const port = await serve(screen);

  await screen.type("kick b");
  await screen.until(/^> kick b$/m);
  using _alice = await RawClient.enter(port, "alice");
  using bob = await RawClient.enter(port, "bob");
  await screen.until(
    / alice registered .*\n.*\n.* bob registered .*\n> kick b$/,
  );
  await screen.keys("Tab");
  await screen.until(/^> kick bob$/m);
  await screen.line("too loud");

  const shown = await screen.until(/^Disconnected bob\n>$/m);
  assertMatch(
    shown,
    /^> kick bob too loud\n.* bob disconnected: removed\nDisconnected bob$/m,
  );
  assertMatch(await bob.rest(), /\(too loud\)/);
  await screen.keys("Up");
  await screen.until(/^> kick bob too loud$/m);
  await screen.keys("C-u");
  await screen.line("stop");
  await screen.until(/^Shutting down\n(.*\n)*code 0$/m);
  assertEquals(await settings(screen), before);
});

/** What stty says of the terminal. */
async function settings(screen: TmuxScreen): Promise<string> {
  await screen.line("clear; stty -a; echo end");
  const text = await screen.until(/^end$/m);
  return text.slice(text.indexOf("speed"), text.indexOf("\nend"));
}

tmuxTest(
  "Ctrl-C clears a half-typed line of the operator, and on an empty one ends the server as a signal does",
  async () => {
    await using screen = await TmuxScreen.open();
    const port = await serve(screen);
    using alice = await RawClient.enter(port, "alice");
    await screen.until(/ alice registered .*\n>$/);

    await screen.type("kick alice");
    await screen.keys("C-c");
    await screen.until(/ alice registered .*\n>$/);
    await screen.keys("C-c");

    assertEquals(await alice.rest(), "NOTICE closing\nRetry-after: 5\n\n");
    alice.close();
    await screen.until(/^Shutting down\n(.*\n)*code 0$/m);
  },
);

tmuxTest("a server whose terminal goes away goes on", async () => {
  await using screen = await TmuxScreen.open();
  await screen.line(`clear; sh -c 'echo "pid $$"; exec "$@"' sh ${COMMAND}`);
  const shown = await screen.until(/^>$/m);
  const port = Number(/Listening on port (\d+)\./.exec(shown)![1]);
  const pid = Number(/pid (\d+)/.exec(shown)![1]);
  await screen.hangUp();

  using alice = await RawClient.enter(port, "alice", "#r");
  using bob = await RawClient.enter(port, "bob", "#r");
  await bob.say("#r", "x");

  assertMatch(await alice.next("FORWARD"), /\n\nx$/);
  Deno.kill(pid, "SIGTERM");
  assertEquals(await alice.rest(), "NOTICE closing\nRetry-after: 5\n\n");
});

tmuxTest(
  "Ctrl-Z gives the terminal back, fg the half-typed line; Ctrl-D ends nothing",
  async () => {
    await using screen = await TmuxScreen.open();
    const port = await serve(screen);
    await screen.type("use");
    await screen.until(/^> use$/m);

    await screen.keys("C-z");
    await screen.until("Stopped");
    await screen.line("stty -a | grep -o '[-]*icanon'; fg");
    await screen.until(/^icanon\n(.*\n)*> use$/m); // not the one from before
    await screen.line("rs");
    await screen.until(/^No users are connected\n>$/m);
    await screen.keys("C-d");
    await screen.until("Type stop, or press Ctrl-C, to stop the server.");
    await screen.line("mutes");
    await screen.until("Unknown command");

    using alice = await RawClient.enter(port, "alice");
    await screen.keys("C-c");
    await alice.rest();
  },
);

for (const how of ["started with &", "put there with Ctrl-Z and bg"]) {
  tmuxTest(
    `a server in the background, ${how}, serves, and reads again after fg`,
    async () => {
      await using screen = await TmuxScreen.open();
      const isStarted = how.includes("&");
      const port = isStarted ? await start(screen, "&") : await serve(screen);
      if (!isStarted) {
        await screen.type("use");
        await screen.until(/^> use$/m);
        await screen.keys("C-z");
        await screen.until("Stopped");
        await screen.line("bg");
      }

      using alice = await RawClient.enter(port, "alice");
      await screen.until(/ alice registered /);
      await screen.line("echo $((40 + 2)); jobs");
      await screen.until(/^42\n.* Running /m);
      assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");

      await screen.line("fg");
      await screen.until(isStarted ? /^>$/m : /^> use$/m);
      await screen.line(isStarted ? "users" : "rs");
      await screen.until(/^1 user:\n {2}alice .*\n>$/m);
      await screen.keys("C-z");
      await screen.until(/Stopped[^]*\$$/);
      await screen.line("bg");
      await screen.until(/ &\n(.*\n)*\$$/);
      await screen.line("kill %1");
      assertEquals(await alice.rest(), "NOTICE closing\nRetry-after: 5\n\n");
      await screen.line('wait %1; echo "ended $?"');
      await screen.until("ended 0");
    },
  );
}

tmuxTest(
  "Ctrl-Z without a shell that stops the server changes nothing",
  async () => {
    await using screen = await TmuxScreen.open();
    await screen.line(`exec ${COMMAND}`);
    await screen.until(/^>$/m);
    await screen.type("use");
    await screen.until(/^> use$/m);

    await screen.keys("C-z", "Tab");
    await screen.until(/^> users$/m);
    await screen.keys("Enter");

    await screen.until(/^> users\nNo users are connected\n>$/m);
  },
);
