/** A database that 16bfe57 wrote opens unchanged, with all that is in it. */
import { assertEquals, assertMatch } from "@std/assert";
import { begin, logIn } from "../../tools/account_tools.ts";
import {
  forward,
  headerOf,
  RawClient,
  sent,
  steady,
} from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

const FILE = new URL("../../fixtures/16bfe57/parley.db", import.meta.url);
const DAVES_TOKEN = "218ba00d822cac9afcbc148524baf66c";

/** The messages of the file do not grow old. */
const FOREVER = { forMs: Infinity, messages: Infinity };

/** Today's server on a copy of the file. */
async function open(folder: string) {
  const db = `${folder}/parley.db`;
  await Deno.copyFile(FILE, db);
  return startTestServer({ db, keep: FOREVER, lockoutMs: Infinity });
}

Deno.test("a file of 16bfe57 has its messages, and its ids go on", async () => {
  using folder = tempFolder();
  await using server = await open(folder.path);
  using eve = await RawClient.enter(server.port, "eve", "#LAB");

  await eve.send("HISTORY #lab\n\n");
  const history = (await eve.frames(4)).map(steady);
  await eve.say("#lab", "new");

  assertEquals(history, [
    forward("alice", "#lab", 1, "h\u{e9}llo"),
    forward("alice", "#lab", 2, "one"),
    forward("alice", "#lab", 3, "two\n2"),
    "HISTORY #lab\nCount: 3\n\n",
  ]);
  assertEquals(steady(await eve.frame()), sent("#lab", 6, 0));
});

Deno.test("a file of 16bfe57 has its accounts, what they missed, and a lock", async () => {
  using folder = tempFolder();
  await using server = await open(folder.path);

  using alice = await logIn(server.port, "alice");
  const missed = await alice.client.frame();
  using locked = await RawClient.connect(server.port);
  const refused = await locked.ask(
    "LOGIN carol\nContent-length: 32\n\nn,,n=carol,r=fyko+d2lbbFgONRv9qkxdawL",
  );
  await server.console.run("unblock carol");
  using unlocked = await RawClient.connect(server.port);
  const { prove } = await begin(unlocked, "carol");

  assertMatch(alice.answer, /^REGISTERED alice\n/);
  assertEquals(
    steady(missed),
    forward("Bob", "alice", 5, "while you were away"),
  );
  assertMatch(refused, /^ERROR 112 Locked out\n/);
  assertMatch(await unlocked.ask(prove), /^REGISTERED carol\n/);
});

Deno.test("a file of 16bfe57 has its bans, and a session to be resumed", async () => {
  using folder = tempFolder();
  await using server = await open(folder.path);
  using mallory = await RawClient.connect(server.port);
  using dave = await RawClient.connect(server.port);

  const refused = await mallory.ask("REGISTER mallory\n\n");
  const bans = await server.console.run("bans");
  const resumed = await dave.ask(
    `REGISTER dave\nToken: ${DAVES_TOKEN}\nAfter: 5\n\n`,
  );

  assertMatch(refused, /^ERROR 117 Removed\n[^]*mallory[^]*spam/);
  assertMatch(bans, /203\.0\.113\.9 .* floods/);
  assertEquals(headerOf(resumed, "Token"), DAVES_TOKEN);
});
