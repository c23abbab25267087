/** A shared folder: what is in it can be got, and nothing else. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EXIT, Failure } from "../../../client/view/failure.ts";
import { MAX_UNDER_WAY } from "../../../client/files/peer_connection.ts";
import {
  type Control,
  decodeControl,
  encodeControl,
  FileFailure,
} from "../../../client/files/records.ts";
import { askedParts, SharedFolder } from "../../../client/files/file_source.ts";
import {
  link,
  Pair,
  peerFiles,
  PEOPLE,
  snapshot,
  writeFiles,
} from "../../tools/file_tools.ts";
import { CAN_LINK, needs } from "../../tools/system/skips.ts";
import { tempFolder } from "../../tools/temp.ts";

const LOST = new Failure(EXIT.failed, "Direct connection lost");

/** A folder with something to share in it, and something beside it. */
function folders() {
  const folder = tempFolder();
  writeFiles(folder.path, {
    "shared/notes.txt": 1_000_000,
    "shared/sub/a.txt": "a",
    "secret.txt": "secret",
    "secrets/key": "key",
  });
  return folder;
}

Deno.test("a file and a folder of what is shared can be got", async () => {
  using bobs = folders();
  using to = tempFolder();
  const shared = await SharedFolder.open(`${bobs.path}/shared`);
  await using pair = new Pair({ shared });

  for (const path of ["notes.txt", "sub", "sub/a.txt"]) {
    const receiving = await pair.get(path);
    await receiving.accept({ folder: to.path, ...PEOPLE });
  }

  const files = snapshot(shared.location);
  const single = { "a.txt": files["sub/a.txt"] };
  assertEquals<Record<string, unknown>>(snapshot(to.path), {
    ...single,
    ...files,
  });
  assertEquals(pair.served.length, 3);
});

Deno.test("what is shared can be got by any form of its letters", async () => {
  using bobs = tempFolder();
  using to = tempFolder();
  const apart = "re\u0301sume\u0301"; // as macOS has it
  writeFiles(bobs.path, {
    [`${apart}/${apart}.pdf`]: "cv",
    [`${apart}/\ud55c.txt`]: "as keyboards have it",
  });
  const shared = await SharedFolder.open(bobs.path);
  await using pair = new Pair({ shared });

  for (const name of [`${apart}.pdf`, "\ud55c.txt"]) {
    for (const form of ["NFC", "NFD"]) {
      const path = `${apart}/${name}`.normalize(form);
      const receiving = await pair.get(path);
      await receiving.accept({ folder: to.path, ...PEOPLE });
    }
  }

  assertEquals(Object.keys(snapshot(to.path)).sort(), [
    ...[`${apart} (2).pdf`, `${apart}.pdf`],
    ...["\ud55c (2).txt", "\ud55c.txt"],
  ]);
});

Deno.test(needs("links", {
  name: "a link is not followed, whatever form the letters of its name have",
  async fn() {
    using bobs = folders();
    const shared = await SharedFolder.open(`${bobs.path}/shared`);
    const apart = "cle\u0301s";
    link(`${bobs.path}/secrets`, `${shared.location}/${apart}`, "dir");
    await using pair = new Pair({ shared });

    for (const form of ["NFC", "NFD"]) {
      const path = `${apart}/key`.normalize(form);
      await assertRejects(() => pair.get(path), FileFailure, "Nothing called");
    }
  },
}));

Deno.test("askedParts() refuses the streams of files on Windows", () => {
  const cases: readonly [path: string, others: string[] | undefined][] = [
    ["a.pdf:Zone.Identifier", ["a.pdf:Zone.Identifier"]],
    ["a.pdf::$DATA", ["a.pdf::$DATA"]],
    ["sub\\10:30.txt", ["sub", "10:30.txt"]],
    ["../a:b", undefined],
  ];
  for (const [path, others] of cases) {
    assertEquals(askedParts(path, "linux"), others);
    assertEquals(askedParts(path, "darwin"), others);
    assertEquals(askedParts(path, "windows"), undefined);
  }
  assertEquals(askedParts("sub\\a.txt", "windows"), ["sub", "a.txt"]);
});

Deno.test("what is shared is listed", async () => {
  using bobs = folders();
  const shared = await SharedFolder.open(`${bobs.path}/shared`);
  await using pair = new Pair({ shared });

  const { entries, more } = await pair.alice.list();

  assertEquals(entries.map(({ path, size }) => [path, size]), [
    ["notes.txt", 1_000_000],
    ["sub/a.txt", 1],
  ]);
  assertEquals(more, 0);
});

Deno.test(needs("shell sh", {
  name:
    "one folder that cannot be read does not end the list of what is shared",
  async fn() {
    using bobs = folders();
    const shared = await SharedFolder.open(`${bobs.path}/shared`);
    await new Deno.Command("sh", {
      args: [
        "-c",
        'cd "$1" && mkdir "$(printf "caf\\351")"',
        "sh",
        shared.location,
      ],
    }).output();
    await using pair = new Pair({ shared });

    const { entries } = await pair.alice.list();

    assertEquals(entries.map(({ path }) => path), ["notes.txt", "sub/a.txt"]);
  },
}));

Deno.test("a list that is long is cut, and says so", async () => {
  using bobs = tempFolder();
  const numbers = Array.from({ length: 600 }, (_, number) => [`f${number}`, 0]);
  writeFiles(bobs.path, Object.fromEntries(numbers));
  const shared = await SharedFolder.open(bobs.path);
  await using pair = new Pair({ shared });

  const { entries, more } = await pair.alice.list();

  assertEquals([entries.length, more], [500, 100]);
});

const TRICKS = [
  ...[
    "../secret.txt",
    "sub/../../secret.txt",
    "..",
    ".",
    "",
    "/",
    "./notes.txt",
  ],
  ...[
    "..\\secret.txt",
    "sub\\..\\..\\secret.txt",
    "sub//a.txt",
    "\0",
    "nothing",
  ],
  ...["link.txt", "links/key", "links", "up/secret.txt", "inside.txt"],
  ...["notes.txt/x", "%2e%2e/secret.txt", "~/x", "sub/./a.txt"],
];

for (const path of TRICKS) {
  Deno.test(`${JSON.stringify(path)} gets nothing of a shared folder`, async () => {
    using bobs = folders();
    const { path: top } = bobs;
    const shared = await SharedFolder.open(`${top}/shared`);
    if (CAN_LINK) { // without links there is nothing of these names
      link(`${top}/secret.txt`, `${top}/shared/link.txt`, "file");
      link(`${top}/secrets`, `${top}/shared/links`, "dir");
      link("..", `${top}/shared/up`, "dir");
      link("notes.txt", `${top}/shared/inside.txt`, "file");
    }
    await using pair = new Pair({ shared });

    for (const tried of [path, `${top}/secret.txt`]) {
      const error = await assertRejects(
        () => pair.get(tried),
        FileFailure,
      );
      assertEquals(error.message, `Nothing called "${tried}" is shared`);
    }
    assertEquals(pair.broken, undefined);
  });
}

Deno.test(needs("links", {
  name: "a folder that is got leaves out the links in it",
  async fn() {
    using bobs = folders();
    using to = tempFolder();
    const shared = await SharedFolder.open(`${bobs.path}/shared`);
    link(`${bobs.path}/secrets`, `${shared.location}/sub/links`, "dir");
    link(`${bobs.path}/secret.txt`, `${shared.location}/sub/link`, "file");
    await using pair = new Pair({ shared });

    const receiving = await pair.get("sub");
    await receiving.accept({ folder: to.path, ...PEOPLE });

    assertEquals(Object.keys(snapshot(to.path)), ["sub/", "sub/a.txt"]);
  },
}));

Deno.test(needs("links", {
  name: "a link that takes a file's place after it was offered is not followed",
  async fn() {
    using bobs = folders();
    using to = tempFolder();
    const shared = await SharedFolder.open(`${bobs.path}/shared`);
    await using pair = new Pair({ shared });

    const receiving = await pair.get("sub");
    const info = Deno.statSync(`${shared.location}/sub/a.txt`);
    Deno.renameSync(`${shared.location}/sub`, `${bobs.path}/moved`);
    link(`${bobs.path}/moved`, `${shared.location}/sub`, "dir");
    Deno.utimeSync(`${bobs.path}/moved/a.txt`, info.atime!, info.mtime!);
    const got = receiving.accept({ folder: to.path, ...PEOPLE });

    const error = await assertRejects(() => got, FileFailure);
    assertEquals(error.message, '"sub/a.txt" changed while it was sent');
    assert(!("sub/" in snapshot(to.path)));
  },
}));

Deno.test("who shares nothing says so", async () => {
  await using pair = new Pair();

  for (const asking of [() => pair.get("x"), () => pair.alice.list()]) {
    const error = await assertRejects(asking, FileFailure);
    assertEquals(error.message, "This user shares no files");
  }
});

Deno.test("only a folder can be shared", async () => {
  using bobs = folders();
  const file = `${bobs.path}/secret.txt`;

  const error = await assertRejects(() => SharedFolder.open(file), FileFailure);
  assertEquals(error.message, `Cannot share "${file}": it is not a folder`);
  const none = `${bobs.path}/none`;
  const missing = await assertRejects(
    () => SharedFolder.open(none),
    FileFailure,
  );
  assertEquals(
    missing.message,
    `Cannot share "${none}": there is no such file`,
  );
});

Deno.test("a request is over when the connection is", async () => {
  using bobs = folders();
  const shared = await SharedFolder.open(`${bobs.path}/shared`);
  await using pair = new Pair({ shared });

  const listing = pair.alice.list();
  pair.cut("gone");

  await assertRejects(() => listing, Failure, "gone");
});

Deno.test("whoever hangs up while something is got is no mistake of ours", async () => {
  using bobs = folders();
  const shared = await SharedFolder.open(`${bobs.path}/shared`);
  const served = Promise.withResolvers<string>();
  let said = 0;
  const files = peerFiles({
    shared,
    served: ({ ended }) =>
      served.resolve(ended.then(() => "done", ({ message }) => message)),
  });
  files.connect(() => ++said > 1 ? Promise.reject(LOST) : Promise.resolve());

  const get = { type: "get", request: 1, path: "notes.txt" } as const;
  await files.receive(encodeControl(get));
  assertEquals(await served.promise, LOST.message);

  await files.end(LOST); // what nobody handles would have ended us
});

Deno.test("whoever answers something else than was asked gets no further", async () => {
  const said: Control[] = [];
  const files = peerFiles();
  files.connect((record) => {
    said.push(decodeControl(record));
    return Promise.resolve();
  });
  const hear = (control: Control) => files.receive(encodeControl(control));

  const got = files.get("notes.txt").ended;
  await hear({ type: "listing", request: 1, entries: [], more: 0 });
  await assertRejects(() => got, FileFailure, "but received a list");

  const listed = files.list();
  const offer = { transfer: 1, id: "0".repeat(32), files: 1, size: 0 };
  await hear({ type: "offer", ...offer, answers: 2 });
  const entries = [{ item: 0, path: "notes.txt", size: 0 }];
  await hear({ type: "manifest", transfer: 1, entries });
  await assertRejects(() => listed, FileFailure, "but received files");

  assertEquals(said.map(({ type }) => type), ["get", "list", "decline"]);
});

Deno.test("what goes wrong with a shared folder tells nobody where it is", async () => {
  const bobs = folders();
  const shared = await SharedFolder.open(`${bobs.path}/shared`);
  await using pair = new Pair({ shared });
  bobs[Symbol.dispose]();

  const error = await assertRejects(() => pair.alice.list(), FileFailure);

  assertEquals(
    error.message,
    "Cannot read what is shared: there is no such file",
  );
});

Deno.test("whoever asks for lists and reads none is sent only so many", async () => {
  using bobs = folders();
  const shared = await SharedFolder.open(`${bobs.path}/shared`);
  const { promise: unread, resolve: read } = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  const refused = Promise.withResolvers<string>();
  let lists = 0;
  const files = peerFiles({ shared });
  files.connect((record) => {
    const control = decodeControl(record);
    if (control.type === "refuse") refused.resolve(control.reason);
    else if (++lists === MAX_UNDER_WAY) full.resolve();
    return unread;
  });
  const ask = (request: number) =>
    files.receive(encodeControl({ type: "list", request }));

  for (let request = 1; request <= MAX_UNDER_WAY; request++) await ask(request);
  await full.promise;
  await ask(MAX_UNDER_WAY + 1);

  assertEquals(
    await refused.promise,
    "Too many requests at once; try again later",
  );
  assertEquals(lists, MAX_UNDER_WAY);
  read();
  await files.end(LOST);
});
