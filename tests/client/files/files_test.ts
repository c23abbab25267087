/** Files as a person deals with them: what is shown, asked and answered. */
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { EXIT, Failure } from "../../../client/view/failure.ts";
import { Files, type FilesParts } from "../../../client/files/files.ts";
import { PeerFiles } from "../../../client/files/peer_files.ts";
import type { Announced } from "../../../client/files/transfer.ts";
import type { Clock } from "../../../core/net/backoff.ts";
import { snapshot, Wire, writeFiles } from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

const OVER = new Failure(EXIT.failed, "The direct session is over");

/** Somebody with a screen of 60 columns, on which everything is kept. */
class Person {
  readonly files: Files;
  readonly lines: string[] = [];
  readonly drawn: (readonly string[])[] = [];
  ticks: (() => void)[] = [];
  now = 0;
  #shown = Promise.withResolvers<void>();

  constructor(me: string, folder: string, parts: Partial<FilesParts> = {}) {
    const clock: Clock = {
      now: () => this.now,
      sleep: () => Promise.reject(new Error("nobody sleeps")),
      every: (_, task) => {
        this.ticks.push(task);
        return {
          [Symbol.dispose]: () => {
            this.ticks = this.ticks.filter((one) => one !== task);
          },
        };
      },
    };
    this.files = new Files({
      me,
      folder,
      show: (item) => {
        if ("text" in item) this.lines.push(`${item.kind}: ${item.text}`);
        this.#shown.resolve();
      },
      draw: (rows) => this.drawn.push(rows),
      columns: () => 60,
      clock,
      ...parts,
    });
  }

  /** Accepts an offer. */
  async accept(wanted: number): Promise<void> {
    const { offers } = this.files.transfers;
    await this.files.accept(offers.find(({ number }) => number === wanted)!);
  }

  /** Waits until a line with `text` was shown, and gives it. */
  async until(text: string): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => line.includes(text));
      if (found !== undefined) return found;
      await this.#shown.promise;
      this.#shown = Promise.withResolvers();
    }
  }

  tick(ms: number): void {
    this.now += ms;
    for (const task of this.ticks) task();
  }
}

/** Connects two, until the end of the scope. */
function connected(alice: PeerFiles, bob: PeerFiles): AsyncDisposable {
  const fail = (error: Error): never => {
    throw error;
  };
  const toBob = new Wire((record) => bob.receive(record), fail);
  const toAlice = new Wire((record) => alice.receive(record), fail);
  const lost = () => {
    throw OVER;
  };
  alice.connect((record) => toBob.say(record).catch(lost));
  bob.connect((record) => toAlice.say(record).catch(lost));
  return {
    async [Symbol.asyncDispose]() {
      toBob.cut();
      toAlice.cut();
      await Promise.all([alice.end(OVER), bob.end(OVER)]);
      await Promise.all([toBob.done, toAlice.done]);
    },
  };
}

Deno.test("an offer is shown with its size and the room, accepted, and told when it is there", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.pdf": 3_400_000 });
  const alice = new Person("alice", to.path);
  const bob = new Person("bob", to.path);
  const toBob = new PeerFiles(alice.files.transfers, "bob");
  await using _line = connected(
    toBob,
    new PeerFiles(bob.files.transfers, "alice"),
  );

  const outgoing = await alice.files.find([`${from.path}/notes.pdf`]);
  const transfer = alice.files.send(toBob, outgoing);
  assertMatch(
    await bob.until("offers"),
    /^note: alice offers notes\.pdf \(3\.4 MB; [\d.]+ [kMGT]B free\)$/,
  );
  await bob.until("Type /accept 1 or /decline 1");
  await bob.accept(1);
  await transfer.ended;

  await bob.until("Received notes.pdf from alice (3.4 MB in 1s)");
  await bob.until(`  ${join(to.path, "notes.pdf")}`);
  await alice.until("Sent notes.pdf to bob (3.4 MB in 1s)");
  assertEquals(snapshot(to.path), snapshot(from.path));
  assertEquals([alice.ticks, bob.ticks], [[], []]);
  assertEquals(bob.drawn.at(-1), []);
});

Deno.test("an offer of several files names them", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 1, "b/c": 20, "b/d": 30 });
  const alice = new Person("alice", to.path);
  const bob = new Person("bob", to.path);
  const toBob = new PeerFiles(alice.files.transfers, "bob");
  await using _line = connected(
    toBob,
    new PeerFiles(bob.files.transfers, "alice"),
  );

  const paths = [`${from.path}/a`, `${from.path}/b`];
  alice.files.send(toBob, await alice.files.find(paths));
  await bob.until("/decline 1");

  assertMatch(bob.lines[0]!, /alice offers a and 1 more \(3 files, 51 B; /);
  assertEquals(bob.lines.slice(1, 3), ["note:   a  1 B", "note:   b  50 B"]);
});

Deno.test("names of blank braille are seen in an offer", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "\u2800": 1, "\u2800\u2800": 2 });
  const alice = new Person("alice", to.path);
  const bob = new Person("bob", to.path);
  const toBob = new PeerFiles(alice.files.transfers, "bob");
  await using _line = connected(
    toBob,
    new PeerFiles(bob.files.transfers, "alice"),
  );

  const paths = [`${from.path}/\u2800`, `${from.path}/\u2800\u2800`];
  alice.files.send(toBob, await alice.files.find(paths));
  await bob.until("/decline 1");

  assertMatch(bob.lines[0]!, /offers <U\+2800> and 1 more/);
  assertEquals(bob.lines.slice(1, 3), [
    "note:   <U+2800>  1 B",
    "note:   <U+2800><U+2800>  2 B",
  ]);
});

Deno.test("an offer that is declined is told to both", async () => {
  using from = tempFolder();
  writeFiles(from.path, { a: 1 });
  const alice = new Person("alice", from.path);
  const bob = new Person("bob", from.path);
  const toBob = new PeerFiles(alice.files.transfers, "bob");
  await using _line = connected(
    toBob,
    new PeerFiles(bob.files.transfers, "alice"),
  );

  alice.files.send(toBob, await alice.files.find([`${from.path}/a`]));
  await bob.until("/decline 1");
  bob.files.cancel(1);

  assertEquals(await bob.until("error"), "error: a from alice: you declined");
  assertEquals(await alice.until("error"), "error: a to bob: bob declined");
  bob.files.cancel(1);
  await bob.until("Cannot cancel 1: there is no such transfer");
});

for (
  const [what, told] of [
    ["name", { name: "b", size: 5, files: 1 }],
    ["size", { name: "a", size: 4, files: 1 }],
    ["number", { name: "a", size: 5, files: 2 }],
  ] as const satisfies readonly [string, Announced][]
) {
  Deno.test(`a server that changes the ${what} of an offer is noticed`, async () => {
    using from = tempFolder();
    writeFiles(from.path, { a: 5 });
    const alice = new Person("alice", from.path);
    const bob = new Person("bob", `${from.path}/to`);
    const toBob = new PeerFiles(alice.files.transfers, "bob");
    await using _line = connected(
      toBob,
      new PeerFiles(bob.files.transfers, "alice", told),
    );

    alice.files.send(toBob, await alice.files.find([`${from.path}/a`]));

    await bob.until("the server changed it, and the offer is declined");
    await alice.until("a to bob: bob declined");
    assertEquals(Object.keys(snapshot(from.path)), ["a"]);
  });
}

Deno.test("what the server said, and was right, needs no second answer; what follows does", async () => {
  using from = tempFolder();
  writeFiles(from.path, { a: 5, b: 6 });
  const alice = new Person("alice", from.path);
  const bob = new Person("bob", `${from.path}/to`);
  const toBob = new PeerFiles(alice.files.transfers, "bob");
  const told = { name: "a", size: 5, files: 1 };
  await using _line = connected(
    toBob,
    new PeerFiles(bob.files.transfers, "alice", told),
  );

  for (const name of ["a", "b"]) {
    alice.files.send(toBob, await alice.files.find([`${from.path}/${name}`]));
  }

  await alice.until("Sent a to bob");
  await bob.until("alice offers b");
  assert(!bob.lines.some((line) => line.includes("offers a")));
});

Deno.test("an offer for which there is no room is told so, and not accepted", async () => {
  using from = tempFolder();
  const huge = await Deno.open(`${from.path}/huge`, {
    create: true,
    write: true,
  });
  await huge.truncate(2 ** 43); // sparse
  huge.close();
  const alice = new Person("alice", from.path);
  const bob = new Person("bob", from.path);
  const toBob = new PeerFiles(alice.files.transfers, "bob");
  await using _line = connected(
    toBob,
    new PeerFiles(bob.files.transfers, "alice"),
  );

  alice.files.send(toBob, await alice.files.find([`${from.path}/huge`]));

  assertMatch(
    await bob.until("offers"),
    /huge \(8\.8 TB; no room: [\d.]+ [kMGT]?B free\)$/,
  );
  await bob.until("/accept 1");
  await bob.accept(1);
  assertMatch(
    await bob.until("Cannot accept"),
    /^error: Cannot accept huge: it needs 8\.8 TB, and .* has room for .* Make room and \/accept 1 again, or \/decline 1$/,
  );
  assertEquals(bob.files.transfers.offers.map(({ number }) => number), [1]);
});

Deno.test("transfers have a bar each; where nothing is drawn, a line now and then", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { a: 9_000_000 });
  const alice = new Person("alice", to.path);
  const bob = new Person("bob", to.path, { draw: undefined });
  const toBob = new PeerFiles(alice.files.transfers, "bob");
  const line = connected(toBob, new PeerFiles(bob.files.transfers, "alice"));
  const outgoing = await alice.files.find([`${from.path}/a`]);
  const transfer = alice.files.send(toBob, outgoing);
  await bob.until("/accept 1");

  alice.tick(250);
  alice.files.showAll();
  bob.files.showAll();
  await bob.accept(1);
  bob.tick(10_000);
  await line[Symbol.asyncDispose]();
  await transfer.settled;

  assertEquals(alice.drawn[0], []);
  assertEquals(
    await alice.until("waiting"),
    "note: [1] a to bob: waiting for bob to accept",
  );
  await bob.until("[1] a from alice: waiting for you to accept");
  await bob.until("[1] a from alice: 0%, 0 B of 9 MB");
  await alice.until("a to bob: The direct session is over");
});
