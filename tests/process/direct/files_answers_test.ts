/** Answers to several calls and offers of files, between real clients. */
import { assertEquals } from "@std/assert";
import { quietServer, terminal } from "../../tools/client_tools.ts";
import { connectDirectly } from "../../tools/direct_tools.ts";
import { snapshot, writeFiles } from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

Deno.test("of several offers in a session, a name answers all and a number one", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "a.txt": 1, "b.txt": 2, "c.txt": 3 });
  await using server = quietServer();
  await using bob = await terminal("bob", server.port);
  await using alice = await terminal(
    ...["alice", server.port, "--downloads", to.path] as const,
  );
  await connectDirectly(alice, bob);

  for (const name of ["a", "b", "c"]) {
    await bob.type(`/send alice ${from.path}/${name}.txt\n`);
  }
  for (const number of [1, 2, 3]) await alice.until(`Type /accept ${number}`);
  await alice.type("/accept\n");
  await alice.until(
    "* Which one? /accept 1 (a.txt from bob), /accept 2 (b.txt from bob), " +
      "/accept 3 (c.txt from bob)",
  );
  await alice.type("/decline 2\n");
  await bob.until("! b.txt to alice: alice declined");
  await alice.type("/accept bob\n");
  for (const name of ["a", "c"]) await bob.until(`Sent ${name}.txt to alice`);
  await alice.type("/accept bob\n");
  await alice.until("* There is no call and no offer to answer");

  assertEquals(Object.keys(snapshot(to.path)), ["a.txt", "c.txt"]);
});

Deno.test("each offer rings, and a decline is for what was shown", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "a.txt": 1, "b.txt": 2, "c.txt": 3, "d.txt": 4 });
  await using server = quietServer();
  await using bob = await terminal("bob", server.port);
  await using carol = await terminal("carol", server.port);
  await using alice = await terminal(
    ...["alice", server.port, "--downloads", to.path] as const,
  );

  await bob.type(`/send alice ${from.path}/a.txt\n`);
  await alice.until("bob offers a.txt (1 B; ");
  await alice.until("Type /accept bob or /decline bob");
  await bob.type(`/send alice ${from.path}/b.txt\n`);
  await alice.until("bob offers b.txt (2 B; ");
  await alice.until(
    "Type /accept 2 or /decline 2; /accept bob or /decline bob for all",
  );
  await carol.type(`/send alice ${from.path}/c.txt\n`);
  await alice.until("Type /accept carol or /decline carol");
  await alice.type("/decline\n");
  await alice.until(
    "* Which one? /decline 1 (a.txt from bob), /decline 2 (b.txt from bob), " +
      "/decline 3 (c.txt from carol)",
  );
  await alice.type("/accept 2\n");
  await bob.until("Sent b.txt to alice");
  await bob.type(`/send alice ${from.path}/d.txt\n`);
  await alice.until("bob offers d.txt (4 B; ");
  await alice.type("/decline bob\n");
  for (const name of ["a", "d"]) {
    await alice.until(`You declined ${name}.txt from bob`);
    await bob.until(`! ${name}.txt to alice: alice declined: not now`);
  }
  await alice.type("/accept\n");
  await carol.until("Sent c.txt to alice");

  assertEquals(Object.keys(snapshot(to.path)), ["b.txt", "c.txt"]);
});

Deno.test("a user who is called like the number of an offer is not taken for it", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "a.txt": 1, "b.txt": 2 });
  await using server = quietServer();
  await using bob = await terminal("bob", server.port);
  await using one = await terminal("1", server.port);
  await using alice = await terminal(
    ...["alice", server.port, "--downloads", to.path] as const,
  );

  await bob.type(`/send alice ${from.path}/a.txt\n`);
  await alice.until("Type /accept bob or /decline bob");
  await one.type(`/send alice ${from.path}/b.txt\n`);
  await alice.until("Type /accept 2 or /decline 2");
  await alice.type("/accept 1\n");
  await alice.until(
    "* Which one? /accept bob (a.txt from bob), /accept 2 (b.txt from 1)",
  );
  await alice.type("/accept 2\n");
  await one.until("Sent b.txt to alice");
  await alice.type("/accept 1\n");
  await bob.until("If alice sees another code, /cancel.");
  await bob.until("Sent a.txt to alice");
  await one.type("/call alice\n");
  await alice.until("/accept 3 or /decline 3");
  await alice.type("/accept 3\n");
  await one.until("Direct session with alice");

  assertEquals(Object.keys(snapshot(to.path)), ["a.txt", "b.txt"]);
});
