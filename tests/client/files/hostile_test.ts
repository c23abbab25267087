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
  MAX_FOLDERS,
} from "../../../client/files/records.ts";
import type { PeerFiles } from "../../../client/files/peer_files.ts";
import type { Receiving } from "../../../client/files/receiving.ts";
import type { Bytes } from "../../../core/scram.ts";
import {
  hashOf,
  link,
  peerFiles,
  PEOPLE,
  snapshot,
} from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";
import { needs } from "../../tools/system/skips.ts";

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
    const accepted = this.offers[0]!.accept({ folder, ...PEOPLE });
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

  assertEquals(bob.offers.map(({ offer }) => offer.transfer), [1]);
  const declined = bob.answers.map((one) =>
    one.type === "decline" && one.transfer
  );
  assertEquals(declined, [2, 3]);
});

/** So many files, each in thirty folders of its own. */
function deepFiles(count: number, item = 0): object[] {
  return Array.from({ length: count }, (_, number) => {
    const folders = Array.from(
      { length: 30 },
      (_, level) => number * 30 + level,
    );
    return entry(`d/${folders.join("/")}/x`, 0, item);
  });
}

for (const offers of [1, 4, 16]) {
  Deno.test(`folders that fill the memory are declined, in ${offers} offers`, async () => {
    const bob = new Victim();
    const files = Math.ceil(110_000 / 30 / offers);
    let taken = 0;
    for (let transfer = 1; transfer <= offers; transfer++) {
      const id = `${transfer}`.padStart(32, "0");
      await bob.hear(offer([], { transfer, files, id }));
      const entries = deepFiles(files);
      while (entries.length > 0 && bob.answers.length === 0) {
        const some = entries.splice(0, 100);
        await bob.hear({ ...manifest(some), transfer });
        taken += some.length;
      }
    }

    assertEquals(bob.answers.map(({ type }) => type), ["decline"]);
    assert(taken * 30 < MAX_FOLDERS + 2 * 3_000, `${taken} were taken`);
    const [answer] = bob.answers;
    const why = answer?.type === "decline" ? answer.reason : "";
    const many = offers > 1;
    assert(why.startsWith(many ? "Too much" : "It has more than 100000"), why);
  });
}

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

Deno.test("names of any kind stay where they can, and what were two files stay two", async () => {
  using to = tempFolder();
  const bob = new Victim();
  const hash = hashOf(new Uint8Array());
  const names = ["CON", ".hidden", "a\u202eb", "x:y", "same", "SAME", "t. "];
  const entries = names.map((name, item) => entry(name, 0, item));
  const inside = [".env", "aux.c", "می\u200cخواهم", "q\u2066", "q\u2067"];
  entries.push(...inside.map((name) => entry(`d/${name}`, 0, names.length)));
  const end = await bob.accept(to.path, ...entries);

  for (let item = 0; item <= names.length; item++) {
    await bob.hear({ type: "end", transfer: 1, hash });
  }

  assertEquals(await end(), "done");
  const isWindows = Deno.build.os === "windows";
  const own = isWindows
    ? ["SAME (2)", "_CON", "d/_aux.c", "t", "x_y"]
    : ["SAME", "CON", "d/aux.c", "t. ", "x:y"];
  assertEquals(
    Object.keys(snapshot(to.path)).sort(),
    [
      ...["_hidden", "a_b", "d/", "d/.env", "d/q_", "d/q_ (2)", "same"],
      ...["d/می\u200cخواهم", ...own],
    ].sort(),
  );
  const changes = bob.offers[0]!.renamed.first;
  for (
    const [name, safe] of [
      ...[[".hidden", "_hidden"], ["a\u202eb", "a_b"]],
      ...[["d/q\u2066", "d/q_"], ["d/q\u2067", "d/q_ (2)"]],
      ...(isWindows ? [["CON", "_CON"], ["t. ", "t"], ["x:y", "x_y"]] : []),
      ...(isWindows ? [["d/aux.c", "d/_aux.c"]] : []),
    ]
  ) {
    assert(changes.includes(`"${name}" is called "${safe}"`), name);
  }
  assertEquals(changes.length, isWindows ? 8 : 4);
});

Deno.test(needs("links", {
  name: "a link that waits where a part is to be written is not followed",
  async fn() {
    using to = tempFolder();
    using outside = tempFolder();
    const bob = new Victim();
    const end = await bob.accept(to.path, entry("d/sub/x", 3));
    await bob.offers[0]!.abort(new FileFailure("cut"));
    await end();
    const [part = ""] = Object.keys(snapshot(to.path));
    Deno.removeSync(`${to.path}/${part}sub`, { recursive: true });
    link(outside.path, `${to.path}/${part}sub`, "dir");

    const again = await new Victim().accept(to.path, entry("d/sub/x", 3));

    assertEquals(
      await again(),
      'Cannot write "d": something else is in the place of sub',
    );
    assertEquals(snapshot(outside.path), {});
  },
}));
