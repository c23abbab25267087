/** Files of a folder that do not arrive: the others do, and both users are told. */
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EXIT, Failure } from "../../../client/view/failure.ts";
import { findFiles } from "../../../client/files/file_source.ts";
import {
  BadRecord,
  CONTROL,
  decodeControl,
  encodeControl,
} from "../../../client/files/records.ts";
import {
  hashOf,
  link,
  noise,
  Pair,
  peerFiles,
  PEOPLE,
  snapshot,
  writeFiles,
} from "../../tools/file_tools.ts";
import { CAN_LINK, needs } from "../../tools/system/skips.ts";
import { tempFolder } from "../../tools/temp.ts";

/** `d` with 300 files, the first of which are large enough to be waited for. */
function folderOf300(path: string): Record<string, number> {
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, number) => {
      const name = `d/${`${number}`.padStart(3, "0")}`;
      const size = number === 10 ? 6_000_000 : 200_000;
      return [name, number < 20 ? size : number];
    }),
  );
  writeFiles(path, files);
  return files;
}

Deno.test("a file that vanishes, one that grows and one that becomes a folder do not end a folder of 300", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  const files = folderOf300(from.path);
  const outgoing = await findFiles([`${from.path}/d`]);
  for (const gone of ["d/000", "d/100", "d/299"]) {
    Deno.removeSync(`${from.path}/${gone}`);
  }
  Deno.removeSync(`${from.path}/d/200`);
  Deno.mkdirSync(`${from.path}/d/200`);
  let grown = false;
  pair.onSent((sent) => {
    if (grown || sent < 4_000_000) return; // in the middle of it
    grown = true;
    Deno.writeTextFileSync(`${from.path}/d/010`, "more", { append: true });
  });

  const sending = pair.alice.send(outgoing);
  const receiving = await pair.offered();
  const paths = await receiving.accept({ folder: to.path, ...PEOPLE });
  const { missing } = await sending.ended;

  const reasons = [
    'Cannot read "d/000": there is no such file',
    '"d/010" changed while it was sent',
    'Cannot read "d/100": there is no such file',
    '"d/200" changed while it was sent',
    'Cannot read "d/299": there is no such file',
  ];
  assertEquals(missing.first, reasons);
  assertEquals(receiving.missing.first, reasons);
  assertEquals(receiving.moved, receiving.size);
  assertEquals(paths, [join(to.path, "d")]);
  for (const name of ["000", "010", "100", "200", "299"]) {
    delete files[`d/${name}`];
  }
  assertEquals(
    snapshot(to.path),
    {
      "d/": "",
      ...Object.fromEntries(
        Object.entries(files).map((
          [path, size],
        ) => [path, hashOf(noise(size))]),
      ),
    },
  );
});

Deno.test("one of several files that vanishes does not end the others", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { a: 5, b: 600_000, c: 7 });
  const paths = ["a", "b", "c"].map((name) => `${from.path}/${name}`);
  const outgoing = await findFiles(paths);
  Deno.removeSync(`${from.path}/b`);

  const sending = pair.alice.send(outgoing);
  const receiving = await pair.offered();
  const got = await receiving.accept({ folder: to.path, ...PEOPLE });
  await sending.ended;

  assertEquals(got, [join(to.path, "a"), "", join(to.path, "c")]);
  assertEquals(Object.keys(snapshot(to.path)), ["a", "c"]);
});

Deno.test("a transfer of which nothing arrives fails, for both", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { "d/a": 5, "d/b": 6 });
  const outgoing = await findFiles([`${from.path}/d`]);
  Deno.removeSync(`${from.path}/d`, { recursive: true });

  const sending = pair.alice.send(outgoing);
  const receiving = await pair.offered();
  const got = receiving.accept({ folder: to.path, ...PEOPLE });

  const why = 'Cannot read "d/a": there is no such file';
  await assertRejects(() => got, Error, why);
  await assertRejects(() => sending.ended, Error, why);
  assertEquals(snapshot(to.path), {});
});

Deno.test("after a break a folder with missing files goes on, and both know them still", async () => {
  using from = tempFolder();
  using to = tempFolder();
  const files = folderOf300(from.path);
  const outgoing = await findFiles([`${from.path}/d`]);
  Deno.removeSync(`${from.path}/d/001`);
  Deno.removeSync(`${from.path}/d/019`);
  {
    await using pair = new Pair();
    pair.onSent((sent) => {
      if (sent > 8_500_000) pair.cut();
    });
    const sending = pair.alice.send(outgoing);
    const receiving = await pair.offered();
    const ends = [
      sending.ended,
      receiving.accept({ folder: to.path, ...PEOPLE }),
    ];
    await Promise.allSettled(ends);
  }

  await using pair = new Pair();
  const sending = pair.alice.send(outgoing);
  const receiving = await pair.offered();
  await receiving.accept({ folder: to.path, ...PEOPLE });
  await sending.ended;

  assertEquals(receiving.missing.first, [
    'Cannot read "d/001": there is no such file',
    'Cannot read "d/019": there is no such file',
  ]);
  const names = Object.keys(files).filter((name) => !/0[01][19]$/.test(name));
  names.push("d/009", "d/011");
  assertEquals(Object.keys(snapshot(to.path)), ["d/", ...names.sort()]);
  assert(pair.sent < 4_000_000, `${pair.sent} bytes were sent again`);
});

Deno.test("a receiver of an older version is not sent what it cannot read", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair({
    answers: (record) => {
      if (record[0] !== CONTROL) return record;
      const control = decodeControl(record);
      if (control.type !== "accept") return record;
      const { disk: _, ...old } = control;
      return encodeControl(old);
    },
  });
  writeFiles(from.path, { "d/a": 5, "d/b": 6 });
  if (CAN_LINK) link("a", `${from.path}/d/link`, "file"); // is left out
  const outgoing = await findFiles([`${from.path}/d`]);
  Deno.removeSync(`${from.path}/d/b`);

  const sending = pair.alice.send(outgoing);
  const receiving = await pair.offered();
  const got = receiving.accept({ folder: to.path, ...PEOPLE });

  const why = 'Cannot read "d/b": there is no such file';
  await assertRejects(() => got, Error, why);
  await assertRejects(() => sending.ended, Error, why);
  assertEquals(receiving.missing.count, 0);
  assertEquals(snapshot(to.path), {});
});

Deno.test(needs("names that are not UTF-8", {
  name:
    "what a folder has besides files it can send is left out, and told to both",
  async fn() {
    using from = tempFolder();
    using to = tempFolder();
    await using pair = new Pair();
    writeFiles(from.path, { "d/a": 5, [`d/${"deep/".repeat(40)}b`]: 1 });
    link("a", `${from.path}/d/link`, "file");
    const { success } = await new Deno.Command("sh", {
      args: ["-c", 'cd "$1/d" && : > "$(printf "caf\\351")"', "sh", from.path],
    }).output();
    assert(success);

    const sending = pair.alice.send(await findFiles([`${from.path}/d`]));
    const receiving = await pair.offered();
    await receiving.accept({ folder: to.path, ...PEOPLE });
    const { missing } = await sending.ended;

    assertEquals(missing.first.map((why) => why.replace(/(\/deep)+/, "/…")), [
      'Cannot read "d/caf\ufffd": its name is not UTF-8',
      'Cannot send "d/…": the path is too long or too deep',
      'Cannot send "d/link": it is a link or a device',
    ]);
    assertEquals(receiving.leftOut, 3);
    assertEquals(receiving.missing.first, missing.first);
    assertEquals(snapshot(to.path)["d/a"], hashOf(noise(5)));
  },
}));

Deno.test("the times of files and the owner's right to run them are kept, no other", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, {
    "d/old": 5,
    "d/run.sh": 600_000,
    "d/none": 0,
    one: 3,
  });
  const times = {
    "d/old": new Date("1999-12-31T23:59:58Z"),
    "d/run.sh": new Date("2031-01-01T00:00:00Z"),
    "d/none": new Date("2020-02-29T12:00:00Z"),
    "one": new Date("1970-01-01T00:00:00Z"),
  };
  for (const [name, time] of Object.entries(times)) {
    Deno.utimeSync(`${from.path}/${name}`, new Date(), time);
  }
  Deno.chmodSync(`${from.path}/d/run.sh`, 0o4755);
  Deno.chmodSync(`${from.path}/one`, 0o700);

  await pair.transfer(
    ["d", "one"].map((name) => `${from.path}/${name}`),
    to.path,
  );

  for (const [name, time] of Object.entries(times)) {
    const { mtime, mode } = Deno.statSync(`${to.path}/${name}`);
    assertEquals([name, mtime], [name, time]);
    const runs = Deno.build.os !== "windows" && // which has no such right
      (name === "one" || name === "d/run.sh");
    assertEquals([name, mode! & 0o7111], [name, runs ? 0o100 : 0]);
  }
});

Deno.test("a file keeps its time on a disk without permissions", async () => {
  using from = tempFolder();
  using to = tempFolder();
  await using pair = new Pair();
  writeFiles(from.path, { "run.sh": 5 });
  const time = new Date("1999-12-31T23:59:58Z");
  Deno.utimeSync(`${from.path}/run.sh`, new Date(), time);
  Deno.chmodSync(`${from.path}/run.sh`, 0o755);
  const { chmodSync } = Deno;
  let calls = 0;
  Deno.chmodSync = () => {
    calls++;
    throw new Deno.errors.PermissionDenied("(os error 1)"); // as vfat says
  };
  try {
    await pair.transfer([`${from.path}/run.sh`], to.path);
  } finally {
    Deno.chmodSync = chmodSync;
  }

  assertEquals(Deno.statSync(`${to.path}/run.sh`).mtime, time);
  assertEquals(calls, Deno.build.os === "windows" ? 0 : 1);
});

const LOST = new Failure(EXIT.failed, "Direct connection lost");
const MISSING = { type: "missing", transfer: 1, reason: "gone" } as const;
const FOLDER = [
  { item: 0, path: "d/a", size: 3 },
  { item: 0, path: "d/e/", size: 0 },
  { item: 0, path: "d/f", size: 3 },
];
const BAD: readonly [what: string, begun: boolean, file: number][] = [
  ["before the beginning", false, 0],
  ["that is an empty folder", true, 1],
  ["before those in front of it", true, 2],
  ["that nobody offered", true, 3],
];

for (const [what, begun, file] of BAD) {
  Deno.test(`a missing file ${what} is refused`, async () => {
    using to = tempFolder();
    const accepted = Promise.withResolvers<void>();
    const bob = peerFiles({
      offered: (receiving) =>
        void receiving.accept({ folder: to.path, ...PEOPLE }).catch(() => {}),
    });
    bob.connect((record) => {
      if (decodeControl(record).type === "accept") accepted.resolve();
      return Promise.resolve();
    });
    const hear = (control: Parameters<typeof encodeControl>[0]) =>
      bob.receive(encodeControl(control));
    const of = { transfer: 1, id: "0".repeat(32), files: 3, size: 6 };
    await hear({ type: "offer", ...of });
    await hear({ type: "manifest", transfer: 1, entries: FOLDER });
    await accepted.promise;
    if (begun) await hear({ type: "begin", transfer: 1, offset: 0 });

    await assertRejects(() => hear({ ...MISSING, file }), BadRecord);

    await bob.end(LOST);
  });
}
