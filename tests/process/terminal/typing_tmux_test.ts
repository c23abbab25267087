/** Keys, pastes and wide letters on a real terminal. */
import { assert, assertEquals } from "@std/assert";
import { quietServer, TmuxScreen } from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

/** Alice on a terminal, and bob, who gets what is really sent. */
class Pair implements AsyncDisposable {
  readonly screen: TmuxScreen;
  readonly bob: RawClient;
  readonly #server: ReturnType<typeof quietServer>;

  private constructor(
    screen: TmuxScreen,
    bob: RawClient,
    server: ReturnType<typeof quietServer>,
  ) {
    this.screen = screen;
    this.bob = bob;
    this.#server = server;
  }

  static async meet(columns: number, ...options: string[]): Promise<Pair> {
    const server = quietServer();
    const bob = await RawClient.enter(server.port, "bob", "#default");
    const screen = await TmuxScreen.open(columns);
    await screen.client("alice", `127.0.0.1:${server.port}`, ...options);
    await bob.next("NOTICE joined");
    await screen.until(/#default> ?$|you joined #default/);
    return new Pair(screen, bob, server);
  }

  /** The next message of alice, without its head. */
  async heard(): Promise<{ to: string; text: string }> {
    const frame = await this.bob.next("FORWARD alice");
    const end = frame.indexOf("\n\n");
    const to = /^To: (.*)$/m.exec(frame.slice(0, end))![1]!;
    return { to, text: frame.slice(end + 2) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.screen[Symbol.asyncDispose]();
    this.bob.close();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** What a user sees as one character. */
const THINGS: Record<string, string> = {
  "a family": "👨‍👩‍👧‍👦",
  "a flag": "🇫🇷",
  "a skin tone": "👍🏽",
  "a decomposed é": "e\u0301",
  "a syllable of jamo": "\u1112\u1161\u11ab",
  "an Arabic letter with a vowel": "\u0628\u0650",
};

tmuxTest("a key acts on what a user sees as one character", async () => {
  await using pair = await Pair.meet(80);
  const { screen } = pair;
  await screen.until("#default>");

  for (const [what, thing] of Object.entries(THINGS)) {
    await screen.type(`x${thing}`);
    await screen.keys("BSpace");
    await screen.type(`${thing}z`);
    await screen.keys("Left", "Left");
    await screen.type("y");
    await screen.keys("Right");
    await screen.type("!");
    await screen.keys("Home", "Right", "Right", "DC", "End", "Enter");

    assertEquals((await pair.heard()).text, "xy!z", what);
  }
});

const PASTES = [
  "// main.c\nint main(void);\n",
  "@Override\n\tpublic String toString()",
  "/quit\nis how to leave",
  "\u200fשלום\nthe flag of Scotland: 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
  "so\u00adft\nand\u200bhidden\ufeff",
  "a ␤ and a ␉\n\nstay",
  "  indented\n\tby a tab",
];

for (const options of [[], ["--plain"]]) {
  tmuxTest(
    `a paste of several lines is one message, byte for byte (${options})`,
    async () => {
      await using pair = await Pair.meet(80, ...options);
      const { screen } = pair;

      for (const text of PASTES) {
        await screen.paste(text);
        await screen.keys("Enter");
        assertEquals(await pair.heard(), { to: "#default", text });
      }
      await screen.type("\u2800");
      await screen.paste("@bob: x\ny");
      await screen.keys("Enter");
      assertEquals((await pair.heard()).to, "#default");
      await screen.type("@bob: ");
      await screen.paste("\tone\n/two\n");
      await screen.keys("Enter");
      assertEquals(await pair.heard(), { to: "bob", text: "\tone\n/two\n" });
      await screen.paste("@bob: copied as a whole line\n");
      await screen.keys("Enter");
      assertEquals((await pair.heard()).to, "bob");
    },
  );
}

tmuxTest("a wide letter at the edge leaves no stale row", async () => {
  await using pair = await Pair.meet(40);
  const { screen, bob } = pair;
  await screen.until("#default>");
  const first = "0123456789".repeat(3).slice(7); // up to the last column

  await screen.type(`${first}漢字👩‍🚀`);
  await screen.until(/漢字/);
  for (const text of ["one", "two"]) {
    await bob.say("#default", text);
    await screen.until(`bob: ${text}\nalice #default> ${first}`);
  }
  await screen.keys("BSpace", "BSpace", "BSpace");
  await screen.until(new RegExp(`#default> ${first}$`));
  await screen.type("x");
  await screen.until(new RegExp(`#default> ${first}x$`));
  await screen.type("y");
  await screen.until(new RegExp(`#default> ${first}x\ny$`));
  await screen.keys("BSpace", "BSpace", "Enter");

  assertEquals((await pair.heard()).text, first);
  const all = await screen.everything();
  assertEquals(all.match(/#default> ?/g)?.length, 1, all);
  assertEquals(all.match(/漢/g), null, all);
});

tmuxTest("a huge paste that is not sent is drawn in part", async () => {
  await using pair = await Pair.meet(80);
  const { screen, bob } = pair;
  await screen.until("#default>");
  const text = Array.from({ length: 300 }, (_, i) => `line ${i} of the file`)
    .join("\n");

  await screen.paste(text);
  await screen.until("line 299 of the file");
  for (let i = 0; i < 5; i++) {
    await bob.say("#default", `message ${i}`);
    await screen.until(`bob: message ${i}\n`);
  }
  await screen.keys("Home");
  await screen.until("#default> line 0 of the file␤line 1 of");
  await screen.keys("End");
  await screen.until(/line 299 of the file$/);

  const all = await screen.everything();
  assertEquals(all.match(/line 299 of the file/g)?.length, 1, all);
  await screen.keys("Enter");
  assertEquals((await pair.heard()).text, text);
});

tmuxTest("a terminal of one column is survived", async () => {
  await using pair = await Pair.meet(60);
  const { screen, bob } = pair;
  await screen.until("#default>");
  await screen.type("漢字 and more");
  await screen.until("漢字 and more");

  for (const columns of [1, 2, 60]) {
    await screen.resize(columns);
    await bob.say("#default", `hello at ${columns}`);
    await screen.type(`${columns}`);
  }

  await screen.until(/bob: hello at 60\nalice #default> 漢字 and more1260$/);
  await screen.keys("Enter");
  assertEquals((await pair.heard()).text, "漢字 and more1260");
});

tmuxTest(
  "Ctrl-C clears what is typed, Up brings it back, and on an empty line it quits",
  async () => {
    await using pair = await Pair.meet(80);
    const { screen } = pair;
    await screen.until("#default>");

    await screen.paste("several\nlines");
    await screen.keys("C-c");
    await screen.until(/#default>$/);
    await screen.type("a long text that I want to copy");
    await screen.keys("C-c");
    await screen.until(/#default>$/);
    await screen.keys("Up");
    await screen.until(/#default> a long text that I want to copy$/);
    await screen.keys("Up", "Enter");
    assertEquals((await pair.heard()).text, "several\nlines");

    await screen.type("x");
    await screen.keys("C-c", "C-c");
    await screen.until("code 130");
  },
);

tmuxTest("a copy of an address and of code is right", async () => {
  await using pair = await Pair.meet(40);
  const { screen, bob } = pair;
  await screen.until("#default>");
  const address = `http://127.0.0.1/${"a-long-path/".repeat(10)}?q=1`;
  const code = "for (let i = 0; i < 10; i++) console.log(i, i + i); // to 18";
  const command = "sudo apt-get install -y build-essential git tmux chromium";

  await bob.say("#default", `see ${address} there`);
  await bob.say("#default", `code:\n${code}\n${code}`);
  await bob.say("#default", command);
  await bob.say("#default", "the end");
  await screen.until("bob: the end");

  const all = await screen.everything();
  assert(all.includes(`bob: see ${address} there\n`), all);
  assert(all.includes(`\n  | ${code}\n  | ${code}\n`), all);
  assert(all.includes(`bob: ${command}\n`), all);
});

tmuxTest("why a program ends is wrapped between words", async () => {
  await using screen = await TmuxScreen.open(40);

  await screen.client("alice", "127.0.0.1:1");

  await screen.until(
    "Cannot connect to 127.0.0.1 port 1:\nconnection refused\n" +
      "Check that the server is running, and\nthat this is its port. It prints the\n" +
      "command to connect when it starts.\ncode 3",
  );
  await screen.line(`clear; ${Deno.execPath()} run -A server.ts --port 99999`);
  await screen.until(
    /^Cannot use --port "99999": it must be a\nnumber from 0 to 65535$/m,
  );
});
