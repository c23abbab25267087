/**
 * The client and the server for Windows on a terminal, with Wine; the other side runs
 * on Linux. Deno's build for Windows reads keys from a console of Windows, which Wine
 * makes of the terminal. Ctrl-C is not tried: after it, Wine's console reads no more
 * keys for any program.
 *
 * These tests start programs of Linux and of Windows: `deno task test:windows`.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { quietServer, TmuxScreen } from "../tools/client_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";

/** How a program for Windows is run. */
const WINDOWS = "tests/windows/deno run -A --cached-only";

/** Shows the exit code, in a row of its own. */
const CODE = "; printf '\\ncode %s\\n' $?";

/**
 * What is typed, and how it is shown. Wine's console draws two U+FFFD for a character
 * beyond U+FFFF, also for `console.log("👍")`; what is typed arrives.
 */
const TYPED = [
  ["héllo 你 👍", /héllo 你 \ufffd\ufffd$/m],
  ["Ünïcödé ñ ß", /Ünïcödé ñ ß$/m],
  ["привет, 한국", /привет, 한국$/m],
] as const;

Deno.test("what is typed into the client on Windows arrives, in all scripts", async () => {
  await using server = quietServer();
  using bob = await RawClient.enter(server.port, "bob", "#default");
  await using screen = await TmuxScreen.open();
  const client = `client.ts alice 127.0.0.1:${server.port}`;
  await screen.line(`clear; ${WINDOWS} ${client}${CODE}`);
  await screen.until("#default>");

  for (const [text, shown] of TYPED) {
    await screen.line(text);
    assertStringIncludes(await bob.next("FORWARD alice"), `\n\n${text}`);
    await screen.until(new RegExp(`alice: ${shown.source}`, "m"));
  }
  await bob.say("#default", "ça va 你好");
  await screen.until("bob: ça va 你好");
  await screen.line("/quit");

  await screen.until(/^code 0$/m);
});

Deno.test("what the operator types on Windows arrives, and stop stops the server", async () => {
  await using screen = await TmuxScreen.open(100);
  const options = "--host 127.0.0.1 --port 0 --db :memory:";
  await screen.line(`clear; ${WINDOWS} server.ts ${options}${CODE}`);
  const shown = await screen.until(/^Type help for commands\.\n>$/m);
  const port = Number(/Listening on port (\d+)\./.exec(shown)![1]);
  using bob = await RawClient.enter(port, "bob");

  for (const [text] of TYPED) {
    await screen.line(`say ${text}`);
    assertStringIncludes(await bob.next("FORWARD"), text);
  }
  await screen.line("stop");

  assertEquals(await bob.rest(), "NOTICE closing\nRetry-after: 5\n\n");
  await screen.until(/^code 0$/m);
});

Deno.test("with --plain on Windows lines arrive in all scripts, and no password is shown", async () => {
  await using server = quietServer();
  using bob = await RawClient.enter(server.port, "bob", "#default");
  await using screen = await TmuxScreen.open(100);
  const client = `client.ts alice 127.0.0.1:${server.port} --plain`;
  await screen.line(`clear; ${WINDOWS} ${client}${CODE}`);
  await screen.until("you joined #default");

  for (const [text] of TYPED) {
    await screen.line(text);
    assertStringIncludes(await bob.next("FORWARD alice"), `\n\n${text}`);
  }
  await screen.line("/signup");
  for (const question of ["New password for alice:", "Repeat the password:"]) {
    await screen.until(question);
    await screen.line("correct hörse");
  }
  await screen.until("You now have the account alice");
  assertEquals((await screen.text()).includes("rse"), false);
  await screen.line("/quit");

  await screen.until(/^code 0$/m);
});

Deno.test("several lines that come at once are a paste on Windows: one message", async () => {
  await using server = quietServer();
  using bob = await RawClient.enter(server.port, "bob", "#default");
  await using screen = await TmuxScreen.open();
  const client = `client.ts alice 127.0.0.1:${server.port}`;
  await screen.line(`clear; ${WINDOWS} ${client}${CODE}`);
  await screen.until("#default>");

  await screen.paste("one\n/quit\nthree");
  await screen.until(/one.\/quit.three$/m);
  await screen.keys("Enter");

  assertStringIncludes(await bob.next("FORWARD"), "\n\none\n/quit\nthree");
  await screen.line("/quit");
  await screen.until(/^code 0$/m);
});
