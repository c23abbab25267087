/** Names of files from somebody else. */
import { assert, assertEquals } from "@std/assert";
import {
  ItemList,
  itemName,
  MAX_NAME_LENGTH,
  namesOn,
  numbered,
  type OfferedItem,
  safeName,
  SafePaths,
} from "../../../client/files/names.ts";
import {
  type Disk,
  MAX_DEPTH,
  MAX_PATH_LENGTH,
  pathParts,
} from "../../../client/files/records.ts";

/** What every disk makes of a name. */
const NAMES: readonly [what: string, name: string, safe: string][] = [
  ["an ordinary name", "notes v2 (final).pdf", "notes v2 (final).pdf"],
  ["other scripts", "Prüfung 試験.txt", "Prüfung 試験.txt"],
  ["what macOS takes apart", "u\u0308ber", "u\u0308ber"],
  ["a word of Persian with a non-joiner", "می\u200cخواهم", "می\u200cخواهم"],
  [
    "a family in one emoji",
    "👩\u200d👩\u200d👧 ❤\ufe0f.txt",
    "👩\u200d👩\u200d👧 ❤\ufe0f.txt",
  ],
  [
    "a flag of tags",
    "🏴\u{e0067}\u{e0062}\u{e007f}",
    "🏴\u{e0067}\u{e0062}\u{e007f}",
  ],
  ["a hidden file", ".gitignore", ".gitignore"],
  ["a name with a dash", "-rf", "-rf"],
  ["a space before", "  a", "  a"],
  ["a part of another program", "a.3f9a2c01.part", "a.3f9a2c01.part"],
  ["what only begins like a device", "console.log", "console.log"],
  ["a control character", "a\nb\x1b[2J\x7f", "a_b_[2J_"],
  ["a bidi override", "annual\u202efdp.exe", "annual_fdp.exe"],
  ["a bidi isolate", "a\u2067b\u2069", "a_b_"],
  ["half of a surrogate pair", "a\ud800b", "a_b"],
];

/** What a disk of Windows makes of a name, which others take. */
const WINDOWS: readonly [what: string, name: string, safe: string][] = [
  ["a backslash", "..\\..\\x.exe", ".._.._x.exe"],
  ["a drive", "C:x", "C_x"],
  ["a stream of NTFS", "a.txt:b", "a.txt_b"],
  ["what a shell expands", 'a*?"<b>|.txt', "a____b__.txt"],
  ["dots and spaces at the end", "a.txt. . ", "a.txt"],
  ["only dots", "...", "_"],
  ["a device", "CON", "_CON"],
  ["a device with an ending", "aux.c", "_aux.c"],
  ["a device with spaces", "com1 .log", "_com1 .log"],
  ["a device with two endings", "Con.air.nfo", "_Con.air.nfo"],
  ["a device with a raised digit", "COM\u00b9", "_COM\u00b9"],
  ["a device of the console", "conin$.txt", "_conin$.txt"],
  ["a device with a dot at the end", "NUL.", "_NUL"],
  ["a device with a stream", "PRN:x", "PRN_x"],
  ["where a file is from", "a.pdf:Zone.Identifier", "a.pdf_Zone.Identifier"],
  ["another blank at the end", "a.txt\u00a0", "a.txt"],
];

const EVERY: readonly (readonly [string, string, string, string])[] = [
  ...NAMES.map(([what, name, safe]) => [what, name, safe, safe] as const),
  ...WINDOWS.map(([what, name, safe]) => [what, name, name, safe] as const),
];

for (const [what, name, others, windows] of EVERY) {
  Deno.test(`safeName() changes ${what} only where the disk needs it`, () => {
    const expected = { linux: others, darwin: others, windows };
    for (const disk of ["linux", "darwin", "windows"] as const) {
      const safe = safeName(name, disk);

      assertEquals([disk, safe], [disk, expected[disk]]);
      assertEquals(safeName(safe, disk), safe);
    }
  });
}

const ITEMS: readonly [what: string, name: string, safe: string][] = [
  ["what would be hidden", ".bashrc", "_bashrc"],
  ["a home folder", "~root", "_root"],
  ["an option", "-rf", "_rf"],
  ["a part of ours", "a.3f9a2c01.part", "a.3f9a2c01.part_"],
  ["nothing else", "wheel.part", "wheel.part"],
];

for (const [what, name, safe] of ITEMS) {
  Deno.test(`itemName() changes ${what} in the folder for downloads itself`, () => {
    assertEquals(itemName(name, "linux"), safe);
  });
}

Deno.test("safeName() bounds the length as the disk measures it, and keeps the ending", () => {
  for (const disk of ["linux", "darwin", "windows"] as const) {
    const most = MAX_NAME_LENGTH[disk];
    for (const letter of ["a", "ü", "試", "👩‍👩‍👧"]) {
      const name = safeName(letter.repeat(300) + ".tar.gz", disk);

      const { length } = disk === "windows"
        ? name
        : new TextEncoder().encode(name);
      assert(length <= most && length > most - 20, name);
      assert(name.endsWith(".tar.gz"), name);
      assert(name.startsWith(letter), name);
    }
    const longest = "a".repeat(most);
    assertEquals(safeName(longest, disk), longest);
  }
});

Deno.test("a long name of Chinese letters stays whole on Windows, also as an item", () => {
  const name = `${"試".repeat(90)}.docx`;

  assertEquals(safeName(name, "windows"), name);
  assertEquals(itemName(name, "windows"), name);
  assertEquals(safeName("試".repeat(255), "windows"), "試".repeat(120));
  assertEquals(safeName("試".repeat(255), "darwin"), "試".repeat(85));
});

Deno.test("numbered() puts the number before the ending", () => {
  assertEquals(numbered("notes.pdf", 1), "notes.pdf");
  assertEquals(numbered("notes.pdf", 2), "notes (2).pdf");
  assertEquals(numbered("a.tar.gz", 3), "a (3).tar.gz");
  assertEquals(numbered("README", 2), "README (2)");
  assertEquals(
    numbered("v1. Introduction to it", 2),
    "v1. Introduction to it (2)",
  );
});

const DISHONEST: readonly [what: string, path: string][] = [
  ["an absolute path", "/etc/passwd"],
  ["a way up", "a/../../b"],
  ["a way up alone", ".."],
  ["a dot", "a/./b"],
  ["nothing", ""],
  ["an empty part", "a//b"],
  ["a NUL", "a\0b"],
  ["too deep a folder", "a/".repeat(MAX_DEPTH) + "b"],
  ["too long a path", "a".repeat(MAX_PATH_LENGTH + 1)],
];

for (const [what, path] of DISHONEST) {
  Deno.test(`pathParts() refuses ${what}`, () => {
    assertEquals(pathParts(path), undefined);
  });
}

Deno.test("pathParts() takes a path to its limits, and an empty folder", () => {
  assertEquals(pathParts("a/b/c.txt"), ["a", "b", "c.txt"]);
  assertEquals(pathParts("a/b/"), ["a", "b"]);
  assertEquals(pathParts("a/".repeat(MAX_DEPTH - 1) + "b")?.length, MAX_DEPTH);
  assertEquals(pathParts("a".repeat(MAX_PATH_LENGTH))?.length, 1);
});

Deno.test("SafePaths keeps two files two when their names become one", () => {
  const paths = new SafePaths("windows");

  assertEquals(paths.add(["d", "a?.txt"]), "d/a_.txt");
  assertEquals(paths.add(["d", "a*.txt"]), "d/a_ (2).txt");
  assertEquals(paths.add(["d", "A_.TXT"]), "d/A_ (3).TXT");
  assertEquals(paths.add(["D", "a?.txt"]), "D (2)/a_.txt");
  assertEquals(paths.add(["d", "b.txt"]), "d/b.txt");
  assertEquals(paths.add(["d", "e"], true), "d/e/");
  assertEquals(paths.changes.first, [
    '"d/a?.txt" is called "d/a_.txt"',
    '"d/a*.txt" is called "d/a_ (2).txt"',
    '"d/A_.TXT" is called "d/A_ (3).TXT"',
    '"D" is called "D (2)"',
    '"D/a?.txt" is called "D (2)/a_.txt"',
  ]);
});

Deno.test("SafePaths numbers names of another case only where the disk takes them for one", () => {
  const names = (disk: Disk) => {
    const paths = new SafePaths(disk);
    return ["Makefile", "makefile", "u\u0308", "ü"]
      .map((name) => paths.add(["d", name]));
  };

  assertEquals(names("linux"), [
    "d/Makefile",
    "d/makefile",
    "d/u\u0308",
    "d/ü",
  ]);
  for (const disk of ["darwin", "windows"] as const) {
    assertEquals(names(disk), [
      ...["d/Makefile", "d/makefile (2)", "d/u\u0308", "d/ü (2)"],
    ]);
  }
});

/** Two names that are one on disks that do not know case. */
const SAME: readonly [what: string, one: string, other: string][] = [
  ["another case", "Notes.txt", "notes.TXT"],
  ["an accent taken apart", "\u00e9t\u00e9", "e\u0301te\u0301"],
  ["another case, taken apart", "\u00c9", "e\u0301"],
  ["Hangul taken apart", "\ud55c", "\u1112\u1161\u11ab"],
  [
    "a sigma at the end of a word",
    "\u03bf\u03b4\u03cc\u03c2",
    "\u039f\u0394\u038c\u03c3",
  ],
  ["a sharp s", "stra\u00dfe", "STRASSE"],
  ["a ligature", "\ufb01le", "FILE"],
  ["a capital i with a dot", "\u0130", "i\u0307"],
];

for (const [what, one, other] of SAME) {
  Deno.test(`SafePaths keeps two files two whose names are one by ${what}`, () => {
    const names = (disk: Disk) => {
      const paths = new SafePaths(disk);
      return [one, other].map((name) => paths.add(["d", name]));
    };

    assertEquals(names("linux"), [`d/${one}`, `d/${other}`]);
    for (const disk of ["darwin", "windows"] as const) {
      assertEquals(names(disk), [`d/${one}`, `d/${numbered(other, 2)}`]);
    }
  });
}

Deno.test("SafePaths keeps two long names two that become one", () => {
  const paths = new SafePaths("linux");
  const names = ["b", "c"].map((letter) =>
    paths.add(["d", "試".repeat(90) + letter])
  );

  assertEquals(new Set(names).size, 2);
  for (const name of names) {
    assert(new TextEncoder().encode(name).length <= 257, name);
  }
});

Deno.test("SafePaths never makes a folder of a file", () => {
  const paths = new SafePaths("windows");

  assertEquals(paths.add(["x", "y."]), "x/y");
  assertEquals(paths.add(["x", "y", "z"]), "x/y (2)/z");
});

Deno.test("SafePaths numbers fifty thousand files of one name", () => {
  const paths = new SafePaths("windows");
  const marks = (number: number) =>
    number.toString(5).padStart(7, "0")
      .replace(/\d/g, (digit) => "?*<>|".charAt(Number(digit)));

  const names = Array.from(
    { length: 50_000 },
    (_, number) => paths.add([`${marks(number)}.txt`]),
  );

  assertEquals(names[0], "_______.txt");
  assertEquals(names.at(-1), "_______ (50000).txt");
  assertEquals(new Set(names).size, 50_000);
});

Deno.test("safeName() shortens a long name without encoding each of its graphemes", () => {
  const family = "👩\u200d👩\u200d👧";
  const accent = "e\u0301";
  const { encode } = TextEncoder.prototype;
  let calls = 0;
  TextEncoder.prototype.encode = function (text) {
    calls++;
    return encode.call(this, text);
  };
  try {
    for (const [plain, end] of [[250, family], [254, accent]] as const) {
      const name = "a".repeat(plain);
      assertEquals(safeName(name + end, "linux"), name);
    }
  } finally {
    TextEncoder.prototype.encode = encode;
  }
  assert(calls < 10, `${calls} calls`);
});

Deno.test("ItemList names nothing: a peer may list 16 MiB of names before any answer", async () => {
  const { encode } = TextEncoder.prototype;
  let calls = 0;
  TextEncoder.prototype.encode = function (text) {
    calls++;
    return encode.call(this, text);
  };
  try {
    const items = itemsOf([`d/${"a".repeat(300)}`]);
    assertEquals([items[0]?.title, calls], ["d", 0]);

    const [names] = await namesOn("linux", items);
    assert(names!.paths[0]!.length < 300);
    assert(calls > 0, "the names for a disk are counted");
  } finally {
    TextEncoder.prototype.encode = encode;
  }
});

/** How often a new name is numbered: counted by the search of its ending. */
function countOfSplits(task: () => void): number {
  const { exec } = RegExp.prototype;
  let count = 0;
  RegExp.prototype.exec = function (text) {
    if (this.source.includes("\\.tar")) count++;
    return exec.call(this, text);
  };
  try {
    task();
  } finally {
    RegExp.prototype.exec = exec;
  }
  return count;
}

for (const disk of ["linux", "darwin", "windows"] as const) {
  Deno.test(`long names of one beginning, each twice, are each numbered once (${disk})`, () => {
    const paths = new SafePaths(disk);
    const most = disk === "windows" ? 120 : 255;
    const names = Array.from(
      { length: 500 },
      (_, number) => `x${number}`.padStart(most, "_"),
    );

    const splits = countOfSplits(() => {
      for (const name of names) paths.add(["d", name]);
      for (const name of names) {
        paths.add(["d", name.replace("_", "\u202e")]);
      }
    });

    assert(splits <= 4 * names.length, `${splits} for ${names.length} names`);
  });
}

for (const disk of ["linux", "darwin", "windows"] as const) {
  Deno.test(`20,000 names are given in portions (${disk})`, async () => {
    const paths = Array.from(
      { length: 20_000 },
      (_, number) => `node_modules/p${number % 500}/f${number}.js`,
    );
    let turns = 0;

    const [names] = await namesOn(disk, itemsOf(paths), () => {
      turns++;
      return Promise.resolve();
    });

    assertEquals(names!.paths.length, 20_000);
    assert(turns > 40, `${turns} turns`);
  });
}

Deno.test("the changes of names are kept up to a length, and the others counted", async () => {
  const paths = Array.from(
    { length: 5_000 },
    (_, number) => `d/${"\u202e".repeat(1_000)}/${number}\u202e`,
  );

  const [names] = await namesOn("linux", itemsOf(paths));

  const { first, count } = names!.changes;
  assertEquals(count, 5_001);
  const length = first.reduce((sum, line) => sum + line.length, 0);
  assert(length < 270_000, `${length} characters`);
});

Deno.test("ItemList counts the folders, and each once", () => {
  const list = new ItemList();
  list.add([
    { item: 0, path: "a/b/c/x", size: 1 },
    { item: 0, path: "a/b/y", size: 1 },
    { item: 0, path: "a/e/", size: 0 },
    { item: 1, path: "a/b/x", size: 2 },
  ]);

  assertEquals(list.folders, 5);
  assertEquals(list.items.map(({ size, files }) => [size, files.length]), [
    ...[[2, 3], [2, 1]],
  ]);
});

function itemsOf(paths: readonly string[]): readonly OfferedItem[] {
  const list = new ItemList();
  list.add(paths.map((path) => ({ item: 0, path, size: 0 })));
  return list.items;
}
