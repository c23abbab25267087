/** How far transfers are, and where files go. */
import { assert, assertEquals } from "@std/assert";
import {
  diskOf,
  downloadsFolder,
  freeBytes,
} from "../../../client/files/downloads.ts";
import { Meter } from "../../../client/files/transfer.ts";
import {
  durationText,
  missingText,
  progressBar,
  progressText,
} from "../../../client/files/words.ts";
import type { System } from "../../../platform/system.ts";
import { tempFolder } from "../../tools/temp.ts";

const HALF = { title: "notes.pdf", moved: 5e8, size: 1e9, rate: 2e8 };

Deno.test("Meter tells the rate of the last seconds", () => {
  const meter = new Meter();
  assertEquals(meter.rate, undefined);

  for (let second = 0; second <= 20; second++) {
    meter.note(second < 10 ? second * 100 : 1_000 + second * 7, second * 1_000);
  }

  assertEquals(Math.round(meter.rate!), 7);
  meter.restart();
  assertEquals(meter.rate, undefined);
});

Deno.test("progressText() says what people want to know", () => {
  assertEquals(
    progressText(HALF),
    "50%, 500 MB of 1 GB, 200 MB/s, 3s left",
  );
  assertEquals(
    progressText({ ...HALF, rate: undefined }),
    "50%, 500 MB of 1 GB",
  );
  assertEquals(
    progressText({ ...HALF, rate: 0 }),
    "50%, 500 MB of 1 GB, stalled",
  );
  assertEquals(
    progressText({ ...HALF, moved: 1e9 - 1 }),
    "99%, 1000 MB of 1 GB, 200 MB/s, 1s left",
  );
  assertEquals(
    progressText({ ...HALF, moved: 0, size: 0 }).slice(0, 4),
    "100%",
  );
});

Deno.test("progressBar() fits any screen, whatever the title is", () => {
  const titles = ["a", "notes.pdf", "x".repeat(300), "試".repeat(90)];
  for (const title of titles) {
    for (const columns of [20, 30, 40, 80, 81, 200]) {
      const row = progressBar({ ...HALF, title }, columns);
      const width = row.replace(/[試]/g, "xx").length;
      assert(width < Math.max(columns, 24), `${columns}: ${row}`);
    }
  }
  assertEquals(
    progressBar(HALF, 80),
    "notes.pdf [####################--------------------]  50% 1 GB 200 MB/s 3s left",
  );
});

Deno.test("progressBar() shows what is no letter in a title as a mark", () => {
  const row = progressBar({ ...HALF, title: "a\x1b[2J\u202eb" }, 80);

  assert(row.startsWith("a␛[2J<U+202E>b ["), row);
});

Deno.test("durationText() leaves out what is nothing", () => {
  assertEquals(
    [0, 999, 65_000, 3_600_000, 90_061_000].map(durationText),
    ["1s", "1s", "1m 5s", "1h", "1d 1h 1m 1s"],
  );
});

const SETTINGS = 'XDG_DESKTOP_DIR="$HOME/Desktop"\nXDG_DOWNLOAD_DIR="';
const ANN = { USERPROFILE: "C:\\Users\\ann", OneDrive: "D:\\OneDrive" };
const AT_HOME = "C:\\Users\\ann\\Downloads";
const MOVED = "D:\\OneDrive\\Downloads";
const PLACES: readonly [
  what: string,
  folder: string,
  system: System,
  variables: Record<string, string>,
  disk?: { files?: Record<string, string>; folders?: readonly string[] },
][] = [
  ["at home", "/home/ann/Downloads", "linux", { HOME: "/home/ann" }],
  ["nowhere without a home", ".", "linux", {}],
  [
    "as the desktop is set to",
    '/home/a$n/get"it',
    "linux",
    { HOME: "/home/a$n" },
    {
      files: {
        "/home/a$n/.config/user-dirs.dirs": `${SETTINGS}$HOME/get\\"it"\n`,
      },
    },
  ],
  ["as set to elsewhere", "/data", "linux", {
    HOME: "/h",
    XDG_CONFIG_HOME: "/c",
  }, {
    files: { "/c/user-dirs.dirs": `${SETTINGS}/data"\n` },
  }],
  [
    "at home on macOS, whatever Linux is set to",
    "/Users/ann/Downloads",
    "darwin",
    { HOME: "/Users/ann" },
    { files: { "/Users/ann/.config/user-dirs.dirs": `${SETTINGS}/data"\n` } },
  ],
  ["at home on Windows", AT_HOME, "windows", ANN, {
    folders: [AT_HOME, MOVED],
  }],
  ["in OneDrive, when it was moved there", MOVED, "windows", ANN, {
    folders: [MOVED],
  }],
  ["at home on Windows, when it is nowhere", AT_HOME, "windows", ANN],
  [
    "in the home folder of Windows, not in that of Git Bash",
    AT_HOME,
    "windows",
    { HOME: "H:\\", USERPROFILE: ANN.USERPROFILE },
  ],
];

for (const [what, folder, system, variables, disk = {}] of PLACES) {
  Deno.test(`downloadsFolder() is ${what}`, () => {
    const { files = {}, folders = [] } = disk;

    const found = downloadsFolder({
      system,
      variable: (name) => variables[name],
      text: (path) => files[path],
      isFolder: (path) => folders.includes(path),
    });

    assertEquals(found, folder);
  });
}

Deno.test("diskOf() finds what a disk needs of names, and leaves nothing there", async () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(`${folder.path}/x`, "");
  const isSame = await Deno.stat(`${folder.path}/X`).then(
    () => true,
    () => false,
  );
  const others = isSame ? "darwin" : "linux";

  const disk = await diskOf(`${folder.path}/not/yet`);

  assertEquals(disk, Deno.build.os === "windows" ? "windows" : others);
  const made = `${folder.path}/not/yet`;
  const left = disk === "windows" ? [] : Array.from(Deno.readDirSync(made));
  assertEquals(left, []);
});

Deno.test("freeBytes() knows the disk of a folder that is not there yet", async () => {
  using folder = tempFolder();

  const free = await freeBytes(`${folder.path}/not/yet`);

  assert(free !== undefined && free > 0);
});

Deno.test("missingText() tells a receiver that the words are the sender's", () => {
  const cannot = 'Cannot send "d/link": it is a link or a device';
  const changed = '"d/a" changed while it was sent';
  const said = (sends: boolean) =>
    [cannot, changed].map((why) => missingText({ sends, peer: "alice" }, why));

  assertEquals(said(true), [cannot, changed]);
  assertEquals(said(false), [
    'alice cannot send "d/link": it is a link or a device',
    'alice: "d/a" changed while it was sent',
  ]);
});
