/** What others may try with files, and that none of it works. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BadRecord,
  CONTROL,
  type Control,
  DATA,
  decodeControl,
  FileFailure,
  MAX_FILES,
} from "../../../client/files/records.ts";
import type { PeerFiles } from "../../../client/files/peer_files.ts";
import type { Receiving } from "../../../client/files/receiving.ts";
import type { Bytes } from "../../../core/scram.ts";
import { hashOf, peerFiles, PEOPLE, snapshot } from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

/** Bob, and what a stranger says to him byte for byte. */
class Victim {
  readonly offers: Receiving[] = [];
  readonly answers: Control[] = [];
  #answered = Promise.withResolvers<void>();
  readonly files: PeerFiles = peerFiles({
    offered: (receiving) => void this.offers.push(receiving),
  });

  constructor() {
    this.files.connect((record) => {
      this.answers.push(decodeControl(record));
      this.#answered.resolve();
      return Promise.resolve();
    });
  }

  /** Takes control records as JSON, or `data` of transfer 1. */
  async hear(...records: (object | string)[]): Promise<void> {
    for (const record of records) {
      await this.files.receive(
        typeof record === "string" ? data(record) : json(record),
      );
    }
  }

  /** Accepts an offer of these entries, which begins if it can be kept. */
  async accept(
    folder: string,
    ...entries: object[]
  ): Promise<() => Promise<string>> {
    await this.hear(offer(entries), manifest(entries));
    const accepted = this.offers[0]!.accept({ folder, people: PEOPLE });
    const said = accepted.then(() => "done", (error) => {
      assert(error instanceof FileFailure);
      return error.message;
    });
    await this.#answered.promise;
    if (this.answers[0]?.type === "accept") {
      await this.hear({ type: "begin", transfer: 1, offset: 0 });
    }
    return () => said;
  }
}

function json(value: unknown): Bytes {
  const text = new TextEncoder().encode(JSON.stringify(value));
  return new Uint8Array([CONTROL, ...text]);
}

function data(text: string): Bytes {
  return new Uint8Array([DATA, 0, 0, 0, 1, ...new TextEncoder().encode(text)]);
}

const ID = "0123456789abcdef0123456789abcdef";

function offer(entries: readonly object[], more: object = {}): object {
  const size = entries.reduce(
    (sum, entry) => sum + ("size" in entry ? Number(entry.size) : 0),
    0,
  );
  const files = entries.length;
  return { type: "offer", transfer: 1, id: ID, files, size, ...more };
}

function manifest(entries: readonly object[]): object {
  return { type: "manifest", transfer: 1, entries };
}

function entry(path: string, size = 0, item = 0): object {
  return { item, path, size };
}

const BAD_LISTS: readonly [what: string, ...entries: object[]][] = [
  ["a way up", entry("../x")],
  ["a way up inside", entry("d/../../x")],
  ["an absolute path", entry("/etc/passwd")],
  ["a path that is empty", entry("")],
  ["a dot", entry("./x")],
  ["a NUL", entry("a\0b")],
  ["a negative size", entry("x", -1)],
  ["a size that is no whole number", entry("x", 0.5)],
  ["an absurd size", { item: 0, path: "x", size: 1e300 }],
  ["a size as a text", { item: 0, path: "x", size: "1" }],
  ["a path that is no text", { item: 0, path: ["x"], size: 1 }],
  ["no item", { path: "x", size: 1 }],
  ["an item that nobody counts to", entry("x", 1, 7)],
  ["a file twice", entry("d/x"), entry("d/x")],
  ["a file that is a folder", entry("d/x"), entry("d/x/y")],
  ["a folder that is a file", entry("d/x/y"), entry("d/x")],
  ["two folders as one item", entry("d/x"), entry("e/x")],
  ["a file and a folder as one item", entry("d"), entry("d/x")],
  ["a folder that has bytes", entry("d/", 1)],
  ["an entry that is null", [null] as unknown as object],
];

for (const [what, ...entries] of BAD_LISTS) {
  Deno.test(`a list of files with ${what} is refused`, async () => {
    const bob = new Victim();
    const files = entries.length;
    await bob.hear({ type: "offer", transfer: 1, id: ID, files, size: 0 });

    await assertRejects(() => bob.hear(manifest(entries)), BadRecord);
    assertEquals(bob.offers, []);
  });
}

const BAD_RECORDS: readonly [what: string, ...records: (object | string)[]][] =
  [
    ["no type", {}],
    ["an unknown type", { type: "fly" }],
    ["a type that objects have", { type: "constructor" }],
    ["null", null as unknown as object],
    ["an offer of nothing", offer([])],
    ["an offer of 10^9 files", offer([], { files: 1e9 })],
    ["an offer of one file too many", offer([], { files: MAX_FILES + 1 })],
    ["an offer of a negative size", offer([entry("x")], { size: -1 })],
    ["an offer with a short id", offer([entry("x")], { id: "0" })],
    ["the same offer twice", offer([entry("x")]), offer([entry("x")])],
    [
      "a list that is longer than offered",
      offer([entry("x")]),
      manifest([entry("x"), entry("y", 0, 1)]),
    ],
    [
      "a list that goes on",
      offer([entry("x")]),
      manifest([entry("x")]),
      manifest([entry("y", 0, 1)]),
    ],
    ["a list of nothing", offer([entry("x")]), manifest([])],
    [
      "sizes that do not add up",
      offer([entry("x", 5)]),
      manifest([entry("x", 6)]),
    ],
    [
      "data before they are accepted",
      offer([entry("x", 5)]),
      manifest([entry("x", 5)]),
      "abc",
    ],
    ["a beginning before it is accepted", offer([entry("x", 5)]), {
      type: "begin",
      transfer: 1,
      offset: 0,
    }],
    ["a reason of a megabyte", {
      type: "withdraw",
      transfer: 1,
      reason: "x".repeat(1e6),
    }],
  ];

for (const [what, ...records] of BAD_RECORDS) {
  Deno.test(`a record is refused: ${what}`, async () => {
    const bob = new Victim();

    await assertRejects(() => bob.hear(...records), BadRecord);
  });
}

Deno.test("a control record that is no JSON, or no UTF-8, is refused", async () => {
  const { files } = new Victim();

  for (const bytes of [[], [0x7b], [0xff], [0x22, 0xc3, 0x22]]) {
    const record = new Uint8Array([CONTROL, ...bytes]);
    await assertRejects(() => files.receive(record), BadRecord);
  }
  const cut = new Uint8Array([DATA, 0, 0]);
  await assertRejects(() => files.receive(cut), BadRecord);
});

Deno.test("records of transfers that are over, or never were, mean nothing", async () => {
  const bob = new Victim();
  const of = { transfer: 1 };

  await bob.hear(
    "data",
    { type: "begin", ...of, offset: 0 },
    { type: "end", ...of, hash: "0".repeat(64) },
    { type: "accept", ...of, item: 0, offset: 0, hash: "0".repeat(64) },
    { type: "got", ...of, bytes: 5 },
    { type: "done", ...of },
    { type: "stop", ...of, reason: "x" },
    { type: "listing", request: 1, entries: [], more: 0 },
  );

  assertEquals(bob.answers, []);
});

Deno.test("offers without end are declined", async () => {
  const bob = new Victim();

  for (let transfer = 1; transfer <= 20; transfer++) {
    await bob.hear(offer([entry("x")], { transfer }));
  }
  const declined = bob.answers.filter(({ type }) => type === "decline");

  assertEquals(declined.length, 4);
});

Deno.test("lists whose names fill the memory together are declined", async () => {
  const bob = new Victim();
  const [files, perRecord] = [6_000, 100];
  const name = "x".repeat(2_000);

  for (let transfer = 1; transfer <= 3; transfer++) {
    await bob.hear(offer([], { transfer, files }));
    for (let at = 0; at < files; at += perRecord) {
      const entries = Array.from(
        { length: perRecord },
        (_, index) => entry(`${name}${at + index}`, 0, at + index),
      );
      await bob.hear({ ...manifest(entries), transfer });
    }
  }

  assertEquals(bob.offers.map(({ transfer }) => transfer), [1]);
  const declined = bob.answers.map((one) =>
    one.type === "decline" && one.transfer
  );
  assertEquals(declined, [2, 3]);
});

Deno.test("whoever sends more than was offered is stopped, and nothing is left", async () => {
  using to = tempFolder();
  const bob = new Victim();
  const end = await bob.accept(to.path, entry("x", 3));

  await bob.hear("ab", "cd", "ef");

  assertEquals(await end(), 'Received more of "x" than was offered');
  assertEquals(bob.answers.at(-1)?.type, "stop");
  assertEquals(snapshot(to.path), {});
});

Deno.test("whoever sends less than was offered is stopped, and nothing is left", async () => {
  using to = tempFolder();
  const bob = new Victim();
  const end = await bob.accept(to.path, entry("x", 3));
  const hash = hashOf(new TextEncoder().encode("ab"));

  await bob.hear("ab", { type: "end", transfer: 1, hash });

  assertEquals(await end(), 'Received less of "x" than was offered');
  assertEquals(snapshot(to.path), {});
});

Deno.test("a file with another hash never gets its name", async () => {
  using to = tempFolder();
  const bob = new Victim();
  const end = await bob.accept(to.path, entry("x", 3));
  const hash = hashOf(new TextEncoder().encode("abd"));

  await bob.hear("abc", { type: "end", transfer: 1, hash });

  assertEquals(await end(), '"x" arrived damaged: its hash differs');
  assertEquals(snapshot(to.path), {});
});

Deno.test("names of any kind become safe ones, and what were two files stay two", async () => {
  using to = tempFolder();
  const bob = new Victim();
  const hash = hashOf(new Uint8Array());
  const names = ["CON", ".hidden", "a\u202eb", "x:y", "same", "SAME", "t. "];
  const entries = names.map((name, item) => entry(name, 0, item));
  entries.push(entry("d/nul.txt", 0, names.length));
  entries.push(entry("d/Q?", 0, names.length), entry("d/q*", 0, names.length));
  const end = await bob.accept(to.path, ...entries);

  for (let item = 0; item <= names.length; item++) {
    await bob.hear({ type: "end", transfer: 1, hash });
  }

  assertEquals(await end(), "done");
  assertEquals(Object.keys(snapshot(to.path)).sort(), [
    ...["SAME", "_CON", "_hidden", "a_b", "d/", "d/Q_", "d/_nul.txt"],
    ...["d/q_ (2)", "same", "t", "x_y"],
  ]);
});

Deno.test("a link that waits where a part is to be written is not followed", async () => {
  using to = tempFolder();
  using outside = tempFolder();
  const bob = new Victim();
  const end = await bob.accept(to.path, entry("d/sub/x", 3));
  await bob.offers[0]!.abort(new FileFailure("cut"));
  await end();
  const [part = ""] = Object.keys(snapshot(to.path));
  Deno.removeSync(`${to.path}/${part}sub`);
  Deno.symlinkSync(outside.path, `${to.path}/${part}sub`);

  const again = await new Victim().accept(to.path, entry("d/sub/x", 3));

  assertEquals(
    await again(),
    'Cannot write "d": something of that name is in the way',
  );
  assertEquals(snapshot(outside.path), {});
});
