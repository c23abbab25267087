/** What becomes of a transfer that somebody, or a disk, does not want. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  DATA,
  DATA_HEAD_BYTES,
  FileFailure,
} from "../../../client/files/records.ts";
import { systemReason, writeReason } from "../../../client/view/failure.ts";
import type { System } from "../../../platform/system.ts";
import { PartialFile } from "../../../client/files/partial_file.ts";
import type { Receiving } from "../../../client/files/receiving.ts";
import type { Transfer } from "../../../client/files/transfer.ts";
import { ItemList, namesOn } from "../../../client/files/names.ts";
import { findFiles } from "../../../client/files/file_source.ts";
import {
  link,
  noise,
  Pair,
  PEOPLE,
  snapshot,
  writeFiles,
} from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";
import { CAN_LINK, needs } from "../../tools/system/skips.ts";

Deno.test("who declines gets nothing, and the sender is told why", async () => {
  using from = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { a: 1_000_000 });
  const outgoing = await findFiles([`${from.path}/a`]);

  const sending = Promise.allSettled([
    pair.send(outgoing),
  ]);
  await (await pair.offered()).cancel(new FileFailure("bob declined"));

  assertEquals(said((await sending)[0]), "bob declined");
  assert(pair.sent < 1_000);
});

Deno.test("the receiver can end it in the middle, and keeps nothing", async () => {
  await cancelled(({ receiving }) =>
    receiving.cancel(new FileFailure("bob cancelled it"))
  );
});

Deno.test("the sender can end it in the middle, and nothing is kept", async () => {
  await cancelled(({ sending }) =>
    sending.apply({
      type: "failed",
      error: new FileFailure("bob cancelled it"),
    })
  );
});

/** Ends a transfer in the middle with `cancel`, and sends another after it. */
async function cancelled(
  cancel: (
    ends: {
      sending: Transfer;
      receiving: Receiving;
    },
  ) => unknown,
): Promise<void> {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { a: 9_000_000, b: "b" });
  const outgoing = await findFiles([`${from.path}/a`]);
  const sending = pair.alice.send(outgoing);
  const receiving = await pair.offered();
  pair.onSent((bytes) => {
    if (bytes > 4_000_000) cancel({ sending, receiving });
  });

  const ends = await Promise.allSettled([
    sending.ended,
    receiving.accept({ folder: to.path, ...PEOPLE }),
  ]);
  pair.onSent(() => {});
  const [, got] = await pair.transfer([`${from.path}/b`], to.path);

  assertEquals(ends.map(said), ["bob cancelled it", "bob cancelled it"]);
  assertEquals(got.status, "fulfilled");
  assertEquals(Object.keys(snapshot(to.path)), ["b"]);
}

Deno.test("a part that is closed while it is written comes to an end", async () => {
  using to = tempFolder();
  const piece = noise(200_000);
  const size = 4_000_000;
  const list = new ItemList();
  list.add([{ item: 0, path: "a", size }]);
  const [item] = list.items;
  const [names] = await namesOn("linux", list.items);
  for (let pieces = 1; pieces <= 20; pieces++) {
    const part = await PartialFile.open(item!, names!, {
      folder: to.path,
      ...PEOPLE,
    });
    const writeAll = async () => {
      for (let count = 0; count < 20; count++) await part.write(piece);
    };
    const closeAfter = async () => {
      for (let count = 0; count < pieces; count++) await Promise.resolve();
      await part.close();
    };
    await Promise.allSettled([writeAll(), closeAfter()]);
    await part.remove();
  }

  assertEquals(snapshot(to.path), {});
});

Deno.test("a part that cannot be removed any more is left, and nothing else happens", async () => {
  using to = tempFolder();
  const folder = `${to.path}/downloads`;
  const list = new ItemList();
  list.add([{ item: 0, path: "a", size: 0 }]);
  const [item] = list.items;
  const [names] = await namesOn("linux", list.items);
  const part = await PartialFile.open(item!, names!, { folder, ...PEOPLE });
  Deno.renameSync(folder, `${folder} moved`);
  Deno.writeTextFileSync(folder, "no folder");

  await part.remove();

  assertEquals(Object.keys(snapshot(`${folder} moved`)).length, 1);
});

Deno.test("a folder that cannot be written is told to both, before any data", async () => {
  using from = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { a: 1_000_000, "no folder": "" });

  const ends = await pair.transfer(
    [`${from.path}/a`],
    `${from.path}/no folder`,
  );

  assertEquals(
    ends.map(said),
    Array(2).fill('Cannot write "a": something of that name is in the way'),
  );
  assert(pair.sent < 1_000);
  assertEquals(pair.broken, undefined);
});

Deno.test(needs("/dev/full", {
  name: "a disk that is full is said to be, and what has no code in its words",
  async fn() {
    using full = await Deno.open("/dev/full", { write: true });

    const error = await assertRejects(() => full.write(new Uint8Array(1)));

    assertEquals(systemReason(error), "the disk is full");
    const other = new Error("File too large (os error 27): write '/secret'");
    assertEquals(systemReason(other), "file too large");
  },
}));

const REASONS: readonly [
  what: string,
  system: System,
  error: Error,
  reason: string,
][] = [
  [
    "a folder that macOS protects",
    "darwin",
    systemError("Operation not permitted (os error 1)", "EPERM"),
    "macOS does not allow it. Allow the terminal in System Settings, " +
    "Privacy & Security, Files and Folders",
  ],
  [
    "the same error on Linux",
    "linux",
    systemError("Operation not permitted (os error 1)", "EPERM"),
    "permission is denied",
  ],
  [
    "access denied in another language",
    "windows",
    systemError("Acc\u00e8s refus\u00e9. (os error 5)", "EPERM"),
    "permission is denied, or another program uses it",
  ],
  [
    "a file that another program holds",
    "windows",
    systemError("Zugriff nicht m\u00f6glich. (os error 32)", "EBUSY"),
    "another program uses it. Close that program",
  ],
  [
    "a name that Windows refuses",
    "windows",
    systemError("Invalid name. (os error 123)", "ENOENT"),
    "Windows does not allow such a name",
  ],
  [
    "a disk in memory, whose driver Deno cannot use",
    "windows",
    systemError("Incorrect function. (os error 1)", "EISDIR"),
    "it is a folder, or the driver of its disk cannot do this",
  ],
  [
    "a full disk, which Deno has no code for",
    "windows",
    systemError("Espace insuffisant. (os error 112)"),
    "the disk is full",
  ],
  [
    "a name that a disk of macOS refuses",
    "darwin",
    systemError("Illegal byte sequence (os error 92)", "EILSEQ"),
    "the disk does not take this name",
  ],
];

for (const [what, system, error, reason] of REASONS) {
  Deno.test(`systemReason() tells of ${what}`, () => {
    assertEquals(systemReason(error, system), reason);
  });
}

Deno.test("writeReason() tells that Windows may protect a folder", () => {
  const none = new Deno.errors.NotFound("Not found. (os error 2): open 'x'");
  const code = Object.assign(none, { code: "ENOENT" });
  const full = systemError("Disk full. (os error 112)");

  assertStringIncludes(writeReason(code, "windows"), "Ransomware protection");
  assertEquals(writeReason(full, "windows"), "the disk is full");
  for (const system of ["linux", "darwin"] as const) {
    assertEquals(writeReason(code, system), "there is no such file");
  }
});

/** An error of the system as Deno has it, with a code if Deno knows one. */
function systemError(message: string, code?: string): Error {
  const error = new Error(`${message}: rename 'secret' -> 'path'`);
  return code === undefined ? error : Object.assign(error, { code });
}

Deno.test("what cannot be read cannot be sent", async () => {
  using from = tempFolder();
  writeFiles(from.path, { "a/b": 1 });
  if (CAN_LINK) link("nowhere", `${from.path}/link`, "file");

  for (const name of ["none", "link", "a/b/c"]) {
    const found = await Promise.allSettled([
      findFiles([`${from.path}/${name}`]),
    ]);
    assertMatch(
      said(found[0]),
      /^Cannot send ".*": (there is no such file|a part of the path is no folder)$/,
    );
  }
  if (Deno.build.os === "windows") return; // devices have other names there
  const device = await Promise.allSettled([findFiles(["/dev/null"])]);
  assertEquals(said(device[0]), 'Cannot send "null": it is not a file');
});

Deno.test(needs("links", {
  name: "a link that was named is followed, links in a folder are left out",
  async fn() {
    using from = tempFolder();
    writeFiles(from.path, { "a/b": 7, "c": 5 });
    link("c", `${from.path}/link`, "file");
    link("../c", `${from.path}/a/link`, "file");

    const found = await findFiles([`${from.path}/link`, `${from.path}/a`]);

    assertEquals(found.sources.map(({ path, size }) => [path, size]), [
      ["link", 5],
      ["a/b", 7],
    ]);
    assertEquals(found.missing.first, [
      'Cannot send "a/link": it is a link or a device',
    ]);
  },
}));

Deno.test("a byte that is changed on the way is noticed by the hash", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair({
    tamper: (record) => {
      if (record[0] === DATA) record[DATA_HEAD_BYTES + 7]! ^= 1;
      return record;
    },
  });
  writeFiles(from.path, { a: 1_000_000 });

  const ends = await pair.transfer([`${from.path}/a`], to.path);

  assertEquals(
    ends.map(said),
    Array(2).fill('"a" arrived damaged: its hash differs'),
  );
  assertEquals(snapshot(to.path), {});
});

/** What a side was told, if it failed for a reason that people are told. */
function said(end: PromiseSettledResult<unknown>): string {
  if (end.status === "fulfilled") return "done";
  assert(end.reason instanceof FileFailure);
  return end.reason.message;
}
