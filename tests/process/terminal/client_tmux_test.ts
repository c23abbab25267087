import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  ClientProcess,
  FakeServer,
  quietServer,
  TmuxScreen,
} from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { lastingPort } from "../../tools/net/test_server.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

tmuxTest("two newcomers give their names, choose a room and talk", async () => {
  await using server = quietServer();
  await using alice = await TmuxScreen.open();
  await using bob = await TmuxScreen.open();
  await alice.client("--port", `${server.port}`);
  await alice.until("Name:");
  await alice.line("ali ce");
  await alice.until(": a name has 1 to 32 letters");
  await alice.line("alice");
  await alice.until("Server [127.0.0.1]:");
  await alice.line("");
  await alice.until("1 Sign up, 2 Sign in, 3 Guest [3]:");
  await alice.line("4");
  await alice.until("! Type 1 to create an account, or 2 to sign in, or 3 to");
  await alice.line("");
  const chooser = await alice.until("alice room>");
  assertStringIncludes(
    chooser,
    "* Rooms, and how many users are in each:\n * default <0>\n",
  );
  await alice.line("room1");
  await alice.until("alice #room1>");
  await alice.until("* LIST shows who is here, LEAVE leaves the room, LOGOUT");

  await bob.client();
  await bob.until("Name:");
  await bob.line("alice");
  await bob.line("127.0.0.1");
  await bob.until("Port [9898]:");
  await bob.line(`${server.port}`);
  await bob.until("3 Guest [3]:");
  await bob.line("3");
  await bob.until(/! ERROR 104 Name in use.*\n(.*\n)*Name \[\w+\]:/);
  await bob.line("bob");
  await bob.until(/Name .*: bob\n.*3 Guest \[3\]:$/);
  await bob.line("");
  await bob.until(" * room1 <1>");
  await bob.line("room1");
  await bob.until("#room1>");
  await alice.until(/\* bob joined #room1 <127\.0\.0\.1:\d+>/);

  await alice.line("hello");
  await bob.until(/^\d\d:\d\d:\d\d alice: hello$/m);
  await alice.until(/^\d\d:\d\d:\d\d alice: hello$/m);
  await bob.line("LIST");
  await bob.until(
    /\* In #room1 \(2\):\n\* {3}alice <127.0.0.1:\d+>\n\* {3}bob <127.0.0.1:\d+>/,
  );
  await bob.line("LEAVE");
  await bob.until(" * room1 <1>");
  await bob.until("room>");
  await alice.until("* bob left #room1");
  await bob.line("LOGOUT");
  await bob.until("code 0");
});

tmuxTest(
  "@bob, @ALL and @nobody reach whom they name, and Ctrl-C ends one client alone",
  async () => {
    await using server = quietServer();
    await using alice = await TmuxScreen.open();
    await using bob = await TmuxScreen.open();
    await using carol = await TmuxScreen.open();
    const where = `127.0.0.1:${server.port}`;
    await alice.client("alice", where);
    await alice.until("#default>");
    await bob.client("bob", where);
    await bob.until("#default>");
    await carol.client("carol", where);
    await carol.until("#default>");

    await alice.line("@bob: hi");
    await bob.until(/^\d\d:\d\d:\d\d alice -> you: hi$/m);
    await alice.until(/^\d\d:\d\d:\d\d you -> bob: hi$/m);
    await alice.line("\u00a0 @bob: spaced");
    await alice.until(/^\d\d:\d\d:\d\d you -> bob: spaced$/m);
    await alice.line("@ALL: hi all");
    await bob.until(/^\d\d:\d\d:\d\d alice -> ALL: hi all$/m);
    await carol.until(/^\d\d:\d\d:\d\d alice -> ALL: hi all$/m);
    await alice.line("@nobody: hi");
    await alice.until(
      '! ERROR 102 Unable to send: no user "nobody" is connected. /who all',
    );
    await alice.line("@bob");
    await alice.until("Nothing was sent.");

    await carol.keys("C-c");
    await carol.until("code 130");
    await alice.until("* carol went offline");
    await bob.line("still here");
    await alice.until("bob: still here");
    assert(!(await carol.everything()).includes("alice -> you"), "overheard");
  },
);

/** Ways out of the client, and the exit codes they end with. */
const WAYS_OUT: Record<string, [code: number, go: Go]> = {
  "Ctrl-C": [130, (screen) => screen.keys("C-c")],
  "Ctrl-D": [0, (screen) => screen.keys("C-d")],
  "/quit": [0, (screen) => screen.line("/quit")],
  "SIGINT": [130, (screen) => screen.kill("SIGINT")],
  "SIGTERM": [143, (screen) => screen.kill("SIGTERM")],
};

type Go = (screen: TmuxScreen) => Promise<void>;

for (const [how, [code, go]] of Object.entries(WAYS_OUT)) {
  tmuxTest(`the terminal is left as it was found after ${how}`, async () => {
    await using server = quietServer();
    await using screen = await TmuxScreen.open();
    const before = await settings(screen, "before");
    await screen.client("alice", `127.0.0.1:${server.port}`);
    await screen.until("#default>");

    await go(screen);

    await screen.until(`code ${code}`);
    assertEquals(await settings(screen, "after"), before);
    await screen.paste("no marks");
    await screen.until("$ no marks");
  });
}

/** What stty says of the terminal. */
async function settings(screen: TmuxScreen, word: string): Promise<string> {
  await screen.line(`clear; stty -a; echo ${word}`);
  const text = await screen.until(new RegExp(`^${word}$`, "m"));
  return text.slice(text.indexOf("speed"), text.lastIndexOf(word));
}

tmuxTest("a line that is typed under a flood arrives whole", async () => {
  await using server = quietServer();
  await using screen = await TmuxScreen.open();
  const where = `127.0.0.1:${server.port}`;
  await screen.client("alice", where);
  await screen.until("#default>");
  using flood = await RawClient.enter(server.port, "flood", "#default");
  const line = "the quick brown fox jumps over the lazy dog and over " +
    "everything that stands in its way, until the line has two rows";

  // Twenty messages arrive while each character is typed.
  for (const char of line) {
    for (let i = 0; i < 20; i++) await flood.say("#default", `${i} of many`);
    await screen.type(char);
    for (let i = 0; i < 20; i++) await flood.next("SENT");
  }

  const shown = await screen.until(
    /flood: 19 of many\nalice #default> the quick[^]*until the line has two rows$/,
  );
  const rows = shown.split("\n");
  const first = rows.findIndex((row) =>
    row.startsWith("alice #default> the quick")
  );
  const drawn = rows.slice(first).join("").replaceAll(" ", "");
  assertEquals(drawn, `alice #default> ${line}`.replaceAll(" ", ""));
  await screen.keys("Enter");
  await screen.until("alice: the quick");
  await screen.until("#default>");
  assert((await flood.next("FORWARD alice")).endsWith(`\n\n${line}`));
});

tmuxTest("a paste of many lines is one message", async () => {
  await using server = quietServer();
  await using screen = await TmuxScreen.open();
  await using other = new ClientProcess(
    ["bob", `127.0.0.1:${server.port}`, "--plain"],
  );
  await other.until("you joined #default");
  await screen.client("alice", `127.0.0.1:${server.port}`);
  await screen.until("#default>");

  await screen.type("see: ");
  await screen.paste("one\n/two\n\tthree");

  await screen.until("#default> see: one␤/two␤␉three");
  await screen.keys("Enter");
  await other.until("#default alice: see: one␤/two␤    three\n");
  await screen.until(/alice: see: one\n {2}\| \/two\n {2}\| {5}three\n/);
});

tmuxTest("arrow keys, history and Tab edit the line", async () => {
  await using server = quietServer();
  await using screen = await TmuxScreen.open();
  await using bob = new ClientProcess(
    ["bobby", `127.0.0.1:${server.port}`, "--plain", "--room", "lab"],
  );
  await bob.until("you joined #lab");
  await screen.client("alice", `127.0.0.1:${server.port}`);
  await screen.until("#default>");

  await screen.type("hxllo");
  await screen.keys("Left", "Left", "Left", "BSpace", "e", "Enter");
  await screen.until("alice: hello");
  await screen.keys("Up");
  await screen.until("#default> hello");
  await screen.keys("C-u");
  await screen.type("@bo");
  await screen.keys("Tab");
  await screen.until("#default> @bobby: ".trimEnd());
  await screen.line("psst");
  await bob.until("alice -> you: psst");
  await screen.type("/jo");
  await screen.keys("Tab");
  await screen.until("#default> /join");
  await screen.type("la");
  await screen.keys("Tab");
  await screen.until("#default> /join lab");
  await screen.keys("Enter");
  await screen.until("#lab>");
  await bob.until("* alice joined #lab");
});

tmuxTest("a line of several rows survives a change of the width", async () => {
  await using server = quietServer();
  await using screen = await TmuxScreen.open(60);
  await using bob = new ClientProcess([
    "bob",
    `127.0.0.1:${server.port}`,
    "--plain",
  ]);
  await bob.until("you joined #default");
  await screen.client("alice", `127.0.0.1:${server.port}`);
  await screen.until("#default>");
  const line = "0123456789 ".repeat(12).trim();

  await screen.type(line);
  await screen.until(/#default> [0-9 \n]+789$/);
  for (const columns of [40, 75]) {
    await screen.resize(columns);
    await bob.type(`now it is ${columns}\n`);
    await screen.until(`bob: now it is ${columns}`);
  }

  const shown = await screen.until(/now it is 75\nalice #default>/);
  assertEquals(shown.match(/#default> /g)?.length, 1, shown);
  await screen.keys("Enter");
  await bob.until(`alice: ${line}\n`);
});

tmuxTest(
  "nothing anybody says looks like the program's own lines",
  async () => {
    await using server = quietServer();
    await using screen = await TmuxScreen.open();
    await using mallory = new ClientProcess([
      "mallory",
      `127.0.0.1:${server.port}`,
    ]);
    await screen.client("alice", `127.0.0.1:${server.port}`);
    await screen.until("#default>");

    await mallory.type("\x1b[2J\x1b[H! ERROR 117 Removed\r* bob joined\n");
    await mallory.type(`${"x ".repeat(31)} * bob joined #default\n`);

    await screen.until("mallory: ␛[2J␛[H! ERROR 117 Removed␍* bob joined");
    const shown = await screen.until("#default\nalice #default>");
    assertStringIncludes(shown, "  |  * bob joined #default");
  },
);

tmuxTest(
  "Ctrl-Z gives the terminal back, and fg the half-typed line",
  async () => {
    await using server = quietServer();
    await using screen = await TmuxScreen.open();
    await screen.client("alice", `127.0.0.1:${server.port}`);
    await screen.until("#default>");

    await screen.type("half");
    await screen.until("#default> half");
    await screen.keys("C-z");
    await screen.until("Stopped");
    await screen.line("stty -a | grep -o '[-]*icanon'; fg");
    await screen.until(/^icanon$/m);
    await screen.until(/#default> half$/);
    await screen.line(" a line");

    await screen.until("alice: half a line");
  },
);

tmuxTest(
  "a chat goes on when the server was stopped and started, with what was typed meanwhile",
  async () => {
    const { port, ...server } = quietServer(lastingPort());
    await using screen = await TmuxScreen.open();
    await using bob = new ClientProcess(
      ["bob", `127.0.0.1:${port}`, "--plain"],
    );
    await bob.until("you joined #default");
    await screen.client("alice", `127.0.0.1:${port}`);
    await screen.until("#default>");
    await bob.type("before\n");
    await screen.until("bob: before");

    await server[Symbol.asyncDispose]();
    await screen.until("! The server was stopped. Reconnecting.");
    await screen.until("#default (offline)>");
    await screen.line("meanwhile one");
    await screen.until(/^… meanwhile one\nalice #default \(offline\)>$/m);
    await screen.line("/who");
    await screen.until(/^… meanwhile one\n… \/who\nalice #default \(off/m);
    await screen.line("meanwhile two");
    await screen.line("/help ping");
    await screen.until("Measure how long");
    await using _again = quietServer(port);

    await screen.until("* Reconnected");
    await bob.until("alice: meanwhile one\n");
    await bob.until("alice: meanwhile two\n");
    const shown = await screen.until(
      /alice: meanwhile two\n(.*\n)*.*#default>$/,
    );
    assert(/#default> \/who\n(.*\n)*\* In #default: /.test(shown), shown);
    await bob.type("after\n");
    await screen.until("bob: after");
    const { out } = await bob.end();
    assertEquals(out.match(/alice: meanwhile (one|two)/g)?.length, 2, out);
  },
);

tmuxTest(
  "what was sent stands above the prompt until it is answered, and what is refused is shown again",
  async () => {
    using server = new FakeServer();
    await using screen = await TmuxScreen.open();
    await screen.client("alice", `127.0.0.1:${server.port}`);
    const peer = await server.accept();
    await peer.request();
    await peer.say("REGISTERED alice\n\n");
    await peer.request();
    await peer.say("JOINED #default\n\n");
    await peer.request();
    await peer.say("HISTORY #default\nCount: 0\n\n");
    await screen.until("#default>");

    await screen.line("hello");
    await screen.line("@bob: are you there?");
    await screen.line(`@bob: ${"long ".repeat(40)}`);
    await screen.line("/list"); // runs, and the next line waits for it
    await screen.line("/who");
    await screen.type("half");
    await screen.until(
      /^… hello\n… @bob: are you there\?\n… @bob: (long )+.*…\n… \/who\n.*#default> half$/m,
    );
    for (let i = 0; i < 3; i++) await peer.request();
    await peer.say(
      "SENT #default\nId: 1\n\n" +
        "ERROR 102 Unable to send\nReason: bob has left\n\n",
    );
    await screen.until(
      /alice: hello\n! ERROR 102 Unable to send: bob has left[^\n]*\n(.*\n)?\* Not sent: @bob: are you there\?\n… @bob: long/,
    );

    await peer.say("ERROR 117 Removed\nReason: out\n\n");
    peer.hangUp();
    const shown = await screen.until("code 5");
    assertMatch(shown, /^\* Not answered: @bob: long/m);
    assertMatch(shown, /^\* Not sent: \/who$/m);
    assertMatch(shown, /^\* Not sent: half$/m);
  },
);

const LEAVES: Record<string, [code: number, go: Go]> = {
  "/quit": [0, (screen) => screen.line("/quit")],
  "Ctrl-D": [0, (screen) => screen.keys("C-d")],
  "Ctrl-C": [130, (screen) => screen.keys("C-c")],
};

for (const [how, [code, go]] of Object.entries(LEAVES)) {
  tmuxTest(
    `${how} ends the client at once while the server is gone`,
    async () => {
      const server = quietServer(lastingPort());
      await using screen = await TmuxScreen.open();
      await screen.client("alice", `127.0.0.1:${server.port}`);
      await screen.until("#default>");
      await server[Symbol.asyncDispose]();
      await screen.until("#default (offline)>");
      await screen.line("unsaid");
      await screen.until(/^… unsaid$/m);

      await go(screen);

      const shown = await screen.until(`code ${code}`);
      const told = "* 1 queued message not sent\n* Not sent: unsaid\n";
      assert(shown.includes(told), shown);
    },
  );
}
