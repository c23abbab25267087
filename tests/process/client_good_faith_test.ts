/** Ordinary things that users do: what they send arrives, and answers are true. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { makeAccount } from "../tools/account_tools.ts";
import {
  ClientProcess,
  quietServer,
  runClient,
} from "../tools/client_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { TestClock } from "../tools/test_clock.ts";
import { settingsIn, tempFolder } from "../tools/temp.ts";
import { needs } from "../tools/system/skips.ts";
import { SYSTEM } from "../../platform/system.ts";

const encoder = new TextEncoder();

/** A client that reads typed lines, in #default. */
async function person(
  name: string,
  port: number,
  env: Record<string, string> = {},
): Promise<ClientProcess> {
  const args = [name, `127.0.0.1:${port}`, "--plain"];
  const client = new ClientProcess(args, env);
  await client.until("you joined #default");
  return client;
}

/** The texts that `reader` gets in #default, up to `last`. */
async function textsUntil(reader: RawClient, last: string): Promise<string[]> {
  const texts: string[] = [];
  while (texts.at(-1) !== last) {
    const frame = await reader.next("FORWARD");
    texts.push(frame.slice(frame.indexOf("\n\n") + 2));
  }
  return texts;
}

/** `text` in UTF-16 with its mark. */
function utf16(text: string, little: boolean): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(2 * text.length + 2));
  bytes.setUint16(0, 0xfeff, little);
  for (let i = 0; i < text.length; i++) {
    bytes.setUint16(2 * i + 2, text.charCodeAt(i), little);
  }
  return new Uint8Array(bytes.buffer);
}

Deno.test("a pipe of PowerShell is sent without its mark, also with --plain", async () => {
  await using server = quietServer();
  using reader = await RawClient.enter(server.port, "reader", "#default");

  for (const more of [[], ["--plain"]]) {
    const args = ["alice", `127.0.0.1:${server.port}`, ...more];
    const input = encoder.encode("\ufeffhello\r\nthe end\r\n");
    const { code, err } = await runClient(args, input);

    assertEquals([code, err], [0, ""]);
    assertEquals(await textsUntil(reader, "the end"), ["hello", "the end"]);
  }
});

Deno.test("a file in UTF-16 is sent as the text that it has, also with --plain", async () => {
  await using server = quietServer();
  using reader = await RawClient.enter(server.port, "reader", "#default");
  const text = "hello\r\nzwei ä 漢 🎉\r\nthe end\r\n";

  for (const little of [true, false]) {
    for (const more of [[], ["--plain"]]) {
      const args = ["alice", `127.0.0.1:${server.port}`, ...more];
      const { code, err } = await runClient(args, utf16(text, little));

      assertEquals([code, err], [0, ""]);
      const texts = await textsUntil(reader, "the end");
      assertEquals(texts, ["hello", "zwei ä 漢 🎉", "the end"]);
    }
  }
});

Deno.test("of a binary pipe, the first line of each kind is told, and the others in one line", async () => {
  await using server = quietServer();
  using reader = await RawClient.enter(server.port, "reader", "#default");
  const lines = ["one", "\xff", "\xff", "a\0b", "two", "\xff", "\0", "the end"];
  const input = Uint8Array.from(lines.join("\n"), (char) => char.charCodeAt(0));

  const args = ["alice", `127.0.0.1:${server.port}`];
  const { code, err } = await runClient(args, input);

  assertEquals(code, 1);
  const told = err.trimEnd().split("\n")
    .map((line) => line.replace(/(ERROR 107 Not UTF-8).*/, "$1")).sort();
  assertEquals(told, [
    "Cannot send line 2: ERROR 107 Not UTF-8",
    "Cannot send line 4: it is no text: it has a NUL character",
    "Nor line 7: it is no text: it has a NUL character",
    "Nor lines 3 and 6: ERROR 107 Not UTF-8",
  ]);
  assertEquals(await textsUntil(reader, "the end"), ["one", "two", "the end"]);
});

Deno.test(needs("/dev/full", {
  name: "a pipe whose output has no room is sent, told, and ends with 1",
  fn: async () => {
    await using server = quietServer();
    using reader = await RawClient.enter(server.port, "reader", "#default");
    const run = '"$0" run -A client.ts alice "$1" > /dev/full';
    const shell = new Deno.Command("sh", {
      args: ["-c", run, Deno.execPath(), `127.0.0.1:${server.port}`],
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
      stdin: "piped",
      stderr: "piped",
    }).spawn();

    const lines = Array.from({ length: 2_000 }, (_, i) => `line ${i}`);
    const input = shell.stdin.getWriter();
    await input.write(encoder.encode(lines.join("\n")));
    await input.close();
    const { code, stderr } = await shell.output();

    assertEquals(code, 1);
    assertEquals(
      new TextDecoder().decode(stderr),
      "Cannot write the output: the disk is full\n",
    );
    assertEquals(await textsUntil(reader, "line 1999"), lines);
  },
}));

Deno.test("/ignore hides names that look alike, in the next run and on this server alone", async () => {
  await using server = quietServer();
  await using other = quietServer();
  using folder = tempFolder();
  const env = settingsIn(folder.path);
  using mallory = await RawClient.enter(server.port, "mal1ory", "#default");
  {
    await using alice = await person("alice", server.port, env);
    await alice.type("/ignore mallory\n");
    await alice.until("Hiding mallory's messages; /unignore mallory ends that");
    await mallory.say("#default", "unheard one");
    await alice.type("/ignore alice\n/ignore\n");
    await alice.until("Cannot hide your own messages");
    await alice.until("* Ignored: mallory\n");
    const { out } = await alice.end();
    assert(!out.includes("unheard"), out);
  }
  await using again = await person("alice", server.port, env);
  await again.until("* Hiding messages of mallory; /unignore NAME ends that");
  await mallory.say("alice", "unheard two");
  await mallory.next("SENT");
  await again.type("a line that comes after it\n");
  await again.until("alice: a line that comes after it\n");
  await again.type("/unignore zed\n/unignore MAL1ORY\n");
  await again.until("* zed is not ignored\n");
  await again.until("* Showing MAL1ORY's messages again");
  await mallory.say("#default", "heard");
  await again.until("mal1ory: heard");
  const elsewhere = await (await person("alice", other.port, env)).end();
  const third = await (await person("bob", server.port, env)).end();

  assert(!(await again.end()).out.includes("unheard"));
  assert(!`${elsewhere.out}${third.out}`.includes("Hiding"));
});

Deno.test("answers about what does not exist say so", async () => {
  await using server = quietServer();
  using bob = await RawClient.enter(server.port, "bob", "#empty");
  await bob.say("#empty", "stored");
  await bob.ask("LEAVE #empty\n\n");
  await using alice = await person("alice", server.port);

  await alice.type("/who room9\n/who b0b\n/who empty\n/who default\n");
  await alice.until(
    "* There is no room #room9, and no user of that name is connected\n",
  );
  await alice.until("* bob  127.0.0.1:");
  await alice.until("* No users are in #empty\n");
  await alice.until("* In #default: 1\n");
  await alice.type("/call nobody\n/call bob\n");
  await alice.until(
    '! ERROR 102 Unable to send: no user "nobody" is connected',
  );
  await alice.until("* Calling bob. /hangup bob ends the call.\n");
  await alice.type("LIST\n");
  await alice.until("* In #default (1):\n*   alice <127.0.0.1:");

  const { out } = await alice.end();
  assert(!out.includes("Calling nobody"), out);
});

Deno.test("a suggested command can be pasted: it has all that was typed", async () => {
  // Alice is never idle, however long a program takes to start.
  await using server = startTestServer({ clock: new TestClock() });
  using _alice = await RawClient.enter(server.port, "alice");
  const { port } = server;
  const where = ["127.0.0.1", "--port", `${port}`, "--room", "#lab"];

  const { err } = await runClient(["--color", "never", "alice", ...where]);

  const [, line = ""] = /Try: (.*)/.exec(err) ?? [];
  const room = SYSTEM === "windows" ? '"#lab"' : "'#lab'";
  const typed = `--color never --port ${port} --room ${room}`;
  assertEquals(
    line.replace(/ alice\w+ /, " NAME "),
    `deno run -A client.ts NAME 127.0.0.1 ${typed}`,
  );
});

Deno.test("private messages to an account that is away are announced to the sender, and shown last", async () => {
  await using server = quietServer();
  using folder = tempFolder();
  const password = `${folder.path}/password`;
  await Deno.writeTextFile(password, "pencil", { mode: 0o600 });
  await makeAccount(server.port, "alice", "pencil");
  await using bob = await person("bob", server.port);
  const long = "x".repeat(40_000); // more than one read has
  await bob.type("in the room\n@alice: one\n");
  await bob.until(
    "you -> alice: one\n* alice is away, and gets the message at the next sign-in\n",
  );
  await bob.type(`@alice: ${long}\n@alice: ${long}\n@alice: four\n`);
  await bob.until("you -> alice: four\n* alice is away");

  await using alice = new ClientProcess([
    ...["alice", `127.0.0.1:${server.port}`, "--plain", "--login"],
    ...["--password-file", password],
  ]);
  await alice.until("bob -> you: four\n");
  await bob.type("@alice: five\nafter\n");
  await alice.until("bob: after\n");
  const { out } = await alice.end();
  const told = (await bob.end()).out;

  const lines = out.split("\n").map((line) =>
    line.replace(/^\d\d:\d\d:\d\d /, "").slice(0, 40)
  );
  const from = lines.indexOf("#default bob: in the room");
  assertEquals(lines.slice(from, from + 8), [
    "#default bob: in the room",
    "* — messages above are older —",
    "* While you were away:",
    "bob -> you: one",
    `bob -> you: ${"x".repeat(28)}`,
    `bob -> you: ${"x".repeat(28)}`,
    "bob -> you: four",
    "bob -> you: five",
  ]);
  assertStringIncludes(told, "you -> alice: five\n");
  assert(!told.includes("five\n* alice is away"), told);
});
