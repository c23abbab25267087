/** Files between real clients, on a real server. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import {
  ClientProcess,
  quietServer,
  type Result,
  terminal,
} from "../../tools/client_tools.ts";
import { connectDirectly } from "../../tools/direct_tools.ts";
import { snapshot, writeFiles } from "../../tools/file_tools.ts";
import { Relay } from "../../tools/net/relay.ts";
import { tempFolder } from "../../tools/temp.ts";
import { needs } from "../../tools/system/skips.ts";

/** A client that speaks directly on this computer alone. */
function client(name: string, port: number, ...more: string[]): ClientProcess {
  const host = ["--direct-host", "127.0.0.1"];
  return new ClientProcess([name, `127.0.0.1:${port}`, ...host, ...more]);
}

Deno.test("a file is offered, accepted, and arrives; the chat goes on", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "my notes.pdf": 3_000_000 });
  await using server = quietServer();
  await using alice = await terminal("alice", server.port);
  await using bob = await terminal("bob", server.port, "--downloads", to.path);

  await alice.type(`/send bob "${from.path}/my notes.pdf"\n`);
  await bob.until("alice offers my notes.pdf (3 MB; ");
  await alice.type("take it, bob\n");
  await bob.until("#default alice: take it, bob");
  await bob.type("/accept alice\n");
  await bob.until("Received my notes.pdf from alice (3 MB in ");
  await alice.until("Sent my notes.pdf to bob (3 MB in ");

  assertEquals(snapshot(to.path), snapshot(from.path));
  const ends = await Promise.all([alice.end(), bob.end()]);
  assertEquals(ends.map(({ code, err }) => [code, err]), [[0, ""], [0, ""]]);
});

Deno.test("an offer that is declined, and one to nobody, are told", async () => {
  using from = tempFolder();
  writeFiles(from.path, { a: 1 });
  await using server = quietServer();
  await using alice = await terminal("alice", server.port);
  await using bob = await terminal("bob", server.port);

  await alice.type(`/send bob ${from.path}/a\n`);
  await bob.until("/decline alice");
  await bob.type("/decline\n");
  await bob.until("* You declined a from alice");
  await alice.until("! a to bob: bob declined: not now");
  await alice.type(`/send carol ${from.path}/a\n`);
  await alice.until('! a to carol: no user "carol" is connected');
  await alice.type(`/send bob ${from.path}/none\n`);
  await alice.until(`! Cannot send "${from.path}/none": there is no such file`);
  await alice.type("/files\n");
  await alice.until("* No transfers");
});

Deno.test(
  needs("ulimit", {
    name:
      "what the disk does not take ends the transfer for both; the part stays",
    async fn() {
      using from = tempFolder();
      using to = tempFolder();
      writeFiles(from.path, { a: 30_000_000, b: "b" });
      await using server = quietServer();
      const args = [`127.0.0.1:${server.port}`, "--direct-host", "127.0.0.1"];
      await using alice = await terminal("alice", server.port);
      await using bob = new ClientProcess(
        ["bob", ...args, "--plain", "--downloads", to.path],
        {},
        { fileBlocks: 16_384 }, // 8 or 16 MiB
      );
      await bob.until("you joined #default");

      await alice.type(`/send bob ${from.path}/a\n`);
      await bob.until("/accept alice");
      await bob.type("/accept alice\n");
      const why = 'Cannot write "a": file too large';
      await bob.until(`! a from alice: ${why}`);
      await alice.until(`! a to bob: ${why}`);
      const [part = "", ...others] = Object.keys(snapshot(to.path));
      await alice.type(`/send bob ${from.path}/b\n`);
      await bob.until("alice offers b ");
      await bob.type("/accept alice\n");
      await alice.until("Sent b to bob");

      assertMatch(part, /^a\.[0-9a-f]{8}\.part$/);
      assertEquals(others, []);
    },
  }),
);

Deno.test("in an open session files go over it, both ways, and it stays", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "a/x": 1, b: 2 });
  await using server = quietServer();
  const downloads = ["--downloads", to.path];
  await using alice = await terminal("alice", server.port, ...downloads);
  await using bob = await terminal("bob", server.port, ...downloads);
  await alice.type("/call bob\n");
  await bob.until("alice calls you");
  await bob.type("/accept\n");
  await Promise.all([alice, bob].map((one) => one.until("Compare this")));

  await alice.type(`/send bob ${from.path}/a\n`);
  await bob.until("/accept 1 or /decline 1");
  await bob.type(`/send alice ${from.path}/b\n/accept 1\n`);
  await alice.until("bob offers b");
  await alice.type("/accept 2\n");
  await bob.until("Received a/ from alice");
  await alice.until("Received b from bob");
  await alice.type("/direct that was easy\n");
  await bob.until("alice -> you (direct): that was easy");

  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("in an open session files go on being sent without the server", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 1_000_000 });
  const server = quietServer();
  await using alice = await terminal("alice", server.port);
  await using bob = await terminal("bob", server.port, "--downloads", to.path);
  await alice.type("/call bob\n");
  await bob.until("alice calls you");
  await bob.type("/accept\n");
  await Promise.all([alice, bob].map((one) => one.until("Compare this")));

  await server[Symbol.asyncDispose]();
  await Promise.all([alice, bob].map((one) => one.until("Reconnecting")));
  await alice.type(`/send bob ${from.path}/a\n`);
  await bob.until("/accept 1 or /decline 1");
  await bob.type("/accept\n");
  await alice.until("Sent a to bob (1 MB in ");

  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("whoever was killed and is back can be sent files, though a session waits for them", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 1_000_000 });
  await using server = quietServer();
  await using alice = await terminal("alice", server.port);
  await using killed = await terminal("bob", server.port);
  await connectDirectly(alice, killed);
  killed.kill("SIGKILL");
  await alice.until("Reconnecting to bob");

  await using bob = await terminal("bob", server.port, "--downloads", to.path);
  await alice.type(`/call bob\n/send bob ${from.path}/a\n`);
  await alice.until("/hangup bob ends that session");
  await bob.until("alice offers a");
  await bob.type("/accept\n");
  await alice.until("Sent a to bob (1 MB in ");

  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("a shared folder is listed and got from, and nothing outside of it", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "shared/notes.txt": 7, "secret": 1 });
  await using server = quietServer();
  const share = ["--share", `${from.path}/shared`];
  await using bob = await terminal("bob", server.port, ...share);
  await using alice = await terminal(
    "alice",
    server.port,
    "--downloads",
    to.path,
  );

  await alice.type("/get bob\n");
  await alice.until("bob shares 1 files");
  await alice.until("*   notes.txt  7 B");
  await alice.type("/get bob notes.txt\n");
  await alice.until("Received notes.txt from bob");
  await bob.until("alice gets notes.txt from your shared folder");
  await bob.until("Sent notes.txt to alice");
  await alice.type("/get bob ../secret\n");
  await alice.until(
    '! ../secret from bob: Nothing called "../secret" is shared',
  );
  await bob.type("/get alice\n");
  await bob.until(
    "Cannot list what alice shares: alice declined: this user shares no files",
  );

  assertEquals(Object.keys(snapshot(to.path)), ["notes.txt"]);
});

Deno.test("in pipes, one transfer is sent and received, and both end with 0", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "a b": 2_000_000, "d/e": 5 });
  await using server = quietServer();
  const downloads = ["--downloads", to.path];
  await using bob = client("bob", server.port, "--receive", ...downloads);
  await bob.untilError("Waiting for files");

  const paths = ["a b", "d"].map((name) => `${from.path}/${name}`);
  await using alice = client("alice", server.port, "--send", "bob", ...paths);
  const [a, b] = await Promise.all([alice.end(), bob.end()]);

  assertEquals([a.code, a.out], [0, ""]);
  const places = ["a b", "d"].map((name) => `${join(to.path, name)}\n`);
  assertEquals([b.code, b.out], [0, places.join("")]);
  assertMatch(
    b.err,
    /Received a b and 1 more from alice \(2 files, 2 MB in \d+s\)/,
  );
  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test(needs("file names with a line break", {
  name:
    "what does not arrive of a folder, and each changed name, is told to both, and scripts end with 1",
  fn: async () => {
    using from = tempFolder();
    using to = tempFolder();
    const names = [
      "a",
      ".env",
      "aux.c",
      "می\u200cخواهم",
      "👩\u200d👧.txt",
      "old",
    ];
    const files = names.map((name): [string, number] => [`d/${name}`, 300_000]);
    writeFiles(from.path, Object.fromEntries(files));
    const expected = snapshot(from.path);
    writeFiles(from.path, { "d/locked/x": 1, "d/secret": 2, "d/a\nb": 3 });
    Deno.symlinkSync("a", `${from.path}/d/link`);
    const time = new Date("2001-02-03T04:05:06Z");
    Deno.utimeSync(`${from.path}/d/old`, time, time);
    await using server = quietServer();
    const downloads = ["--downloads", to.path];
    await using bob = client("bob", server.port, "--receive", ...downloads);
    await bob.untilError("Waiting for files");

    const host = ["--direct-host", "127.0.0.1", "--send", "bob"];
    const denied = ["locked", "secret"].map((name) => `${from.path}/d/${name}`);
    await using alice = new ClientProcess(
      ["alice", `127.0.0.1:${server.port}`, ...host, `${from.path}/d`],
      {},
      { permissions: ["-A", `--deny-read=${denied.join()}`] },
    );
    const [a, b] = await Promise.all([alice.end(), bob.end()]);

    assertEquals([a.code, b.code], [1, 1], a.err + b.err);
    assertEquals(b.out, `${join(to.path, "d")}\n`);
    for (
      const [{ err }, cannot] of [[a, "Cannot"], [b, "alice cannot"]] as const
    ) {
      const why = "the program was started without permission for it";
      assert(err.includes(`! ${cannot} read "d/locked": ${why}\n`), err);
      assert(err.includes(`! ${cannot} read "d/secret": ${why}\n`), err);
      assert(
        err.includes(`! ${cannot} send "d/link": it is a link or a device\n`),
        err,
      );
      assert(err.includes("but for 3 that did not arrive\n"), err);
      assert(err.includes('*   "d/a␤b" is called "d/a_b"\n'), err);
    }
    assert(a.err.includes("Names changed on bob's disk:"), a.err);
    assert(b.err.includes("Names changed on this disk:"), b.err);
    const { "d/a_b": _, ...arrived } = snapshot(to.path);
    assertEquals(arrived, { ...expected, "d/locked/": "" });
    assertEquals(Deno.statSync(`${to.path}/d/old`).mtime, time);
  },
}));

Deno.test("in pipes, whoever is not meant is declined, and failures end with 1", async () => {
  using from = tempFolder();
  writeFiles(from.path, { a: 1 });
  await using server = quietServer();
  await using bob = client("bob", server.port, "--receive", "--from", "carol");
  await bob.untilError("Waiting for files");

  const ends: [name: string, result: Result][] = [];
  for (const [user, file] of [["bob", "a"], ["dave", "a"], ["bob", "none"]]) {
    const path = `${from.path}/${file}`;
    await using alice = client("alice", server.port, "--send", user!, path);
    ends.push([`${user} ${file}`, await alice.end()]);
  }

  assertEquals(ends.map(([what, { code }]) => [what, code]), [
    ["bob a", 1],
    ["dave a", 1],
    ["bob none", 1],
  ]);
  assertMatch(
    ends[0]![1].err,
    /! a to bob: bob declined: this user waits for something else/,
  );
  assertMatch(ends[1]![1].err, /! a to dave: no user "dave" is connected/);
  assertMatch(ends[2]![1].err, /! Cannot send ".*none": there is no such file/);
});

Deno.test("the server sees nothing of a file but its name and size", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.txt": "this is between us\n".repeat(1_000) });
  await using server = quietServer();
  await using relay = new Relay(server.port);
  await using alice = await terminal("alice", relay.port);
  await using bob = await terminal("bob", relay.port, "--downloads", to.path);

  await alice.type(`/send bob ${from.path}/notes.txt\n`);
  await bob.until("alice offers notes.txt (19 kB; ");
  await bob.type("/accept\n");
  await alice.until("Sent notes.txt to bob");

  assertEquals(snapshot(to.path), snapshot(from.path));
  assert(relay.seen.includes("Name: notes.txt\nSize: 19000\n"));
  assert(!relay.seen.includes("between us"));
  assert(relay.seen.length < 5_000, `${relay.seen.length} bytes`);
});

for (
  const [what, from, to] of [
    ["size", "Size: 19\n", "Size: 20\n"],
    ["name", "Name: notes.txt\n", "Name: notes.pdf\n"],
  ] as const
) {
  Deno.test(`a server that changes the ${what} of what is offered is noticed`, async () => {
    using folder = tempFolder();
    writeFiles(folder.path, { "notes.txt": 19 });
    await using server = quietServer();
    await using relay = new Relay(
      server.port,
      (text) => text.replace(from, to),
    );
    const downloads = ["--downloads", `${folder.path}/to`];
    await using alice = await terminal("alice", server.port);
    await using bob = await terminal("bob", relay.port, ...downloads);

    await alice.type(`/send bob ${folder.path}/notes.txt\n`);
    await bob.until("alice offers");
    await bob.type("/accept\n");
    await bob.until("the server changed it, and the offer is declined");
    await alice.until("notes.txt to bob: bob declined");

    assertEquals(Object.keys(snapshot(folder.path)), ["notes.txt"]);
  });
}

for (
  const [args, why] of [
    [["a", "h", "--send", "bob"], "Cannot use --send without files"],
    [["a", "h", "--send", "b b", "x"], 'Cannot use --send "b b"'],
    [
      ["a", "h", "--send", "bob", "x", "--receive"],
      "Cannot use --send with --receive",
    ],
    [["a", "h", "--from", "bob"], "Cannot use --from without --receive"],
    [["a", "h", "--downloads="], "Cannot use --downloads without a value"],
    [["a", "h", "--share", "/dev/null"], 'Cannot share "/dev/null"'],
    [["a", "h", "x"], 'Unexpected argument "x"'],
  ] as const
) {
  Deno.test(`"${args.join(" ")}" is a mistake that is explained`, async () => {
    await using one = new ClientProcess([...args]);

    const { code, err } = await one.end();

    assertEquals(code, 2);
    assert(err.startsWith(why), err);
  });
}
