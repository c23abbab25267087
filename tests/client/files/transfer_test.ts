/** Files on their way between two people, without a network. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  DATA,
  DATA_HEAD_BYTES,
  FileFailure,
  PIECE_BYTES,
} from "../../../client/files/records.ts";
import { Sending, windowOf } from "../../../client/files/sending.ts";
import { findFiles } from "../../../client/files/file_source.ts";
import {
  hashOf,
  noise,
  Pair,
  PEOPLE,
  snapshot,
  writeFiles,
} from "../../tools/file_tools.ts";
import { enough } from "../../tools/system/amounts.ts";
import { tempFolder } from "../../tools/temp.ts";

for (
  const size of [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 9_999_999]
) {
  Deno.test(`a file of ${size} bytes arrives whole, under its name`, async () => {
    using from = tempFolder();
    using to = tempFolder();
    await using pair = new Pair();
    writeFiles(from.path, { "notes.pdf": size });

    const ends = await pair.transfer([`${from.path}/notes.pdf`], to.path);

    assertEquals(ends, [
      { status: "fulfilled", value: undefined },
      { status: "fulfilled", value: [join(to.path, "notes.pdf")] },
    ]);
    assertEquals(snapshot(to.path), { "notes.pdf": hashOf(noise(size)) });
  });
}

Deno.test("several files and a folder arrive in one transfer", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  const files = { "a.txt": 10, "b/c/d.txt": "d", "b/e": 300_000, "b/z/0": 0 };
  writeFiles(from.path, files);
  Deno.mkdirSync(`${from.path}/b/empty/er`, { recursive: true });
  Deno.mkdirSync(`${from.path}/nothing`);

  const paths = ["a.txt", "b", "nothing"].map((name) => `${from.path}/${name}`);
  const [, got] = await pair.transfer(paths, to.path);

  assertEquals(got.status, "fulfilled");
  assertEquals(snapshot(to.path), snapshot(from.path));
});

const SMALL_FILES = enough(10_000);

Deno.test(`a folder of ${SMALL_FILES} small files arrives in few records`, async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  let records = 0;
  pair.onSent(() => records++);
  const name = (number: number) => `many/${number % 100}/${number}.txt`;
  const numbers = Array.from({ length: SMALL_FILES }, (_, number) => number);
  writeFiles(
    from.path,
    Object.fromEntries(numbers.map((one) => [name(one), `file ${one}`])),
  );

  await pair.transfer([`${from.path}/many`], to.path);

  assertEquals(snapshot(to.path), snapshot(from.path));
  assert(records < 30, `${records} records`);
});

Deno.test("an existing file is never overwritten: a number is added", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { "notes.pdf": "new", "d/x": "new" });
  writeFiles(to.path, { "notes.pdf": "old", "notes (2).pdf": "old", d: "old" });

  const paths = [`${from.path}/notes.pdf`, `${from.path}/d`];
  const [, got] = await pair.transfer(paths, to.path);

  assertEquals(got, {
    status: "fulfilled",
    value: [join(to.path, "notes (3).pdf"), join(to.path, "d (2)")],
  });
  const old = hashOf(new TextEncoder().encode("old"));
  const fresh = hashOf(new TextEncoder().encode("new"));
  assertEquals(snapshot(to.path), {
    "d": old,
    "d (2)/": "",
    "d (2)/x": fresh,
    "notes (2).pdf": old,
    "notes (3).pdf": fresh,
    "notes.pdf": old,
  });
});

for (const size of [1_000_000, 100_000_000]) {
  Deno.test(`a sender that hears nothing sends no more of ${size} bytes than a window`, async () => {
    using from = tempFolder();
    writeFiles(from.path, { big: size });
    const outgoing = await findFiles([`${from.path}/big`]);
    let sent = 0;
    const send = (record: Uint8Array) => {
      if (record[0] === DATA) sent += record.length - DATA_HEAD_BYTES;
      return Promise.resolve();
    };
    const sending = new Sending({ transfer: 1, id: "1", outgoing, send });

    const running = sending.run();
    sending.receive({
      ...{ type: "accept", transfer: 1, item: 0, offset: 0 },
      hash: hashOf(new Uint8Array()),
    });
    const window = windowOf(size);
    while (sent + PIECE_BYTES <= window) await nextTurn();
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    sending.abort(new FileFailure("enough"));
    await assertRejects(() => running, FileFailure, "enough");

    assert(sent <= window, `${sent} of ${window}`);
  });
}

Deno.test("twenty breaks cost less than a fifth of what is large", () => {
  for (const size of [66e6, 100e6, 250e6, 1e9, 2 ** 40]) {
    assert(20 * windowOf(size) < size / 5, `${windowOf(size)} of ${size}`);
  }
});

Deno.test("transfers run beside each other, in both directions", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { "a": 2_000_000, "b": 3_000_000, "c": 1_000_000 });

  const running = [];
  for (const name of ["a", "b", "c"]) {
    const outgoing = await findFiles([`${from.path}/${name}`]);
    running.push(pair.send(outgoing));
    const receiving = await pair.offered();
    running.push(receiving.accept({ folder: to.path, ...PEOPLE }));
  }
  await Promise.all(running);

  assertEquals(snapshot(to.path), snapshot(from.path));
});

Deno.test("a break leaves a part, and the next offer goes on behind it", async () => {
  using from = tempFolder();
  using to = tempFolder();
  const size = 10_000_000;
  writeFiles(from.path, { "notes.pdf": size });
  {
    await using pair = new Pair();
    pair.onSent((sent) => {
      if (sent > size / 2) pair.cut();
    });
    const [sent, got] = await pair.transfer(
      [`${from.path}/notes.pdf`],
      to.path,
    );
    assertEquals([sent.status, got.status], ["rejected", "rejected"]);
  }
  const [part = ""] = Object.keys(snapshot(to.path));
  assertMatch(part, /^notes\.pdf\.[0-9a-f]{8}\.part$/);

  await using pair = new Pair();
  const [, got] = await pair.transfer([`${from.path}/notes.pdf`], to.path);

  assertEquals(got.status, "fulfilled");
  assertEquals(snapshot(to.path), { "notes.pdf": hashOf(noise(size)) });
  assert(pair.sent < 0.6 * size, `${pair.sent} bytes were sent again`);
});

Deno.test("a folder goes on in the middle of a file after a break", async () => {
  using from = tempFolder();
  using to = tempFolder();
  const files = { "d/a": 3_000_000, "d/b/0": 0, "d/b/c": 5_000_000, "d/e": 9 };
  writeFiles(from.path, files);
  let sent = 0;
  for (const stopAt of [1_000_000, 3_500_000, 2_500_000, Infinity]) {
    await using pair = new Pair();
    pair.onSent((sent) => {
      if (sent > stopAt) pair.cut();
    });
    await pair.transfer([`${from.path}/d`], to.path);
    sent += pair.sent;
  }

  assertEquals(snapshot(to.path), snapshot(from.path));
  assert(sent < 10_500_000, `${sent} bytes were sent`);
});

Deno.test("a part that has another beginning is not gone on with", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "notes.pdf": 10_000_000 });
  {
    await using pair = new Pair();
    pair.onSent((sent) => {
      if (sent > 5_000_000) pair.cut();
    });
    await pair.transfer([`${from.path}/notes.pdf`], to.path);
  }
  const changed = noise(10_000_000).reverse();
  Deno.writeFileSync(`${from.path}/notes.pdf`, changed);

  await using pair = new Pair();
  const [, got] = await pair.transfer([`${from.path}/notes.pdf`], to.path);

  assertEquals(got.status, "fulfilled");
  assertEquals(snapshot(to.path), { "notes.pdf": hashOf(changed) });
  assert(pair.sent > 10_000_000);
});

Deno.test("items that are whole are not sent again after a break", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "a": 2_000_000, "b": 2_000_000 });
  const outgoing = await findFiles([`${from.path}/a`, `${from.path}/b`]);
  const destination = { folder: to.path, ...PEOPLE };
  let finished: readonly string[] = [];
  {
    await using pair = new Pair();
    pair.onSent((sent) => {
      if (sent > 3_000_000) pair.cut();
    });
    const sending = pair.send(outgoing);
    const receiving = await pair.offered();
    const accepted = receiving.accept(destination);
    await Promise.allSettled([sending, accepted]);
    finished = receiving.finished;
  }
  assertEquals(finished, [join(to.path, "a")]);

  await using pair = new Pair();
  const sending = pair.send(outgoing);
  const receiving = await pair.offered();
  const got = await receiving.accept(destination, finished);
  await sending;

  assertEquals(got, [join(to.path, "a"), join(to.path, "b")]);
  assertEquals(snapshot(to.path), snapshot(from.path));
  assert(pair.sent < 1_500_000);
});

Deno.test("a transfer of which only the last word was lost ends at once", async () => {
  using from = tempFolder();
  using to = tempFolder();
  writeFiles(from.path, { "a": 5 });
  await using pair = new Pair();
  const sending = pair.send(await findFiles([`${from.path}/a`]));
  const receiving = await pair.offered();

  const finished = [join(to.path, "a")];
  const destination = { folder: to.path, ...PEOPLE };
  const accepted = receiving.accept(destination, finished);

  assertEquals(await accepted, finished);
  await sending;
  assertEquals(receiving.moved, 5);
});

Deno.test("a file that changes while it is sent ends the transfer, for both", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  const path = `${from.path}/log`;
  writeFiles(from.path, { log: 8_000_000 });
  pair.onSent((sent) => {
    if (sent > 4_000_000) {
      Deno.writeTextFileSync(path, "more", { append: true });
    }
  });

  const [sent, got] = await pair.transfer([path], to.path);

  assertEquals(
    [sent, got].map(said),
    Array(2).fill('"log" changed while it was sent'),
  );
  assertEquals(snapshot(to.path), {});
  assertEquals(pair.broken, undefined);
});

/** What a side was told, if it failed for a reason that people are told. */
function said(end: PromiseSettledResult<unknown>): string {
  if (end.status === "fulfilled") return "done";
  assert(end.reason instanceof FileFailure);
  return end.reason.message;
}
