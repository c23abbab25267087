/** Paths as users type and complete them. */
import { assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  alike,
  beginning,
  completePath,
  fitting,
  meantPaths,
} from "../../../client/files/typed_paths.ts";
import { writeFiles } from "../../tools/file_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

const NAMES = [
  ...["notes.txt", "Notes (1).pdf", "README", ".hidden.txt", "[x].md"],
  "re\u0301sume\u0301.pdf", // as macOS has it
];

const PATTERNS: readonly [
  pattern: string,
  others: string[],
  windows?: string[],
][] = [
  ["*.txt", ["notes.txt"]],
  [".*", [".hidden.txt"]],
  ["n*", ["notes.txt"], ["notes.txt", "Notes (1).pdf"]],
  [
    "*.*",
    ["notes.txt", "Notes (1).pdf", "[x].md", "re\u0301sume\u0301.pdf"],
    NAMES.filter((name) => !name.startsWith(".")),
  ],
  ["r\u00e9s*", ["re\u0301sume\u0301.pdf"]],
  ["re\u0301s*", ["re\u0301sume\u0301.pdf"]],
  ["r?sum?.pdf", ["re\u0301sume\u0301.pdf"]],
  ["[NR]*", ["Notes (1).pdf", "README"], [
    ...["notes.txt", "Notes (1).pdf", "README", "re\u0301sume\u0301.pdf"],
  ]],
];

for (const [pattern, others, windows = others] of PATTERNS) {
  Deno.test(`fitting() finds ${pattern} as the shells of each system`, () => {
    assertEquals(fitting(NAMES, pattern, "linux"), others);
    assertEquals(fitting(NAMES, pattern, "darwin"), others);
    assertEquals(fitting(NAMES, pattern, "windows"), windows);
  });
}

Deno.test("alike() finds the one name that looks like another", () => {
  const shot = "Shot at 9.41.00\u202fAM.png";
  const names = [shot, "a b", "a\u00a0b", "c\u00a0d", "re\u0301sume\u0301"];

  const found = ["Shot at 9.41.00 AM.png", "c d", "r\u00e9sum\u00e9"]
    .map((name) => alike(names, name));
  const none = ["a b", "A B", "shot", ""].map((name) => alike(names, name));

  assertEquals(found, [shot, "c\u00a0d", "re\u0301sume\u0301"]);
  assertEquals(none, Array(4).fill(undefined)); // two look like "a b"
});

Deno.test("meantPaths() finds a screenshot whose blank became a space", () => {
  using folder = tempFolder();
  const { path } = folder;
  writeFiles(path, { "9.41\u202fAM.png": 1, "a b": 1, "a\u00a0b": 1 });

  assertEquals(meantPaths(`${path}/9.41 AM.png`), [
    `${path}/9.41\u202fAM.png`,
  ]);
  assertEquals(meantPaths(`${path}/a b`), [`${path}/a b`]);
  assertEquals(meantPaths(`${path}/`), [`${path}/`]);
});

Deno.test("beginning() knows case only where disks do, and all forms of letters", () => {
  const begins = (start: string) =>
    (["linux", "darwin", "windows"] as const)
      .map((system) => beginning(NAMES, start, system));
  const both = ["notes.txt", "Notes (1).pdf"];

  assertEquals(begins("no"), [["notes.txt"], both, both]);
  assertEquals(begins("r\u00e9"), Array(3).fill(["re\u0301sume\u0301.pdf"]));
  assertEquals(begins("."), Array(3).fill([".hidden.txt"]));
  assertEquals(begins("")[0]!.includes(".hidden.txt"), false);
});

Deno.test("meantPaths() reads file: addresses, and finds what fits a pattern", () => {
  using folder = tempFolder();
  const { path } = folder;
  writeFiles(path, { "a b.txt": 1, "c.txt": 2, ".h.txt": 3, "[x].md": 4 });

  const address = pathToFileURL(`${path}/a b.txt`).href;
  assertEquals(meantPaths(address), [join(path, "a b.txt")]);
  assertEquals(meantPaths(`${path}/*.txt`), [
    ...[`${path}/a b.txt`, `${path}/c.txt`],
  ]);
  assertEquals(meantPaths(`${path}/[x].md`), [`${path}/[x].md`]);
  assertEquals(meantPaths(`${path}/none.txt`), [`${path}/none.txt`]);
  assertThrows(
    () => meantPaths(`${path}/*.none`),
    Error,
    `Cannot send "${path}/*.none": no file fits this pattern`,
  );
});

Deno.test("completePath() completes the last path, and quotes what needs it", async () => {
  using folder = tempFolder();
  const { path } = folder;
  writeFiles(path, {
    "notes (1).pdf": 1,
    "notes.txt": 2,
    "photos/a": 3,
    ".hidden": 4,
    "nasty\u202e": 5,
  });

  const [begun, pdf] = Deno.build.os === "windows"
    ? [`"${path}/notes `, `"${path}/notes (1).pdf" `]
    : [`${path}/notes\\ `, `${path}/notes\\ \\(1\\).pdf `];
  const cases: readonly [typed: string, candidates: string[], part?: string][] =
    [
      [`${path}/no`, [`${path}/notes.txt `, pdf].sort()],
      [`x "y z" ${path}/ph`, [`${path}/photos/`], `${path}/ph`],
      [`${path}/photos/`, [`${path}/photos/a `]],
      [`"${path}/notes (`, [pdf]],
      [begun, [pdf]],
      [`${path}/.h`, [`${path}/.hidden `]],
      [`${path}/nas`, []],
      [`${path}/none/x`, []],
    ];
  for (const [typed, candidates, part = typed] of cases) {
    assertEquals(await completePath(typed), [candidates, part]);
  }
  const all = await completePath(`x ${path}/`);
  assertEquals(all[0].length, 3);
});

Deno.test("meantPaths() refuses a pattern that would take too long", () => {
  using folder = tempFolder();
  const { path } = folder;
  writeFiles(path, { ["a".repeat(24)]: 1 });
  const named = (pattern: string) => () => meantPaths(`${path}/${pattern}`);

  assertEquals(named("a***a*a")(), [`${path}/${"a".repeat(24)}`]);
  assertThrows(named("*a*a*a*b"), Error, "only 3 times");
  assertThrows(named("{a,a}{a,a}{a,a}{a,a}?"), Error, "only 3 times");
  assertThrows(named("+(+(a))?b"), Error, "no file fits this pattern");
});
