/** What becomes of a transfer that somebody, or a disk, does not want. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  DATA,
  DATA_HEAD_BYTES,
  FileFailure,
} from "../../../client/files/records.ts";
import { systemReason } from "../../../client/view/failure.ts";
import { PartialFile } from "../../../client/files/partial_file.ts";
import type { Receiving } from "../../../client/files/receiving.ts";
import type { Transfer } from "../../../client/files/transfer.ts";
import { findFiles } from "../../../client/files/file_source.ts";
import {
  noise,
  Pair,
  PEOPLE,
  snapshot,
  writeFiles,
} from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

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
      type: "cancelled",
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
    receiving.accept({ folder: to.path, people: PEOPLE }),
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
  const files = [{ path: "", size: 4_000_000, isFolder: false }];
  const item = {
    name: "a",
    title: "a",
    isFolder: false,
    size: 4_000_000,
    files,
  };
  for (let pieces = 1; pieces <= 20; pieces++) {
    const part = await PartialFile.open(item, to.path, PEOPLE);
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
  const item = { name: "a", title: "a", isFolder: false, files: [], size: 0 };
  const part = await PartialFile.open(item, folder, PEOPLE);
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

Deno.test({
  name: "a disk that is full is said to be, and what has no code in its words",
  ignore: Deno.build.os !== "linux", // which alone has /dev/full
  async fn() {
    using full = await Deno.open("/dev/full", { write: true });

    const error = await assertRejects(() => full.write(new Uint8Array(1)));

    assertEquals(systemReason(error), "the disk is full");
    const other = new Error("File too large (os error 27): write '/secret'");
    assertEquals(systemReason(other), "file too large");
  },
});

Deno.test("what cannot be read cannot be sent", async () => {
  using from = tempFolder();
  writeFiles(from.path, { "a/b": 1 });
  Deno.symlinkSync("nowhere", `${from.path}/link`);

  for (const name of ["none", "link", "a/b/c"]) {
    const found = await Promise.allSettled([
      findFiles([`${from.path}/${name}`]),
    ]);
    assertMatch(
      said(found[0]),
      /^Cannot send ".*": (there is no such file|a part of the path is no folder)$/,
    );
  }
  const device = await Promise.allSettled([findFiles(["/dev/null"])]);
  assertEquals(said(device[0]), 'Cannot send "null": it is not a file');
});

Deno.test("a link that was named is followed, links in a folder are left out", async () => {
  using from = tempFolder();
  writeFiles(from.path, { "a/b": 7, "c": 5 });
  Deno.symlinkSync("c", `${from.path}/link`);
  Deno.symlinkSync("../c", `${from.path}/a/link`);

  const found = await findFiles([`${from.path}/link`, `${from.path}/a`]);

  assertEquals(found.sources.map(({ path, size }) => [path, size]), [
    ["link", 5],
    ["a/b", 7],
  ]);
  assertEquals(found.leftOut, 1);
});

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
