/** Files between a page of `client.ts --gui` and terminals. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { SharedFolder } from "../../client/files/file_source.ts";
import { quietServer, terminal } from "../tools/client_tools.ts";
import { hashOf, noise, snapshot, writeFiles } from "../tools/file_tools.ts";
import { openAddress, PagePlayer, servePage } from "../tools/page_player.ts";
import { tempFolder } from "../tools/temp.ts";

Deno.test("what is dropped on the page arrives at a terminal, whole", async () => {
  using to = tempFolder();
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port, "--downloads", to.path);
  const photo = noise(3_000_000);

  alice.drop("bob", { "my photo.jpg": photo });
  await bob.until("alice offers my photo.jpg (3 MB; ");
  const card = alice.cards.get(await alice.card("waiting"));
  await bob.type("/accept\n");
  await bob.until("Received my photo.jpg from alice (3 MB in ");
  await alice.told("Sent my photo.jpg to bob (3 MB in ");
  await alice.until(
    "the drop is forgotten",
    () => alice.needed === 0 || undefined,
  );

  assertEquals(card?.text, "3 MB; waiting for bob to accept");
  assertEquals(snapshot(to.path), { "my photo.jpg": hashOf(photo) });
  assertEquals(alice.cards.size, 0);
});

Deno.test("a folder is dropped with all that is in it, empty things too", async () => {
  using to = tempFolder();
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port, "--downloads", to.path);
  const [a, b] = [noise(70_000), noise(300_001)];

  alice.drop("bob", {
    "trip/a.jpg": a,
    "trip/day 2/b.jpg": b,
    "trip/nothing.txt": new Uint8Array(),
    "trip/later/": new Uint8Array(),
    "list.txt": new Uint8Array([10]),
  });
  await bob.until("alice offers trip/ and 1 more (5 files, ");
  await bob.type("/accept\n");
  await bob.until("Received trip/ and 1 more from alice (5 files, ");

  assertEquals(snapshot(to.path), {
    "list.txt": hashOf(new Uint8Array([10])),
    "trip/": "",
    "trip/a.jpg": hashOf(a),
    "trip/day 2/": "",
    "trip/day 2/b.jpg": hashOf(b),
    "trip/later/": "",
    "trip/nothing.txt": hashOf(new Uint8Array()),
  });
});

Deno.test("what a terminal offers is shown, accepted and received", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.pdf": 1_000_000 });
  await using server = quietServer();
  await using page = servePage({ folder: to.path });
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port);

  await bob.type(`/send alice ${from.path}/notes.pdf\n`);
  const offer = await alice.card("offered");
  const { title, peer, text = "" } = alice.cards.get(offer) ?? {};
  alice.say({ type: "accept", transfer: offer });
  await bob.until("Sent notes.pdf to alice (1 MB in ");
  const { peer: teller } = await alice.told(
    `: ${to.path}/notes.pdf`,
  );

  assertEquals([title, peer, teller], ["notes.pdf", "bob", "bob"]);
  assertMatch(text, /^1 MB; .+ free$/);
  assertEquals(snapshot(to.path), snapshot(from.path));
  assertEquals(alice.cards.size, 0);
});

Deno.test("a second file in the same session is asked about as well", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 10, b: 20 });
  await using server = quietServer();
  await using page = servePage({ folder: to.path });
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port);

  await bob.type(`/send alice ${from.path}/a\n`);
  const first = await alice.card("offered");
  await bob.type(`/send alice ${from.path}/b\n`);
  await bob.until("Offering b (20 B) to alice");
  alice.say({ type: "accept", transfer: first });
  await alice.told("Received a from bob (10 B in ");
  const second = await alice.card("offered");
  alice.say({ type: "accept", transfer: second });
  await alice.told("Received b from bob (20 B in ");

  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("offers are declined, either way, and both are told", async () => {
  using from = tempFolder();
  writeFiles(from.path, { a: 10 });
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port);

  await bob.type(`/send alice ${from.path}/a\n`);
  alice.say({ type: "end", transfer: await alice.card("offered") });
  await bob.until("! a to alice: alice declined: not now");
  alice.drop("bob", { x: noise(10) });
  await bob.until("/decline alice");
  await bob.type("/decline\n");
  const told = await alice.told("x to bob: bob declined: not now");
  alice.drop("carol", { x: noise(10) });
  await alice.told('x to carol: no user "carol" is connected');
  alice.drop("ALICE", { x: noise(10) });
  await alice.told("Cannot send to yourself");
  alice.drop("bob", { "x/../../y": noise(10) });
  await alice.told('Cannot send "x/../../y": the path is too long or too deep');
  alice.drop("bob", {});
  await alice.told("Cannot send an empty list of files");

  assert(told.failed);
  assertEquals([alice.cards.size, alice.needed], [0, 0]);
});

Deno.test("who takes an offer back, or is gone, is told of on the page", async () => {
  using from = tempFolder();
  writeFiles(from.path, { a: 10 });
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port);

  await bob.type(`/send alice ${from.path}/a\n`);
  await alice.card("offered");
  await bob.type("/cancel\n");
  await alice.told("bob ended the offer: ");

  assertEquals(alice.cards.size, 0);
});

Deno.test("a transfer is cancelled on the page while it runs", async () => {
  using to = tempFolder();
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port, "--downloads", to.path);

  alice.drop("bob", { big: noise(60_000_000) });
  await bob.until("/accept alice");
  await bob.type("/accept\n");
  alice.say({ type: "end", transfer: await alice.card("moving") });
  await alice.told("big to bob: you cancelled it");
  await bob.until("! big from alice: alice cancelled it");
  alice.drop("bob", { small: noise(10) });
  await bob.until("alice offers small");
  await bob.type("/accept\n");
  await alice.told("Sent small to bob (10 B in ");
});

Deno.test("an offer is taken back just when it is accepted, and both are told", async () => {
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port);

  alice.drop("bob", { x: noise(10) });
  await bob.until("/accept alice");
  await bob.type("/accept\n");
  await bob.until("Connecting to alice directly");
  alice.say({ type: "end", transfer: await alice.card("waiting") });
  await alice.told("x to bob: you cancelled it");
  // Whichever it was: they had met, were about to, or x was offered there.
  await Promise.race([
    bob.until("alice ended the direct session"),
    bob.until("alice ended the offer"),
    bob.until("x from alice: alice cancelled it"),
  ]);

  assertEquals([alice.cards.size, alice.needed], [0, 0]);
});

Deno.test("the page is told of each transfer how far it is", async () => {
  using to = tempFolder();
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  const downloads = ["--downloads", to.path];
  await using bob = await terminal("bob", server.port, ...downloads);
  await using carol = await terminal("carol", server.port, ...downloads);
  const big = noise(100_000_000);

  alice.drop("bob", { "for bob": big });
  alice.drop("carol", { "for carol": big });
  for (const person of [bob, carol]) {
    await person.until("/accept alice");
    await person.type("/accept\n");
  }
  for (const title of ["for bob", "for carol"]) {
    const parts = await alice.until(`${title} moves`, () => {
      const told = alice.heard.filter((one) => one.type === "transfer")
        .filter((one) => one.title === title && one.state === "moving");
      return told.length > 1 ? told.map(({ part }) => part) : undefined;
    });
    assertEquals(parts, parts.toSorted((a, b) => a - b));
  }
});

Deno.test("a page that goes ends what it sends, and the other side is told", async () => {
  using to = tempFolder();
  await using server = quietServer();
  await using page = servePage();
  await using bob = await terminal("bob", server.port, "--downloads", to.path);

  {
    await using alice = await PagePlayer.enter(page, server.port, "alice");
    alice.drop("bob", { big: noise(60_000_000) });
    await bob.until("/accept alice");
    await bob.type("/accept\n");
    await alice.card("moving");
  }

  await bob.until("! big from alice: ");
  await bob.type("still here\n");
  await bob.until("bob: still here");
});

Deno.test("a file that the page has no more ends its transfer for both", async () => {
  using to = tempFolder();
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port, "--downloads", to.path);

  alice.drop("bob", { gone: null });
  await bob.until("/accept alice");
  await bob.type("/accept\n");
  const why = 'Cannot read "gone": the page no longer has it';
  await bob.until(`! gone from alice: ${why}`);
  await alice.told(`gone to bob: ${why}`);
});

Deno.test("a file of a dropped folder that the page has no more does not end the others", async () => {
  using to = tempFolder();
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port, "--downloads", to.path);
  const photo = noise(300_000);

  alice.drop("bob", { "trip/a": photo, "trip/b": null, "trip/c": photo });
  await bob.until("/accept alice");
  await bob.type("/accept\n");
  const why = 'annot read "trip/b": the page no longer has it';
  await bob.until(`! alice c${why}`);
  await alice.told(`C${why}`);

  assertEquals(Object.keys(snapshot(to.path)), ["trip/", "trip/a", "trip/c"]);
  assertMatch(bob.out, /Received trip\/ from alice in \d+s, but for 1 that/);
});

Deno.test("a terminal gets what --gui --share shares, and nothing of a page without", async () => {
  using shared = tempFolder();
  using to = tempFolder();
  writeFiles(shared.path, { "a.txt": 5_000 });
  await using server = quietServer();
  await using page = servePage({
    shared: await SharedFolder.open(shared.path),
  });
  await using plain = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using carol = await PagePlayer.enter(plain, server.port, "carol");
  await using bob = await terminal("bob", server.port, "--downloads", to.path);

  await bob.type("/get alice a.txt\n");
  await bob.until("Received a.txt from alice (5 kB in ");
  await alice.told("bob gets a.txt from your shared folder");
  await bob.type("/get carol a.txt\n");
  await bob.until(
    "a.txt from carol: carol declined: this user shares no files",
  );

  assertEquals(snapshot(to.path), snapshot(shared.path));
  assertEquals(carol.cards.size, 0);
});

Deno.test("with --no-listen nobody offers files, and the page may", async () => {
  using from = tempFolder();
  writeFiles(from.path, { a: 10 });
  await using server = quietServer();
  await using page = servePage({ listens: false });
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  await using bob = await terminal("bob", server.port);

  await bob.type(`/send alice ${from.path}/a\n`);
  await bob.until("! a to alice: alice declined: this user takes no calls");
  alice.drop("bob", { x: noise(10) });
  await bob.until("alice offers x");

  assertEquals(alice.heard.filter(({ type }) => type === "told"), []);
});

Deno.test("what is posted is refused", async () => {
  await using server = quietServer();
  await using page = servePage();
  await using alice = await PagePlayer.enter(page, server.port, "alice");
  const bytes = new Uint8Array(100_000);

  const statuses = [
    await alice.post("/files", bytes),
    await alice.post("/", bytes),
    await alice.post("/files", bytes, { Cookie: "" }),
  ];

  assertEquals(statuses, [403, 405, 403]);
  assertEquals((await openAddress(page)).cookie, ""); // it is good once
});

for (
  const nonsense of ["{", "1", "{}", '{"type":"toString"}', '{"type":"send"}']
) {
  Deno.test(`a page that says ${nonsense} is hung up on`, async () => {
    await using server = quietServer();
    await using page = servePage();
    await using alice = await PagePlayer.enter(page, server.port, "alice");

    alice.sayNonsense(`${nonsense}\n`);

    await alice.closed();
  });
}
